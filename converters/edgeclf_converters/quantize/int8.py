"""Search for an int8 file: use the cheapest method whose accuracy loss, measured on images, stays within a limit.

Each step converts a real file and runs it with the runtime's interpreter: plain post-training quantization, other
ranges, corrected biases, and finally quantization-aware training. Steps of a kind are tried together; the search ends
after the first kind with a step within the limit, and the best file is kept. If a later step fails or is interrupted,
the best finished file is kept, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, nullcontext
from typing import Any

import numpy as np

from edgeclf_converters.distribution import Distribution
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import Node, check_logits, flatten
from edgeclf_converters.interrupts import remembered_interrupts
from edgeclf_converters.parity.scores import Labelled, Scores, network_scores
from edgeclf_converters.quantize.fake_quant import Ranges
from edgeclf_converters.quantize.judge import AIM, Judge
from edgeclf_converters.quantize.options import Progress
from edgeclf_converters.quantize.qat import Augment, QatConfig, train_epochs
from edgeclf_converters.quantize.ranges import ESTIMATORS, Statistics, estimate, observe
from edgeclf_converters.quantize.refill import RoundingConverter
from edgeclf_converters.quantize.refine import correct_biases, equalize, equalized_pairs, rounded_kernels
from edgeclf_converters.quantize.trials import Search, Stop, Trial
from edgeclf_converters.tflite.convert import check_model, check_pictures, convert_with_float
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing

__all__ = ["AIM", "FLOAT_ANSWERS", "METHODS", "search_int8"]

METHODS = ("auto", "ptq", "qat")
"""All steps until one is within the limit; only steps without training; only quantization-aware training."""

FLOAT_ANSWERS = "the float network's answers"
"""The source of targets where images have no labels."""


def search_int8(
    model: Any,
    calibration: Sequence[Pixels],
    rule: Preprocessing,
    *,
    validation: Labelled | None = None,
    float_scores: Scores | None = None,
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
        model: a network from normalized RGB float32 ``[batch, height, width, 3]`` to scores ``[batch, classes]``.
        calibration: images, uint8 RGB of the input's size, of the kind that the model will see; a hundred or more.
        rule: the model's preprocessing.
        validation: images of the input's size to evaluate steps on, by mean average precision if they may have several
            labels; by default the calibration images with the float network's answers as targets.
        float_scores: the network's scores for them, float32 ``[images, classes]``, if known.
        training: returns images to train on, of any size that ``augment`` accepts; called when they are needed. Without
            it there is no quantization-aware training.
        method: one of ``METHODS``.
        max_drop: the largest accuracy loss allowed, in percentage points; by default ``AIM``, or one image if that is
            more.
        qat, augment: see ``qat.train_epochs``.
        say, progress: called with lines and for bars that show the progress.
        distribution: where training runs; all its processes do the other steps alike.

    Returns:
        the best file; also if a step after the first failed or was interrupted (see ``Search.stop``), except with
        several workers, which wait for one another.

    Raises:
        ConversionError: the images or the network cannot be used, the method is unknown, or "qat" is requested for a
            network with unsupported layers or without images to train on.
        KeyboardInterrupt: interrupted before there was anything to keep.
    """
    if method not in METHODS:
        raise ConversionError(f"Method {method!r}: expected one of {', '.join(METHODS)}.")
    if method == "qat" and training is None:
        raise ConversionError("Quantization-aware training needs training images with their labels.")
    check_model(model, rule)
    check_pictures(calibration, rule)
    if validation is not None:
        validation.check("Validation images", model.output_shape[1], (rule.height, rule.width))
    where = distribution or Distribution()
    search = _MethodSearch(model, calibration, rule, validation, float_scores, max_drop, say, where)
    trained = search.trained(training, qat or QatConfig(), augment, progress)
    if method == "qat":
        return search.follow([trained])
    untrained = [search.plain(), search.ranged(), search.corrected()]
    return search.follow([*untrained, trained] if method == "auto" else untrained)


_Steps = Generator[Trial, None, None]


class _UnfitError(ConversionError):
    """The training images cannot be used: this must be an error, not a reason to end with an untrained file."""


