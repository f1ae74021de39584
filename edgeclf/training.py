"""From a folder of photographs to a Run: read, divide, fit the head, fine-tune, measure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.adaptation import trained_share
from edgeclf.answers import JUDGED, write_scores
from edgeclf.config import TrainConfig, preprocessing
from edgeclf.dataset import PARTS, Dataset, Skipped, scan, split
from edgeclf.errors import DataError, RunError
from edgeclf.finetune import FineTuner
from edgeclf.frameworks import device_in_use, precision, seed_everything
from edgeclf.head import features, fit_head
from edgeclf.interpolation import ALPHAS, StatisticsMeter, interpolated
from edgeclf.network import HEAD, build_classifier, get_weights, set_weights
from edgeclf.pictures import Pictures, decode
from edgeclf.report import write_report
from edgeclf.reporter import Quiet, Reporter
from edgeclf.run import Follower, Run
from edgeclf.scoring import Score, score, softmax
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.ranges import normalized
from edgeclf_converters.scores import NetworkScores

__all__ = ["Training", "class_weights", "divide", "preprocessing", "resume", "train", "train_dataset"]

_MARGIN = 8 / 7  # 256 pixels for an input of 224
_UNBALANCED = 1.5
_SHOWN = 5


def train(data: Path, out: Path, config: TrainConfig, reporter: Reporter, distribute: str = "none") -> Run:
    """Train a classifier.

    Args:
        data: a folder with one sub-folder of pictures per class, or with parts that have them.
        out: the run's folder, new or empty.
        distribute: one of ``distribution.WAYS``.

    Returns:
        the run; interrupted during fine-tuning, it holds the best weights so far, and its metrics say so.

    Raises:
        DataError, ConfigError, WeightsError, RunError: see their texts; nothing was trained.
        KeyboardInterrupt: before there was anything to keep.
    """
    listed, skipped = scan(data)
    place = Distribution(distribute)
    run = _shared_run(lambda: Run.create(out, config, data), out, place)
    return _reported(_in_folder(run, listed, skipped, reporter, place), place, reporter)


def train_dataset(run: Run, data: Dataset, reporter: Reporter) -> None:
    """Train on pictures that have their part, every one of which can be read; without a report.

    Args:
        run: a new one.
        data: with a training part, however small, and a validation part.

    Raises:
        RunError: a picture cannot be read.
    """
    run.write_split(data, [])
    _in_folder(run, data, [], reporter, Distribution("none"))


def resume(path: Path, reporter: Reporter, distribute: str = "none") -> Run:
    """Go on with an interrupted training, to the result it would have had.

    Raises:
        RunError: there is nothing to go on with, or its pictures have changed.
    """
    run = Run.open(path)
    if run.has_arrays("weights") and not run.has_arrays("state"):
        raise RunError(f"{path}: is finished. Train anew with: edgeclf train {run.data}")
    place = Distribution(distribute)
    run = _shared_run(lambda: run, path, place)
    if not (path / "split.csv").exists():
        listed, skipped = scan(run.data)
        return _reported(_in_folder(run, listed, skipped, reporter, place), place, reporter)
    return _reported(_in_folder(run, run.read_split(), [], reporter, place), place, reporter)


def _reported(run: Run, place: Distribution, reporter: Reporter) -> Run:
    if place.first:
        write_report(run, reporter)
    place.agree(0)  # none leaves before the others
    return run


def _shared_run(make: Callable[[], Run], path: Path, place: Distribution) -> Run:
    """The first worker's run, which the others only read."""
    if place.first:
        run = make()
        place.agree(0)
        return run
    place.agree(0)
    return Follower.open(path)


