"""Search for backbone, input size and what to train, within a time budget; trials are judged by their int8 files."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from edgeclf.config.tables import SearchConfig
from edgeclf.config.train import TrainConfig, preprocessing
from edgeclf.data.dataset import Dataset
from edgeclf.data.decoded_cache import cache_for_now
from edgeclf.data.division import split
from edgeclf.data.sources import SourcePaths, paths_of, read_source, refuse_inside
from edgeclf.exporting.export import export_run
from edgeclf.framework_errors import start_tensorflow
from edgeclf.frameworks import keras, tensorflow
from edgeclf.metrics.scoring import wilson
from edgeclf.progress import Reporter
from edgeclf.reports.report import note_parity, write_report
from edgeclf.runs.run import Run
from edgeclf.searching.budget import Budget
from edgeclf.searching.forecast import first_seconds, predicted_seconds
from edgeclf.searching.latency import missing_weights, plain_picture, untrained_milliseconds
from edgeclf.searching.result import OVER_BOUND, WITHOUT_WEIGHTS, SearchResult
from edgeclf.searching.space import Candidate, candidates, train_config, trial_folder
from edgeclf.searching.study import Outcome, SearchLog
from edgeclf.training.fit import resume, train, train_dataset
from edgeclf_converters.export import Conversion
from edgeclf_converters.parity.layers import multiply_accumulates
from edgeclf_converters.report import invoke_milliseconds
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.pictures.preprocess import Preprocessing

__all__ = ["search"]

_SPLIT = "the same for all sizes"  # up to version 0.1 the split depended on a trial's input size
_WORST_DROP = 2.0  # percentage points that may be lost before costlier variants of quantization are tried


def search(data: SourcePaths, out: Path, settings: SearchConfig, base: TrainConfig, reporter: Reporter) -> SearchResult:
    """Train, convert and evaluate one candidate after another until the budget or the candidates are used up.

    Args:
        data: the photographs; every trial uses the same split.
        out: a new folder, or the folder of an earlier search, which is then resumed.
        settings: the options of the search.
        base: the options of the trainings, except those that are searched.
        reporter: shows the progress.

    Returns:
        the result; also after Ctrl-C.

    Raises:
        DataError, ConfigError: the input cannot be used; nothing was tried.
    """
    refuse_inside(data, out)
    with reporter.bar("Listing", 0):
        listed, _ = read_source(data, reporter.say)
    start_tensorflow(reporter)
    pictures = len(split(listed, base.validation, base.test, base.seed).rows("validation"))
    for candidate in candidates(settings.backbones, settings.sizes, settings.tunes):
        train_config(candidate, base)  # raises before anything is written
    space = {"backbone": settings.backbones, "size": settings.sizes, "tune": settings.tunes}
    searched = {"backbone", "size", "train_size", "tune", "weights"}
    conditions = {
        "data": " + ".join(str(path.resolve()) for path in paths_of(data)),
        "pictures": _digest(listed),
        "split": _SPLIT,
        "options": base.model_dump_json(exclude=searched),
    }
    log = SearchLog(out, space, conditions, base.seed)
    base = base.model_copy(update={"jpeg": "full"}) if log.is_before_jpeg else base
    searching = _Searching(data, out, settings, base, log, reporter, len(listed.files))
    interrupted = False
    try:
        with cache_for_now(out / ".kept", reporter.say):
            searching.run()
    except KeyboardInterrupt:
        interrupted = True
    return SearchResult(
        out,
        tuple(item for item in log.outcomes if item.candidate not in searching.skipped),
        tuple(log.frontier),
        {candidate.name: reason for candidate, reason in searching.skipped.items()},
        settings.latency_ms,
        next((outcome.count for outcome in log.measured if outcome.count), pictures),
        interrupted,
    )


class _Searching:
    """The loop over candidates."""

    def __init__(
        self,
        data: SourcePaths,
        out: Path,
        settings: SearchConfig,
        base: TrainConfig,
        log: SearchLog,
        reporter: Reporter,
        images: int,
    ) -> None:
        self._data, self._out, self._settings, self._base = data, out, settings, base
        self._log, self._reporter, self._images = log, reporter, images
        self._end = time.monotonic() + 60 * settings.budget_minutes
        self._with_weights: set[str] = set()
        self._failed: set[Candidate] = set()  # in this call only: causes of earlier failures may be gone
        self._forecast: dict[Candidate, float] = {}  # seconds
        self.skipped: dict[Candidate, str] = {}

    def run(self) -> None:
        """Run trials until no candidate is left that fits the budget."""
        for number in range(self._settings.trials or len(self._all())):
            candidate = self._next()
            if candidate is None:
                return
            left = (self._end - time.monotonic()) / 60
            self._reporter.say(f"Trial {number + 1}: {candidate.name}; {left:.1f} minutes of the budget left.")
            # The first trial may take any time, so that there is a result.
            budget = Budget(self._reporter, self._end if self._log.measured else math.inf)
            try:
                with budget.bar(f"Trial {number + 1}", 0):
                    outcome = self._try(candidate, budget)
            except KeyboardInterrupt:
                self._log.drop()
                if not budget.spent:
                    raise
                self._set_aside("its time was up; the same command resumes it", candidate.__eq__)
                continue
            self._log.finish(outcome)
            self._failed |= {candidate} if outcome.reason else set()
            self._reporter.say(_outcome_line(outcome))

    def _all(self) -> list[Candidate]:
        return candidates(self._settings.backbones, self._settings.sizes, self._settings.tunes)

    def _ended(self) -> set[Candidate]:
        return {outcome.candidate for outcome in self._log.measured} | self._failed

    def _next(self) -> Candidate | None:
        """Choose the next candidate and start it in the log; None if there is none."""
        ended = self._ended()
        while left := [item for item in self._all() if item not in ended and item not in self.skipped]:
            candidate = self._log.propose(left) if self._log.measured else self._log.take(self._first(left))
            try:
                if self._fits(candidate):
                    return candidate
            except KeyboardInterrupt:
                self._log.drop()
                raise
            self._log.drop()
        return None

    def _first(self, left: list[Candidate]) -> Candidate:
        """Return the default if it is predicted to fit, else the cheapest, so that there is always a result."""
        default = Candidate(self._base.backbone, self._base.input_size, self._base.tune)
        if default not in left or missing_weights(self._base):
            return left[0]
        if default not in self._forecast:
            with self._reporter.bar("Measuring the speed", 0):
                self._forecast[default] = first_seconds(default, self._base, self._images)
        return default if self._forecast[default] <= self._end - time.monotonic() else left[0]

    def _fits(self, candidate: Candidate) -> bool:
        """Return whether a candidate can be tried; if not, set it aside with all others that the reason applies to."""
        name, size, left = candidate.backbone, candidate.size, self._end - time.monotonic()
        measured, bound = self._log.measured, self._settings.latency_ms
        if (measured or self._failed or self.skipped) and left <= 0:
            return self._set_aside("no time was left", lambda other: True)
        with self._reporter.bar("Loading the network", 0):
            missing = "" if name in self._with_weights else missing_weights(train_config(candidate, self._base))
        if missing:
            self._reporter.say(f"{missing}.")  # at once, as the user may have a weights file
            return self._set_aside(f"{WITHOUT_WEIGHTS} {missing}", lambda other: other.backbone == name)
        self._with_weights.add(name)
        if measured and (needed := predicted_seconds(candidate, measured, self._base)) > left:
            reason = f"would take about {needed / 60:.1f} minutes; {left / 60:.1f} were left"
            return self._set_aside(reason, candidate.__eq__)
        if bound is not None and (taken := self._untrained(candidate)) > bound:
            reason = f"{taken:.2f} ms per image of {size} pixels, {OVER_BOUND} {bound:g} ms"
            return self._set_aside(reason, lambda other: other.backbone == name and other.size >= size)
        return True

    def _untrained(self, candidate: Candidate) -> float:
        """Return the latency of a candidate's backbone and size in ms, measured before training."""
        key = f"{candidate.backbone} at {candidate.size} pixels"
        if key not in self._log.times:
            with self._reporter.bar("Measuring the latency", 0):
                self._log.note_time(key, untrained_milliseconds(train_config(candidate, self._base)))
        return self._log.times[key]

    def _set_aside(self, reason: str, same: Callable[[Candidate], bool]) -> bool:
        ended = self._ended()
        new = [item for item in self._all() if same(item) and item not in ended and item not in self.skipped]
        self.skipped.update(dict.fromkeys(new, reason))
        return False

    def _try(self, candidate: Candidate, reporter: Reporter) -> Outcome:
        keras().backend.clear_session()  # frees the previous trial's memory and layer names
        try:
            return self._measured(candidate, reporter)
        except (EdgeclfError, MemoryError, tensorflow().errors.OpError) as error:
            lines = str(error).splitlines()
            return Outcome(candidate, reason=lines[0] if lines else type(error).__name__)

    def _measured(self, candidate: Candidate, reporter: Reporter) -> Outcome:
        run = self._trained(trial_folder(self._out, candidate), candidate, reporter)
        metrics, started = run.read_json("metrics"), time.monotonic()
        if metrics["status"] == "interrupted":
            raise KeyboardInterrupt
        path = run.path / "model.tflite"
        count = metrics["validation"]["count"]
        may_drop = max(_WORST_DROP, 100 / count)  # a limit below one image is meaningless
        done = export_run(run, path, "int8", reporter, method="ptq", max_drop=may_drop)
        if done.interrupted:
            raise KeyboardInterrupt
        if done.path != path:
            _rename(done, path)
            note_parity(run, path.with_suffix(".parity.json"))
            write_report(run, reporter)
        assert done.search is not None
        content, rule = done.search.best.content, preprocessing(run.config)
        accuracy = done.card.accuracy["validation_int8"]
        low, high = wilson(round(accuracy * count), count)
        return Outcome(
            candidate,
            accuracy,
            low,
            high,
            done.card.accuracy["validation_float"],
            self._milliseconds(candidate, content, rule),
            done.bytes,
            multiply_accumulates(content),
            metrics["seconds"],
            time.monotonic() - started,
            count=count,
        )

    def _milliseconds(self, candidate: Candidate, content: bytes, rule: Preprocessing) -> float:
        """Return the latency, measured once per backbone and size: equal files would differ only by noise."""
        same = (candidate.backbone, candidate.size)
        for other in self._log.measured:
            if (other.candidate.backbone, other.candidate.size) == same:
                return other.milliseconds
        return invoke_milliseconds([content], [plain_picture(candidate.size)], rule)[0]

    def _trained(self, folder: Path, candidate: Candidate, reporter: Reporter) -> Run:
        """Return a candidate's run: reuse or resume one that an earlier search left in the folder, or train."""
        if (folder / "config.toml").is_file():
            run = Run.open(folder)
            if run.has_arrays("state"):
                return resume(folder, reporter)
            if (folder / "metrics.json").is_file():
                return run
            shutil.rmtree(folder)
        config, divided = train_config(candidate, self._base), self._divided()
        if divided is None:
            return train(self._data, folder, config, reporter)
        run = Run.create(folder, config, self._data)
        try:
            train_dataset(run, divided, reporter)
        except EdgeclfError:
            run.abandon()
            raise
        write_report(run, reporter)
        return run

    def _divided(self) -> Dataset | None:
        """Return the split of an earlier trial of this search, if any."""
        folders = [trial_folder(self._out, item) for item in self._all()]
        divided = next((folder for folder in folders if (folder / "split.csv").is_file()), None)
        return None if divided is None else Run.open(divided).read_split()


def _digest(listed: Dataset) -> str:
    """Hash the list of images with their labels, parts and groups."""
    rows = zip(listed.files, listed.targets.tolist(), listed.parts, listed.groups.tolist(), strict=True)
    return hashlib.sha256(json.dumps([listed.labels, *rows]).encode()).hexdigest()


def _rename(done: Conversion, path: Path) -> None:
    """Rename a file that was named after its accuracy loss: here it is a result like any other."""
    for file in done.path.parent.glob(f"{done.path.stem}.*") if done.path != path else ():
        os.replace(file, file.with_name(file.name.replace(done.path.stem, path.stem)))


def _outcome_line(outcome: Outcome) -> str:
    name, seconds = outcome.candidate.name, outcome.train_seconds + outcome.export_seconds
    if outcome.reason:
        return f"{name} failed: {outcome.reason}"
    figures = f"int8 {outcome.accuracy:.1%}, {outcome.milliseconds:.2f} ms per image"
    return f"{name}: {figures}; took {seconds / 60:.1f} minutes."
