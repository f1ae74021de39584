"""The way to an int8 network that loses nothing: the cheapest method that keeps within a bound, proven on pictures.

Each step converts a real file and runs it through the runtime's interpreter: plain post-training quantization, other
ranges, corrected biases, and at last quantization-aware training. Steps of a kind are tried together; the first kind
with one within the bound ends the way, and of all that was tried the best is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np

from edgeclf_converters.convert import check_model, check_pictures, convert, convert_rounding
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.fakequant import Ranges, quantized
from edgeclf_converters.fold import fold
from edgeclf_converters.graph import Node, check_logits, flatten
from edgeclf_converters.parity import Parity, compare
from edgeclf_converters.qat import Augment, QatConfig, train_epochs
from edgeclf_converters.ranges import ESTIMATORS, Statistics, estimate, observe
from edgeclf_converters.refine import correct_biases, equalize, equalized_pairs, rounded_kernels
from edgeclf_converters.scores import Labelled, file_scores, log_loss, network_scores
from edgeclf_runtime.card import Preprocessing
from edgeclf_runtime.preprocess import Pixels

__all__ = ["AIM", "METHODS", "Search", "SearchOptions", "Step", "Trial", "search_int8"]

METHODS = ("auto", "ptq", "qat")
"""All steps until one keeps within the bound; only those without training; only the training."""

AIM = 0.5
"""Points of accuracy that may be lost where no bound is given."""

Progress = Callable[[str, int], AbstractContextManager[Any]]
"""(title, total) to a ``with`` block whose value has ``advance(steps)``."""


class SearchOptions(TypedDict, total=False):
    """Keyword arguments of ``search_int8`` that ``convert_int8`` hands on."""

    validation: Labelled | None
    training: Callable[[], Labelled] | None
    method: str
    qat: QatConfig | None
    augment: Augment | None
    say: Callable[[str], None]
    progress: Progress | None
    distribution: Distribution | None


@dataclass(frozen=True)
class Step:
    """One method tried: its name, the real file's accuracy (a share), its drop in points, and seconds taken."""

    name: str
    accuracy: float
    drop: float
    log_loss: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.name} {self.accuracy:.1%} ({0 - self.drop:+.1f})"


@dataclass(frozen=True, eq=False)
class Trial:
    """A step with its file's content, and float against int8 on the pictures it was chosen on.

    ``floats`` is the folded float network whose layers are the file's; None where the converter chose them itself.
    """

    step: Step
    content: bytes = field(repr=False)
    parity: Parity
    floats: list[Node] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Search:
    """Where the way led.

    Attributes:
        best: what is kept.
        trials: all that was tried, in order.
        within: its drop is within the bound.
        judged_by: what says which answers are right, for people. Where several files were tried, the best was chosen on
            these pictures, so its own figures are a little too good; other pictures say how good it is.
    """

    best: Trial
    trials: tuple[Trial, ...]
    within: bool
    judged_by: str

    @property
    def route(self) -> tuple[Step, ...]:
        """The steps tried, in order."""
        return tuple(trial.step for trial in self.trials)


def search_int8(
    model: Any,
    calibration: Sequence[Pixels],
    rule: Preprocessing,
    *,
    validation: Labelled | None = None,
    training: Callable[[], Labelled] | None = None,
    method: str = "auto",
    max_drop: float | None = None,
    qat: QatConfig | None = None,
    augment: Augment | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress | None = None,
    distribution: Distribution | None = None,
) -> Search:
    """Find an int8 file of a tf_keras classifier.

    Args:
        model: from normalized RGB float32 ``[batch, height, width, 3]`` to scores ``[batch, classes]``.
        calibration: uint8 pictures of the input's size, of the kind the model will see; a hundred or more.
        rule: the model's preprocessing.
        validation: pictures to judge by, of the input's size; by default the calibration's, and the float network's
            own answers to them.
        training: gives pictures to train on, of any size that ``augment`` takes, when they are needed; without it
            there is no training.
        method: one of ``METHODS``.
        max_drop: points of accuracy that may be lost; ``AIM`` by default.
        qat, augment: see ``qat.train_epochs``.
        say, progress: told what happens.
        distribution: where the training runs; all its processes do the rest alike.

    Raises:
        ConversionError: unfit pictures or network, an unknown method, or "qat" for a network of unknown layers or
            without pictures to train on.
    """
    if method not in METHODS:
        raise ConversionError(f"Method {method!r}: expected one of {', '.join(METHODS)}.")
    if method == "qat" and training is None:
        raise ConversionError("Quantization-aware training needs training pictures with their labels.")
    check_model(model, rule)
    check_pictures(calibration, rule)
    if validation is not None:
        validation.check("Validation pictures", model.output_shape[1], (rule.height, rule.width))
    bound, place = AIM if max_drop is None else max_drop, distribution or Distribution()
    way = _Way(model, calibration, rule, validation, bound, say, place)
    if method == "qat":
        way.take(way.trained(training, qat or QatConfig(), augment, progress))
    else:
        way.take(way.plain())
        way.take(way.ranged())
        way.take(way.corrected())
        if method == "auto":
            way.take(way.trained(training, qat or QatConfig(), augment, progress))
    return way.end()


class _UnfitError(ConversionError):
    """Pictures given to train on that are none: no reason to end with an untrained file and without a word."""