def _in_folder(run: Run, listed: Dataset, skipped: list[Skipped], reporter: Reporter, place: Distribution) -> Run:
    reporter = reporter if place.first else Quiet()
    replicas = f", {place.replicas} in step" if place.replicas > 1 else ""
    reporter.say(f"Computing on {device_in_use()}{replicas}; seed {run.config.seed}.")
    seed_everything(run.config.seed)
    margin = 0 if run.config.adapt == "head" else _MARGIN
    started = time.monotonic()
    folder = run.path / (f".pictures-{place.worker}" if place.worker else ".pictures")
    pictures, unread = decode(listed.root, listed.files, preprocessing(run.config), margin, folder, reporter)
    with pictures:
        data = divide(run, listed, skipped, unread, reporter)
        Training(run, data, pictures, reporter, started, place).complete()
    return run


def divide(run: Run, listed: Dataset, skipped: list[Skipped], unread: list[Skipped], reporter: Reporter) -> Dataset:
    """Give every picture its part, in shares of the run's config, and keep the split; one that is kept already holds.

    Args:
        skipped, unread: files left out, of no kind that is read and unreadable.

    Raises:
        DataError: no picture, or a class with too few.
        RunError: pictures of the kept split cannot be read.
    """
    if (run.path / "split.csv").exists():
        if unread:
            raise RunError(
                f"{run.path}: {len(unread)} of its pictures have changed, the first {unread[0].file}. Train anew."
            )
        return listed
    skipped = sorted([*skipped, *unread], key=lambda item: item.file)
    _report_skipped(run, skipped, reporter)
    gone = {item.file for item in unread}
    if len(gone) == len(listed.files):
        raise DataError(f"{listed.root}: has no readable picture.")
    parts = list(listed.parts)
    kept = Dataset(listed.root, listed.labels, listed.files, listed.targets, tuple(parts)).with_parts(
        ["unreadable" if file in gone else part for file, part in zip(listed.files, parts, strict=True)]
    )
    divided = split(kept, run.config.validation, run.config.test, run.config.seed)
    used = [i for i, part in enumerate(divided.parts) if part in PARTS]
    run.write_split(divided.take(used), skipped)
    counts = ", ".join(f"{len(divided.rows(p))} {p}" for p in PARTS if len(divided.rows(p)))
    reporter.say(f"{len(used)} pictures of {len(divided.labels)} classes: {counts}.")
    return divided


def _report_skipped(run: Run, skipped: Sequence[Skipped], reporter: Reporter) -> None:
    if not skipped:
        return
    reporter.say(f"Skipped {len(skipped)} files (all in {run.path / 'skipped.csv'}):")
    for item in skipped[:_SHOWN]:
        reason = item.reason if item.file in item.reason else f"{item.file}: {item.reason}"
        reporter.say(f"  {reason}")
    if len(skipped) > _SHOWN:
        kinds = Counter(Path(item.file).suffix.lower() for item in skipped[_SHOWN:])
        reporter.say("  and " + ", ".join(f"{count} more {kind or 'without suffix'}" for kind, count in kinds.items()))


