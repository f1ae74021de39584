"""Backbone, input size and what is trained, under a time budget, judged by the int8 files themselves."""

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

_SPLIT = "the same for all sizes"  # until 0.1 each trial divided the images by its own input size
_WORST_DROP = 2.0  # points that post-training quantization may lose before its costlier variants are tried


def search(data: SourcePaths, out: Path, settings: SearchConfig, base: TrainConfig, reporter: Reporter) -> SearchResult:
    """Train, convert and measure one candidate after the other until the budget, or what there is to try, is spent.

    Args:
        data: the photographs; divided in the same way for every trial.
        out: the search's folder, new, or of an earlier search, which then goes on.
        settings: of the search.
        base: of the trainings, but for what is searched.

    Returns:
        what was found; also after Ctrl-C.

    Raises:
        DataError, ConfigError: nothing was tried.
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
    searching = _Searching(data, out, settings, base, log, reporter, len(listed.files))
    interrupted = False
    try:
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
    """The loop."""

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
        self._failed: set[Candidate] = set()  # of this call: the reasons of an earlier one may be gone
        self._forecast: dict[Candidate, float] = {}  # seconds
        self.skipped: dict[Candidate, str] = {}

    def run(self) -> None:
        """Trials until there is none left that fits."""
        for number in range(self._settings.trials or len(self._all())):
            candidate = self._next()
            if candidate is None:
                return
            left = (self._end - time.monotonic()) / 60
            self._reporter.say(f"Trial {number + 1}: {candidate.name}; {left:.1f} minutes of the budget left.")
            # The first trial ends whatever time it takes, so that there is a result.
            budget = Budget(self._reporter, self._end if self._log.measured else math.inf)
            try:
                with budget.bar(f"Trial {number + 1}", 0):
                    outcome = self._try(candidate, budget)
            except KeyboardInterrupt:
                self._log.drop()
                if not budget.spent:
                    raise
                self._set_aside("its time was up; the same command goes on with it", candidate.__eq__)
                continue
            self._log.finish(outcome)
            self._failed |= {candidate} if outcome.reason else set()
            self._reporter.say(_outcome_line(outcome))

    def _all(self) -> list[Candidate]:
        return candidates(self._settings.backbones, self._settings.sizes, self._settings.tunes)

    def _ended(self) -> set[Candidate]:
        return {outcome.candidate for outcome in self._log.measured} | self._failed

    def _next(self) -> Candidate | None:
        """Begin the next in the log."""
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
        """The default, if it is forecast to fit; else the cheapest, so that there is always a result."""
        default = Candidate(self._base.backbone, self._base.input_size, self._base.tune)
        if default not in left or missing_weights(self._base):
            return left[0]
        if default not in self._forecast:
            with self._reporter.bar("Measuring the speed", 0):
                self._forecast[default] = first_seconds(default, self._base, self._images)
        return default if self._forecast[default] <= self._end - time.monotonic() else left[0]

    def _fits(self, candidate: Candidate) -> bool:
        """Whether it can be tried; else it is set aside, and with it those of which the same is known."""
        name, size, left = candidate.backbone, candidate.size, self._end - time.monotonic()
        measured, bound = self._log.measured, self._settings.latency_ms
        if (measured or self._failed or self.skipped) and left <= 0:
            return self._set_aside("no time was left", lambda other: True)
        with self._reporter.bar("Loading the network", 0):
            missing = "" if name in self._with_weights else missing_weights(train_config(candidate, self._base))
        if missing:
            self._reporter.say(f"{missing}.")  # at once: a file of them may be at hand
            return self._set_aside(f"{WITHOUT_WEIGHTS} {missing}", lambda other: other.backbone == name)
        self._with_weights.add(name)
        if measured and (needed := predicted_seconds(candidate, measured, self._base)) > left:
            reason = f"would take about {needed / 60:.1f} minutes; {left / 60:.1f} were left"
            return self._set_aside(reason, candidate.__eq__)
        if bound is not None and (taken := self._untrained(candidate)) > bound:
            reason = f"{taken:.2f} ms for a picture of {size} pixels, {OVER_BOUND} {bound:g} ms"
            return self._set_aside(reason, lambda other: other.backbone == name and other.size >= size)
        return True

    def _untrained(self, candidate: Candidate) -> float:
        """Milliseconds of its backbone and size, known before any training."""
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
        keras().backend.clear_session()  # of the trial before; its memory and its layers' names
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
        may_drop = max(_WORST_DROP, 100 / count)  # no bound is finer than one picture
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
        """Of one backbone and size every file has the same operators: were each timed, the noise would rank them."""
        same = (candidate.backbone, candidate.size)
        for other in self._log.measured:
            if (other.candidate.backbone, other.candidate.size) == same:
                return other.milliseconds
        return invoke_milliseconds([content], [plain_picture(candidate.size)], rule)[0]

    def _trained(self, folder: Path, candidate: Candidate, reporter: Reporter) -> Run:
        """Its run: finished, gone on with, or new, by what an earlier search left in the folder."""
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
        """The photographs as an earlier trial of this search divided them."""
        folders = [trial_folder(self._out, item) for item in self._all()]
        divided = next((folder for folder in folders if (folder / "split.csv").is_file()), None)
        return None if divided is None else Run.open(divided).read_split()


def _digest(listed: Dataset) -> str:
    """Of which pictures there are, and what is said of them."""
    rows = zip(listed.files, listed.targets.tolist(), listed.parts, listed.groups.tolist(), strict=True)
    return hashlib.sha256(json.dumps([listed.labels, *rows]).encode()).hexdigest()


def _rename(done: Conversion, path: Path) -> None:
    """What a large drop has given another name: here it is a result like the others."""
    for file in done.path.parent.glob(f"{done.path.stem}.*") if done.path != path else ():
        os.replace(file, file.with_name(file.name.replace(done.path.stem, path.stem)))


def _outcome_line(outcome: Outcome) -> str:
    name, seconds = outcome.candidate.name, outcome.train_seconds + outcome.export_seconds
    if outcome.reason:
        return f"{name} failed: {outcome.reason}"
    figures = f"int8 {outcome.accuracy:.1%}, {outcome.milliseconds:.2f} ms a picture"
    return f"{name}: {figures}; took {seconds / 60:.1f} minutes."