class _Way:
    """Steps taken so far."""

    def __init__(
        self,
        model: Any,
        calibration: Sequence[Pixels],
        rule: Preprocessing,
        validation: Labelled | None,
        bound: float,
        say: Callable[[str], None],
        place: Distribution,
    ) -> None:
        self._place = place
        self._model, self._calibration, self._rule, self._bound, self._say = model, calibration, rule, bound, say
        pixels = validation.pixels if validation else np.stack(list(calibration))
        self._before = network_scores(model, pixels, rule)
        self._judges = validation or Labelled(pixels, self._before.argmax(axis=1))
        self._judged_by = "their labels" if validation else "the float network's answers"
        self._trials: list[Trial] = []
        self._nodes: list[Node] | None = None
        self._statistics: Statistics | None = None
        self._estimator = "mse"
        self._refused = ""

    def take(self, trials: Iterable[Trial]) -> None:
        """A group of steps, unless one within the bound was found or the network is not one for them."""
        if self._trials and self._place.agree(float(self._within())):
            return
        try:
            self._trials.extend(trials)
        except ConversionError as error:
            if not self._trials or isinstance(error, _UnfitError):
                raise
            if str(error) != self._refused:
                self._say(f"No further method: {error}")
            self._refused = str(error)

    def _best(self) -> Trial:
        return max(self._trials, key=lambda trial: (trial.step.accuracy, -trial.step.log_loss))

    def _within(self) -> bool:
        return self._best().parity.drop <= self._bound + 1e-9  # a drop of 0.5 may come out a little above

    def end(self) -> Search:
        return Search(self._best(), tuple(self._trials), self._within(), self._judged_by)

    def plain(self) -> Iterable[Trial]:
        """What TensorFlow's converter does by itself; for every network."""
        yield self._trial("ptq", time.monotonic(), convert(self._model, "int8", self._calibration, self._rule))

    def ranged(self) -> Iterable[Trial]:
        """Ranges by each estimator but the plain extremes; the best goes on into the next steps."""
        found = []
        for name in ESTIMATORS[1:]:
            found.append(self._rounded(f"ptq {name}", self._folded(), self._ranges(name)))
            yield found[-1]
        best = max(found, key=lambda trial: (trial.step.accuracy, -trial.step.log_loss))
        self._estimator = best.step.name.removeprefix("ptq ")

    def corrected(self) -> Iterable[Trial]:
        """Corrected biases, and equalized layers where there are any."""
        name, nodes = f"ptq {self._estimator}", self._folded()
        yield self._refined(f"{name} + bias correction", nodes)
        if equalized_pairs(nodes):
            yield self._refined(f"{name} + equalization + bias correction", equalize(nodes))

    def trained(
        self,
        training: Callable[[], Labelled] | None,
        config: QatConfig,
        augment: Augment | None,
        progress: Progress | None,
    ) -> Iterable[Trial]:
        """The file of every epoch of a quantization-aware training."""
        if training is None:
            return
        nodes, started = self._folded(), time.monotonic()
        check_logits(nodes)
        try:
            data = training()
            size = None if augment else (self._rule.height, self._rule.width)
            data.check("Training pictures", self._model.output_shape[1], size)
        except ConversionError as error:
            raise _UnfitError(str(error)) from None
        start = correct_biases(nodes, self._calibration, self._rule)
        total = config.epochs * len(data.targets)
        with progress("Quantization-aware", total) if progress else nullcontext() as bar:
            epochs = train_epochs(
                nodes,
                start,
                self._measured(rounded_kernels(start)),
                lambda after: self._measured(rounded_kernels(after)),
                data,
                self._rule,
                config,
                augment,
                bar.advance if bar is not None else lambda pictures: None,
                self._place,
            )
            for number, (after, ranges) in enumerate(epochs, 1):
                content = convert_rounding(quantized(after, ranges, kernels=False)[0], self._rule)
                yield self._trial(f"qat epoch {number}", started, content, nodes)

    def _folded(self) -> list[Node]:
        if self._nodes is None:
            try:
                self._nodes = fold(flatten(self._model))
            except (TypeError, ValueError) as error:  # of keras, about a layer none of the checks foresaw
                if isinstance(error, ConversionError):
                    raise
                raise ConversionError(f"The network cannot be taken apart: {str(error).splitlines()[0]}") from error
        return self._nodes

    def _ranges(self, estimator: str) -> Ranges:
        if self._statistics is None:
            self._statistics = observe(self._folded(), self._calibration, self._rule)
        return estimate(self._statistics, estimator, self._rule, self._folded()[0].name)

    def _measured(self, nodes: Sequence[Node]) -> Ranges:
        return estimate(observe(nodes, self._calibration, self._rule), self._estimator, self._rule, nodes[0].name)

    def _refined(self, name: str, nodes: list[Node]) -> Trial:
        corrected = correct_biases(nodes, self._calibration, self._rule)
        ranges = self._ranges(self._estimator) if nodes is self._nodes else self._measured(nodes)
        return self._rounded(name, corrected, ranges, nodes)

    def _rounded(self, name: str, nodes: list[Node], ranges: Ranges, floats: list[Node] | None = None) -> Trial:
        started = time.monotonic()
        content = convert_rounding(quantized(nodes, ranges, kernels=False)[0], self._rule)
        return self._trial(name, started, content, floats or nodes)

    def _trial(self, name: str, started: float, content: bytes, floats: list[Node] | None = None) -> Trial:
        scores = file_scores(content, self._judges.pixels, self._rule)
        parity = compare(self._before, scores, self._judges.targets)
        loss, seconds = log_loss(scores, self._judges.targets), time.monotonic() - started
        step = Step(name, parity.int8_accuracy, parity.drop, loss, seconds)
        self._say(f"{step}, {seconds:.0f} s")
        return Trial(step, content, parity, floats)
