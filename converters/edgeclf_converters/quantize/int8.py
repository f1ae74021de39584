"""The way to an int8 network that loses nothing: the cheapest method that keeps within a bound, proven on images.

Each step converts a real file and runs it through the runtime's interpreter: plain post-training quantization, other
ranges, corrected biases, and at last quantization-aware training. Steps of a kind are tried together; the first kind
with one within the bound ends the way, and of all that was tried the best is kept. So it is where a later step fails or
is interrupted: a file that is finished is never lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, TypedDict

import numpy as np

from edgeclf_converters.distribution import Distribution
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import Node, check_logits, flatten
from edgeclf_converters.interrupts import remembered_interrupts
from edgeclf_converters.parity.parity import compare
from edgeclf_converters.parity.scores import Labelled, file_scores, log_loss, network_scores
from edgeclf_converters.quantize.fake_quant import Ranges, quantized
from edgeclf_converters.quantize.qat import Augment, QatConfig, train_epochs
from edgeclf_converters.quantize.ranges import ESTIMATORS, Statistics, estimate, observe
from edgeclf_converters.quantize.refine import correct_biases, equalize, equalized_pairs, rounded_kernels
from edgeclf_converters.quantize.trials import Search, Step, Stop, Trial
from edgeclf_converters.tflite.convert import check_model, check_pictures, convert, convert_rounding
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing

__all__ = ["AIM", "METHODS", "SearchOptions", "search_int8"]

METHODS = ("auto", "ptq", "qat")
"""All steps until one keeps within the bound; only those without training; only the training."""

AIM = 0.5
"""Points of accuracy that may be lost where no bound is given; or one image, where that is more."""

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
        calibration: uint8 images of the input's size, of the kind the model will see; a hundred or more.
        rule: the model's preprocessing.
        validation: images to judge by, of the input's size; by default the calibration's, and the float network's
            own answers to them.
        training: gives images to train on, of any size that ``augment`` takes, when they are needed; without it
            there is no training.
        method: one of ``METHODS``.
        max_drop: points of accuracy that may be lost, exactly; by default ``AIM``, or one image where that is more.
        qat, augment: see ``qat.train_epochs``.
        say, progress: told what happens.
        distribution: where the training runs; all its processes do the rest alike.

    Returns:
        the best file; also where a step after the first failed, in whatever way, or was interrupted (see
        ``Search.stop``), but with several workers, which wait for one another.

    Raises:
        ConversionError: unfit images or network, an unknown method, or "qat" for a network of unknown layers or
            without images to train on.
        KeyboardInterrupt: before there was anything to keep.
    """
    if method not in METHODS:
        raise ConversionError(f"Method {method!r}: expected one of {', '.join(METHODS)}.")
    if method == "qat" and training is None:
        raise ConversionError("Quantization-aware training needs training pictures with their labels.")
    check_model(model, rule)
    check_pictures(calibration, rule)
    if validation is not None:
        validation.check("Validation pictures", model.output_shape[1], (rule.height, rule.width))
    distribution = distribution or Distribution()
    search = _MethodSearch(model, calibration, rule, validation, max_drop, say, distribution)
    trained = search.trained(training, qat or QatConfig(), augment, progress)
    if method == "qat":
        return search.follow([trained])
    untrained = [search.plain(), search.ranged(), search.corrected()]
    return search.follow([*untrained, trained] if method == "auto" else untrained)


_Steps = Generator[Trial, None, None]


class _UnfitError(ConversionError):
    """Images given to train on that are none: no reason to end with an untrained file and without a word."""


