"""The stages of a training on decoded images: head, fine-tuning, choice of alpha, final evaluation."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.config.train import preprocessing
from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.data.image_cache import Pictures
from edgeclf.errors import RunError
from edgeclf.metrics.label_sets import SetScore
from edgeclf.model.network import HEAD, get_weights, set_weights, tempered
from edgeclf.model.trainable import trained_share
from edgeclf.pages.contact_sheet import mosaic
from edgeclf.progress import Reporter
from edgeclf.runs.predictions import JUDGED, probabilities, write_scores
from edgeclf.runs.run import AUGMENTED, Run
from edgeclf.training.class_weights import class_weights
from edgeclf.training.early_stopping import Selection
from edgeclf.training.final_figures import final_figures, rare_labels
from edgeclf.training.finetune import FineTuner
from edgeclf.training.growing import Start, epoch_rows
from edgeclf.training.grown_head import grown_head
from edgeclf.training.history import History
from edgeclf.training.judged import ACCURACY, MEAN_AVERAGE_PRECISION, Judged, judge
from edgeclf.training.kept_head import kept_or_fitted
from edgeclf.training.linear_probe import Head, features, fit_head, fit_label_heads
from edgeclf.training.starting_network import check_replicas
from edgeclf.training.weight_interpolation import ALPHAS, StatisticsMeter, interpolated
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.graph.inputs import normalized
from edgeclf_converters.parity.scores import NetworkScores
from edgeclf_runtime.sinks.jpeg import jpeg
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.system.plain_text import counted

__all__ = ["Training"]

_BIAS = 0.01  # share of the starting network below which both averages count as equal


class Training:
    """Train a ``starting_network`` on decoded images, in two stages.

    If it has the weights of ``start``, the first stage fits only the head's rows of new classes.
    """

    def __init__(
        self,
        run: Run,
        model: Any,
        data: Dataset,
        pictures: Pictures,
        reporter: Reporter,
        started: float,
        distribution: Distribution,
        start: Start | None = None,
    ) -> None:
        self._start = start
        self._run, self._config, self._data, self._distribution = run, run.config, data, distribution
        self._pictures, self._reporter, self._started = pictures, reporter, started
        self._rows = {part: data.rows(part) for part in PARTS}
        self._head_rows = np.concatenate([self._rows["train"], self._rows["validation"]])
        self._epoch_rows = epoch_rows(run, data, start)
        self._model = model
        self._logits = NetworkScores(self._model, preprocessing(run.config))
        self._measure_name = ACCURACY if data.presence is None else MEAN_AVERAGE_PRECISION
        self._weights = class_weights(data, run.config)
        if len(set(self._weights)) > 1:
            counts, rare = data.counts("train"), data.labels[int(np.argmax(self._weights))]
            few = f"{counted(int(counts.min()), 'image')} of {rare!r}, up to {counts.max()} of others"
            reporter.say(f"Unbalanced classes: {few}; rare classes get more weight.")
        check_replicas(self._config, distribution, len(self._rows["train"]))
        self._history = History(run, model, distribution)
        self._selection = Selection()

    def complete(self) -> None:
        """Run both stages, from the beginning or from the saved state."""
        if self._run.has_arrays("state"):
            tuner = self._tuner()
            first = self._restore(tuner)
        else:
            self._begin()
            if self._config.tune == "head":
                return self._finish("finished")
            tuner, first = self._tuner(), 0
            self._show_augmented(tuner)
            self._save(tuner, 0)
        status = self._fine_tune(tuner, first)
        if status == "finished" and self._config.alpha:
            status = self._choose_alpha()
        self._finish(status)

    def _begin(self) -> None:
        """Fit the head on pretrained features; from scratch, the head is trained with the network instead."""
        if self._start is not None:
            return self._grow_head(self._start)
        if self._config.init == "imagenet":
            return self._fit_head()
        self._note_first(self._validated())

    def _grow_head(self, start: Start) -> None:
        """Fit the head's rows of new classes to the earlier run's features; the other classes keep theirs."""
        if self._distribution.first:
            start.keep(self._run, self._data.labels)
        kept = start.shared(self._data.labels)[1]
        if self._config.tune == "head" or not kept:
            return self._fit_head()
        head = Head(*self._model.get_layer(HEAD).get_weights())
        if len(kept) < len(self._data.labels):
            head = grown_head(head, kept, *self._features(), self._weights, self._reporter)
        self._model.get_layer(HEAD).set_weights([head.kernel * start.temperature, head.bias * start.temperature])
        self._validate_first("Network of the run before")

    def _fit_head(self) -> None:
        inputs, rows, wanted = self._pictures.inputs, self._head_rows, self._data.wanted[self._head_rows]
        head = kept_or_fitted(self._model, inputs, rows, wanted, self._weights, self._fitted_head)
        self._model.get_layer(HEAD).set_weights([head.kernel, head.bias])
        self._validate_first("Head on frozen features")

    def _fitted_head(self) -> Head:
        if self._data.presence is not None:
            return fit_label_heads(*self._features(), self._reporter)
        return fit_head(*self._features(), self._weights, self._reporter)

    def _features(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Return the features and targets of the training images, and of the validation images."""
        backbone, rows = self._config.network, self._head_rows
        computed = features(self._model, self._pictures.inputs, rows, backbone, self._distribution, self._reporter)
        count, targets = len(self._rows["train"]), self._data.wanted[rows]
        return (computed[:count], targets[:count]), (computed[count:], targets[count:])

    def _validate_first(self, network: str) -> None:
        with self._reporter.bar("Validating", 0):
            judged = self._validated()
        self._note_first(judged)
        self._reporter.say(f"{network}: {judged.shown} after {time.monotonic() - self._started:.0f} s.")

    def _note_first(self, judged: Judged) -> None:
        taken = self._selection.takes(judged.losses, tuned=False)
        self._history.note(0, {"seconds": time.monotonic() - self._started}, judged, taken)

    def _tuner(self) -> FineTuner:
        images, rows, wanted = self._pictures.larger, self._epoch_rows, self._data.wanted
        return FineTuner(self._model, self._config, images, rows, wanted, self._weights, self._distribution)

    def _show_augmented(self, tuner: FineTuner) -> None:
        """Show in the report what the augmentation does to training images."""
        if self._distribution.first:
            with written_beside(self._run.path / AUGMENTED) as hidden:
                hidden.write_bytes(jpeg(mosaic(tuner.preview(), columns=6), 85))

    def _fine_tune(self, tuner: FineTuner, first: int) -> str:
        try:
            with self._reporter.bar("Fine-tuning", (self._config.epochs - first) * self._epoch_rows.count) as bar:
                for epoch in range(first, self._config.epochs):
                    if self._exhausted():
                        break
                    losses = []
                    for count, loss in tuner.epoch(epoch):
                        losses.append(loss)
                        bar.advance(count)
                    self._after_epoch(tuner, epoch + 1, float(np.mean([float(loss) for loss in losses])))
        except KeyboardInterrupt:
            if self._distribution.way == "multi-worker":  # the others would wait in the middle of a step forever
                raise
            return "interrupted"
        return "finished"

    def _choose_alpha(self) -> str:
        """Choose by validation among networks between the pretrained one (with its head) and the fine-tuned one."""
        try:
            self._try_alphas()
        except KeyboardInterrupt:
            if self._distribution.way == "multi-worker":  # the others wait for this one
                raise
            return "interrupted"
        return "finished"

    def _try_alphas(self) -> None:
        if not self._run.has_arrays("tuned"):
            self._run.write_arrays("tuned", self._run.read_arrays("weights"))
        else:  # stopped at this point before; the network may have the weights of any alpha
            self._run.write_arrays("weights", self._run.read_arrays("tuned"))
        self._distribution.agree(0)
        # The kept weights include the temperature; the starting weights do not.
        untempered = tempered(self._run.read_arrays("tuned"), 1 / self._history.kept["temperature"])
        before, epoch = self._run.read_arrays("start"), int(self._history.kept["epoch"])
        rule = preprocessing(self._config)
        meter = StatisticsMeter(self._model, lambda batch: normalized(batch, rule))
        with self._reporter.bar("Alpha", len(ALPHAS)) as bar:
            for alpha in ALPHAS:
                set_weights(self._model, interpolated(before, untempered, alpha))
                if self._config.trains_batch_norm:
                    meter.measure(self._pictures.inputs, self._rows["train"])
                judged = self._validated()
                better = judged.log_loss < self._history.kept["validation_log_loss"]
                self._history.note(epoch, {"alpha": alpha}, judged, better)
                self._reporter.say(f"Alpha {alpha}: {judged.figures}.")
                bar.advance(1)

    def _better_average(self, tuner: FineTuner) -> tuple[bool, Judged]:
        """Choose the average with or without the starting network's share by validation loss.

        After a few steps the plain average is mostly the starting network. That is often better on photographs like
        ImageNet's, and never on others such as digits; only validation images can tell.
        """
        with tuner.averaged():
            plain = self._validated()
        if tuner.bias < _BIAS:
            return False, plain
        with tuner.averaged(corrected=True):
            other = self._validated()
        return (True, other) if other.log_loss < plain.log_loss else (False, plain)

    def _after_epoch(self, tuner: FineTuner, done: int, loss: float) -> None:
        corrected, judged = self._better_average(tuner)
        with tuner.averaged(corrected):
            figures = {"loss": loss, "input_wait": tuner.input_wait, "seconds": time.monotonic() - self._started}
            kept = self._history.note(done, figures, judged, self._selection.takes(judged.losses, tuned=True))
        self._save(tuner, done)
        mark = ", kept" if kept else ""
        text = f"Epoch {done}/{self._config.epochs}: loss {loss:.3f}, {judged.figures}"
        self._reporter.say(f"{text}{mark}; input wait {tuner.input_wait:.0%}.")

    def _exhausted(self) -> bool:
        if not self._distribution.agree(float(self._selection.waited >= self._config.patience)):
            return False
        self._reporter.say(
            f"Stopped early: validation results were worse for {counted(self._config.patience, 'epoch')}."
        )
        return True

    def _save(self, tuner: FineTuner, done: int) -> None:
        weights = {f"weights/{name}": value for name, value in get_weights(self._model).items()}
        if done == 0 and (self._config.alpha or self._config.weights is not None):
            self._run.write_arrays("start", get_weights(self._model))
        progress = {"epoch": np.array(done), "seconds": np.array(time.monotonic() - self._started)}
        self._run.write_arrays("state", {**weights, **tuner.state(), **self._selection.state(), **progress})

    def _restore(self, tuner: FineTuner) -> int:
        state = self._run.read_arrays("state")
        if not Selection.knows(state) or not tuner.knows(state):
            raise RunError(f"{self._run.path}: was started by another version of edgeclf. Train again.")
        set_weights(self._model, {k.removeprefix("weights/"): v for k, v in state.items() if k.startswith("weights/")})
        tuner.restore(state)
        self._selection.restore(state)
        done = int(state["epoch"])
        self._started -= float(state["seconds"])
        self._history.read(done)
        self._reporter.say(f"Resuming after epoch {done} of {self._config.epochs}.")
        return done

    def _validated(self) -> Judged:
        """Evaluate the network on validation images with its logits divided by the best temperature."""
        wanted = self._data.wanted[self._rows["validation"]]
        return judge(self._answers("validation"), wanted, self._data.labels)

    def _answers(self, part: str) -> npt.NDArray[np.float32]:
        return self._logits(self._pictures.inputs.take(self._rows[part]))

    def _finish(self, status: str) -> None:
        with self._reporter.bar("Measuring", 0):
            self._measure(status)
        if status == "finished":
            for name in ("state", "start", "tuned", "before"):
                self._run.remove_arrays(name)

    def _measure(self, status: str) -> None:
        """Write the kept network's figures and predictions to the run folder."""
        self._distribution.agree(0)  # the others wait until the first has written
        set_weights(self._model, self._run.read_arrays("weights"))
        best = self._history.kept
        trained, total = trained_share(self._model, self._config.tune)
        metrics: dict[str, Any] = {
            "status": status,
            "best_epoch": best["epoch"],
            "alpha": best.get("alpha"),
            "epochs": self._history.epochs,
            "trained_parameters": trained,
            "parameters": total,
            "seconds": time.monotonic() - self._started,
            f"head_validation_{self._measure_name}": self._history.first[f"validation_{self._measure_name}"],
        }
        scores = {part: probabilities(self._answers(part), self._data) for part in JUDGED if len(self._rows[part])}
        figures = final_figures(scores, self._data, self._config.label_precision)
        metrics |= {part: asdict(found) for part, found in figures.items()}
        if isinstance(judged := figures["validation"], SetScore):
            for line in rare_labels(judged):
                self._reporter.say(line)
        self._run.write_json("metrics", metrics)
        write_scores(self._run, scores)
        self._distribution.agree(0)  # no worker continues while another still reads