class Training:
    """The two stages on decoded pictures."""

    def __init__(
        self,
        run: Run,
        data: Dataset,
        pictures: Pictures,
        reporter: Reporter,
        started: float,
        place: Distribution,
    ) -> None:
        self._run, self._config, self._data, self._place = run, run.config, data, place
        self._pictures, self._reporter, self._started = pictures, reporter, started
        self._rows = {part: data.rows(part) for part in PARTS}
        with place.scope(), precision(self._config.precision):
            self._model = build_classifier(run.config.network, None, len(data.labels), run.config.head)
        self._logits = NetworkScores(self._model, preprocessing(run.config))
        self._weights = class_weights(data, run.config)
        if len(set(self._weights)) > 1:
            counts, rare = data.counts("train"), data.labels[int(np.argmax(self._weights))]
            few = f"{counts.min()} pictures of {rare!r} to {counts.max()}"
            reporter.say(f"Unbalanced: {few}; rare classes weigh more.")
        self._history: list[dict[str, float]] = []
        self._best = (0.0, 0.0)

    def complete(self) -> None:
        """Both stages, from the beginning or from the saved state."""
        if self._config.init == "imagenet":
            self._config.network.load(self._model, self._config.backbone, self._config.weights)
        if self._run.has_arrays("state"):
            tuner = self._tuner()
            first = self._restore(tuner)
        else:
            self._begin()
            if self._config.adapt == "head":
                return self._finish("finished")
            tuner, first = self._tuner(), 0
            self._save(tuner, 0)
        status = self._fine_tune(tuner, first)
        if status == "finished" and self._config.alpha:
            self._choose_alpha()
        self._finish(status)

    def _begin(self) -> None:
        """The head on pretrained features; of random ones a head says nothing, and is trained with them."""
        if self._config.init == "imagenet":
            return self._fit_head()
        self._note(0, {"seconds": time.monotonic() - self._started}, self._measure("validation"))

    def _fit_head(self) -> None:
        backbone, rows = self._config.network, np.concatenate([self._rows["train"], self._rows["validation"]])
        known = features(self._model, self._pictures.inputs, rows, backbone, self._place, self._reporter)
        count, targets = len(self._rows["train"]), self._data.targets[rows]
        head = fit_head(
            (known[:count], targets[:count]), (known[count:], targets[count:]), self._weights, self._reporter
        )
        self._model.get_layer(HEAD).set_weights([head.kernel, head.bias])
        result = self._measure("validation")
        self._note(0, {"seconds": time.monotonic() - self._started}, result)
        self._reporter.say(
            f"Head on frozen features: validation {result.accuracy:.1%} after {time.monotonic() - self._started:.0f} s."
        )

    def _tuner(self) -> FineTuner:
        rows, targets = self._rows["train"], self._data.targets
        return FineTuner(self._model, self._config, self._pictures.larger, rows, targets, self._weights, self._place)

    def _fine_tune(self, tuner: FineTuner, first: int) -> str:
        total = (self._config.epochs - first) * len(self._rows["train"])
        try:
            with self._reporter.bar("Fine-tuning", total) as bar:
                for epoch in range(first, self._config.epochs):
                    if self._exhausted():
                        break
                    losses = []
                    for count, loss in tuner.epoch(epoch):
                        losses.append(loss)
                        bar.advance(count)
                    self._after_epoch(tuner, epoch + 1, float(np.mean(losses)))
        except KeyboardInterrupt:
            return "interrupted"
        return "finished"

    def _choose_alpha(self) -> None:
        """Of networks between the pretrained one, with its head, and the fine-tuned one, the best on validation."""
        if not self._run.has_arrays("tuned"):
            self._run.write_arrays("tuned", self._run.read_arrays("weights"))
        self._place.agree(0)
        before, after = self._run.read_arrays("start"), self._run.read_arrays("tuned")
        rule = preprocessing(self._config)
        meter = StatisticsMeter(self._model, lambda batch: normalized(batch, rule))
        adapts = self._config.trains_batch_norm(len(self._rows["train"]))
        with self._reporter.bar("Alpha", len(ALPHAS)) as bar:
            for alpha in ALPHAS:
                set_weights(self._model, interpolated(before, after, alpha))
                if adapts:
                    meter.measure(self._pictures.inputs, self._rows["train"])
                result = self._measure("validation")
                self._note(int(self._history[-1]["epoch"]), {"alpha": alpha}, result)
                self._reporter.say(f"Alpha {alpha}: validation {result.accuracy:.1%}, log loss {result.log_loss:.3f}.")
                bar.advance(1)

    def _after_epoch(self, tuner: FineTuner, done: int, loss: float) -> None:
        with tuner.averaged():
            result = self._measure("validation")
            better = self._note(done, {"loss": loss, "seconds": time.monotonic() - self._started}, result)
        self._save(tuner, done)
        mark = ", the best so far" if better else ""
        text = f"Epoch {done}/{self._config.epochs}: loss {loss:.3f}, validation {result.accuracy:.1%}"
        self._reporter.say(f"{text}, log loss {result.log_loss:.3f}{mark}.")

    def _note(self, epoch: int, figures: dict[str, float], result: Score) -> bool:
        """Add to the history; keep the weights when they are the best."""
        measured = {"validation_accuracy": result.accuracy, "validation_log_loss": result.log_loss}
        self._history.append({"epoch": epoch, **figures, **measured})
        self._run.write_json("history", self._history)
        rank = (result.accuracy, -result.log_loss)
        if epoch and not self._place.agree(float(rank > self._best)):
            return False
        self._best = rank
        self._run.write_arrays("weights", get_weights(self._model))
        return True

    def _exhausted(self) -> bool:
        ranks = [(item["validation_accuracy"], -item["validation_log_loss"]) for item in self._history]
        if not self._place.agree(float(len(ranks) - 1 - ranks.index(max(ranks)) >= self._config.patience)):
            return False
        self._reporter.say(f"No better validation result for {self._config.patience} epochs: stopped early.")
        return True

    def _save(self, tuner: FineTuner, done: int) -> None:
        weights = {f"weights/{name}": value for name, value in get_weights(self._model).items()}
        self._run.write_arrays("state", {**weights, **tuner.state(), "epoch": np.array(done)})
        if done == 0 and self._config.alpha:
            self._run.write_arrays("start", get_weights(self._model))

    def _restore(self, tuner: FineTuner) -> int:
        state = self._run.read_arrays("state")
        set_weights(self._model, {k.removeprefix("weights/"): v for k, v in state.items() if k.startswith("weights/")})
        tuner.restore(state)
        done = int(state["epoch"])
        known = self._run.read_json("history")
        self._history = [item for item in known if item["epoch"] <= done and "alpha" not in item]
        ranks = [(item["validation_accuracy"], -item["validation_log_loss"]) for item in self._history]
        self._best = max(ranks)
        self._reporter.say(f"Going on after epoch {done} of {self._config.epochs}.")
        return done

    def _measure(self, part: str) -> Score:
        return score(self._scores(part), self._data.targets[self._rows[part]], self._data.labels)

    def _scores(self, part: str) -> npt.NDArray[np.float32]:
        return softmax(self._logits(self._pictures.inputs[self._rows[part]]))

    def _finish(self, status: str) -> None:
        self._place.agree(0)  # the others wait until the first has written
        set_weights(self._model, self._run.read_arrays("weights"))
        best = max(self._history, key=lambda item: (item["validation_accuracy"], -item["validation_log_loss"]))
        trained, total = trained_share(self._model, self._config.adapt)
        metrics: dict[str, Any] = {
            "status": status,
            "best_epoch": best["epoch"],
            "alpha": best.get("alpha"),
            "epochs": self._history[-1]["epoch"],
            "trained_parameters": trained,
            "parameters": total,
            "seconds": time.monotonic() - self._started,
            "head_validation_accuracy": self._history[0]["validation_accuracy"],
        }
        scores = {part: self._scores(part) for part in JUDGED if len(self._rows[part])}
        for part, values in scores.items():
            metrics[part] = asdict(score(values, self._data.targets[self._rows[part]], self._data.labels))
        self._run.write_json("metrics", metrics)
        write_scores(self._run, scores)
        self._place.agree(0)  # none goes on while another still reads
        if status == "finished":
            for name in ("state", "start", "tuned"):
                self._run.remove_arrays(name)


def class_weights(data: Dataset, config: TrainConfig) -> list[float]:
    """Weights of the loss, one per class, of mean 1 over the training pictures."""
    counts = data.counts("train").astype(np.float64)
    if config.class_weights == "none" or counts.max() <= _UNBALANCED * counts.min():
        return [1.0] * len(counts)
    weights = np.sqrt(counts.max() / counts)
    weights *= counts.sum() / (weights * counts).sum()
    return [float(weight) for weight in weights]