class _MethodSearch:
    """The search, with the steps tried so far."""

    def __init__(
        self,
        model: Any,
        calibration: Sequence[Pixels],
        rule: Preprocessing,
        validation: Labelled | None,
        float_scores: Scores | None,
        max_drop: float | None,
        say: Callable[[str], None],
        distribution: Distribution,
    ) -> None:
        self._distribution = distribution
        self._model, self._calibration, self._rule, self._say = model, calibration, rule, say
        pixels = validation.pixels if validation else np.stack(list(calibration))
        before = network_scores(model, pixels, rule) if float_scores is None else float_scores
        images = validation or Labelled(pixels, before.argmax(axis=1), source=FLOAT_ANSWERS)
        self._judge = Judge(images, before, rule, max_drop, say)
        self._trials: list[Trial] = []
        self._float_content: bytes | None = None
        self._step, self._started = "", 0.0  # the current step, and when it started
        self._nodes: list[Node] | None = None
        self._statistics: Statistics | None = None
        self._estimator, self._refused = "mse", ""
        self._convert = RoundingConverter(rule)

    def follow(self, groups: Iterable[_Steps]) -> Search:
        """Try one group of steps after another until a file is within the limit."""
        stop = None
        try:
            with remembered_interrupts() as check:
                for group in groups:
                    if self._trials and self._distribution.agree(float(self._within())):
                        break
                    with closing(group):  # close its bar before anything else is shown
                        self._take(group, check)
        except (Exception, KeyboardInterrupt) as error:
            # With several workers, the others would wait in the middle of a step forever.
            if not self._trials or isinstance(error, _UnfitError) or self._distribution.way == "multi-worker":
                raise
            stop = Stop.of(self._step, error)
        if stop is not None:  # outside of the handler: its error keeps the step's memory alive
            self._say(f"{stop}. Keeping the best file so far: {self._best().step}.")
        return Search(self._best(), tuple(self._trials), self._within(), self._judge.source, stop, self._float_content)

    def _take(self, group: _Steps, check: Callable[[], None]) -> None:
        """Try one group of steps; skip it if it does not support the network."""
        try:
            for trial in group:
                self._trials.append(trial)
                self._say_steps()  # only after the trial is stored
                check()
        except ConversionError as error:
            if not self._trials or isinstance(error, _UnfitError):
                raise
            if str(error) != self._refused:
                self._say(f"No further method can be tried: {error}")
            self._refused = str(error)

    def _say_steps(self) -> None:
        """Log new steps; the first only once there is a second, as the result describes a single one."""
        new = self._trials[:2] if len(self._trials) == 2 else self._trials[-1:]
        for trial in new if len(self._trials) > 1 else ():
            self._say(f"{trial.step}, {trial.step.seconds:.0f} s")

    def _best(self) -> Trial:
        return max(self._trials, key=lambda trial: (trial.step.accuracy, -trial.step.log_loss))

    def _within(self) -> bool:
        return self._judge.allows(self._best())

    def plain(self) -> _Steps:
        """Try plain post-training quantization by TensorFlow's converter, for any network."""
        self._begin("ptq")
        file, self._float_content = convert_with_float(self._model, self._calibration, self._rule)
        yield self._trial(file)

    def ranged(self) -> _Steps:
        """Try the ranges of all estimators other than plain extremes; later steps use the best."""
        trials = []
        for name in ESTIMATORS[1:]:
            self._begin(f"ptq {name}")
            trials.append(self._rounded(self._folded(), self._ranges(name)))
            yield trials[-1]
        best = max(trials, key=lambda trial: (trial.step.accuracy, -trial.step.log_loss))
        self._estimator = best.step.name.removeprefix("ptq ")

    def corrected(self) -> _Steps:
        """Try corrected biases, also with equalized layers if the network has any to equalize."""
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
        """Train quantization-aware and try the file of every epoch."""
        if training is None:
            return
        self._begin("qat epoch 1")
        nodes = self._folded()
        check_logits(nodes, self._judge.has_several)
        try:
            data = training()
            size = None if augment else (self._rule.height, self._rule.width)
            data.check("Training images", self._model.output_shape[1], size)
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
            except (TypeError, ValueError) as error:  # raised by keras for a layer that the checks missed
                if isinstance(error, ConversionError):
                    raise
                raise ConversionError(f"The network cannot be rebuilt: {str(error).splitlines()[0]}") from error
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
        return self._trial(self._convert(nodes, ranges), floats or nodes)

    def _trial(self, content: bytes, floats: list[Node] | None = None) -> Trial:
        return self._judge.trial(self._step, content, floats, self._started)