class _MethodSearch:
    """Steps taken so far."""

    def __init__(
        self,
        model: Any,
        calibration: Sequence[Pixels],
        rule: Preprocessing,
        validation: Labelled | None,
        max_drop: float | None,
        say: Callable[[str], None],
        distribution: Distribution,
    ) -> None:
        self._distribution = distribution
        self._model, self._calibration, self._rule, self._say = model, calibration, rule, say
        pixels = validation.pixels if validation else np.stack(list(calibration))
        self._before = network_scores(model, pixels, rule)
        self._judges = validation or Labelled(pixels, self._before.argmax(axis=1))
        self._judged_by = "their labels" if validation else "the float network's answers"
        self._bound = self._allowed(max_drop)
        self._trials: list[Trial] = []
        self._step, self._started = "", 0.0  # that is being tried, and since when
        self._nodes: list[Node] | None = None
        self._statistics: Statistics | None = None
        self._estimator = "mse"
        self._refused = ""

    def follow(self, groups: Iterable[_Steps]) -> Search:
        """Take one group of steps after the other until a file is within the bound."""
        stop = None
        try:
            with remembered_interrupts() as check:
                for group in groups:
                    if self._trials and self._distribution.agree(float(self._within())):
                        break
                    with closing(group):  # whatever ends it, its bar is gone before anything else is shown
                        self._take(group, check)
        except (Exception, KeyboardInterrupt) as error:
            # Of several workers the others wait in the middle of a step, for ever.
            if not self._trials or isinstance(error, _UnfitError) or self._distribution.way == "multi-worker":
                raise
            stop = Stop.of(self._step, error)
        if stop is not None:  # outside of the handler, whose error holds what the step had in memory
            self._say(f"{stop}. Keeping the best file so far: {self._best().step}.")
        return Search(self._best(), tuple(self._trials), self._within(), self._judged_by, stop)

    def _take(self, group: _Steps, check: Callable[[], None]) -> None:
        """One group of steps, unless the network is not one for them."""
        try:
            for trial in group:
                self._trials.append(trial)
                self._say_steps()  # after: what was said is kept, whatever comes
                check()
        except ConversionError as error:
            if not self._trials or isinstance(error, _UnfitError):
                raise
            if str(error) != self._refused:
                self._say(f"No further method: {error}")
            self._refused = str(error)

    def _say_steps(self) -> None:
        """The new one, and before the second the first: of a single one the result says it all."""
        new = self._trials[:2] if len(self._trials) == 2 else self._trials[-1:]
        for trial in new if len(self._trials) > 1 else ():
            self._say(f"{trial.step}, {trial.step.seconds:.0f} s")

    def _allowed(self, max_drop: float | None) -> float:
        """Points that may be lost: no aim is finer than one of the images that it is judged by."""
        count = len(self._judges.targets)
        if max_drop is not None or 100 / count <= AIM:
            return AIM if max_drop is None else max_drop
        self._say(f"Of {count} images to judge by, one is {100 / count:.1f} points: a loss of one counts as within.")
        return 100 / count

    def _best(self) -> Trial:
        return max(self._trials, key=lambda trial: (trial.step.accuracy, -trial.step.log_loss))

    def _within(self) -> bool:
        return self._best().parity.drop <= self._bound + 1e-9  # a drop of 0.5 may come out a little above

    def plain(self) -> _Steps:
        """What TensorFlow's converter does by itself; for every network."""
        self._begin("ptq")
        yield self._trial(convert(self._model, "int8", self._calibration, self._rule))

    def ranged(self) -> _Steps:
        """Ranges by each estimator but the plain extremes; the best goes on into the next steps."""
        trials = []
        for name in ESTIMATORS[1:]:
            self._begin(f"ptq {name}")
            trials.append(self._rounded(self._folded(), self._ranges(name)))
            yield trials[-1]
        best = max(trials, key=lambda trial: (trial.step.accuracy, -trial.step.log_loss))
        self._estimator = best.step.name.removeprefix("ptq ")

    def corrected(self) -> _Steps:
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
    ) -> _Steps:
        """The file of every epoch of a quantization-aware training."""
        if training is None:
            return
        self._begin("qat epoch 1")
        nodes = self._folded()
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
                self._distribution,
            )
            for number, (after, ranges) in enumerate(epochs, 1):
                yield self._rounded(after, ranges, nodes)
                self._step = f"qat epoch {number + 1}"

    def _begin(self, step: str) -> None:
        self._step, self._started = step, time.monotonic()

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
        self._begin(name)
        corrected = correct_biases(nodes, self._calibration, self._rule)
        ranges = self._ranges(self._estimator) if nodes is self._nodes else self._measured(nodes)
        return self._rounded(corrected, ranges, nodes)

    def _rounded(self, nodes: list[Node], ranges: Ranges, floats: list[Node] | None = None) -> Trial:
        return self._trial(convert_rounding(quantized(nodes, ranges, kernels=False)[0], self._rule), floats or nodes)

    def _trial(self, content: bytes, floats: list[Node] | None = None) -> Trial:
        scores = file_scores(content, self._judges.pixels, self._rule)
        parity = compare(self._before, scores, self._judges.targets)
        loss, seconds = log_loss(scores, self._judges.targets), time.monotonic() - self._started
        step = Step(self._step, parity.int8_accuracy, parity.drop, loss, seconds)
        return Trial(step, content, parity, floats)
