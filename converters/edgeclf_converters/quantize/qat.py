"""Quantization-aware training of a folded network, from the float network's ranges and with it as teacher.

The training is short, at a low cosine rate, with every rounding in place. The loss combines the float network's answer
(distillation: Hinton et al., 2015) and the right label. Batch norm is folded, so its statistics stay the float
network's; ranges are measured again after every epoch and frozen for the last. The caller chooses the epoch to keep by
the accuracy of the converted file, not of this graph.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeclf_converters.distribution import Distribution
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_converters.graph.inputs import normalized
from edgeclf_converters.graph.nodes import Node, build, features_node, logits_node
from edgeclf_converters.parity.scores import Labelled
from edgeclf_converters.quantize.fake_quant import Ranges, quantized, set_ranges
from edgeclf_converters.quantize.schedule import warmup_cosine
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.system.ahead import Ahead

__all__ = ["Augment", "QatConfig", "train_epochs"]

Augment = Callable[[Any, Any, slice, int], Any]
"""Called with (uint8 images ``[part, height, width, 3]``, int32 seed ``[2]``, their slice of a batch, its size);
returns images in 0..255 of the network's size."""

_CLIP = 1.0


@dataclass(frozen=True)
class QatConfig:
    """Options of quantization-aware training.

    Attributes:
        epochs: number of epochs over the training images.
        batch_size: images per step.
        learning_rate: peak of the cosine schedule, for AdamW.
        distillation: share of the loss from the float network's answers; the rest is from the right labels.
        temperature: temperature of both softmaxes in that share.
        features: weight of an additional term, the mean squared difference of the features below the last dense layer,
            in units of the float network's variance (Romero et al., ICLR 2015); 0 for none.
        label_smoothing: label smoothing of the right labels.
        class_weights: weights of the right labels' part of the loss, one per class, with mean 1 over the images; or
            empty.
        seed: random seed of order and augmentation.
    """

    epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 3e-5
    distillation: float = 0.7
    temperature: float = 2.0
    features: float = 0.0
    label_smoothing: float = 0.1
    class_weights: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ConversionError(f"epochs {self.epochs}, batch_size {self.batch_size}: expected at least 1 each.")


def train_epochs(
    taught: Sequence[Node],
    nodes: Sequence[Node],
    ranges: Ranges,
    remeasure: Callable[[Sequence[Node]], Ranges],
    data: Labelled,
    rule: Preprocessing,
    config: QatConfig,
    augment: Augment | None = None,
    advance: Callable[[int], None] = lambda pictures: None,
    distribution: Distribution | None = None,
) -> Iterator[tuple[list[Node], Ranges]]:
    """Train; yield the network and its ranges after each epoch.

    Args:
        taught: from ``fold``; the float network, which is the teacher.
        nodes: the network that training starts from, such as the same with corrected biases.
        ranges: ranges of its activations.
        remeasure: measures the ranges of a changed network with the same estimator.
        data: training images, of any size that ``augment`` accepts, or of the network's size without it.
        augment: augmentation; the teacher gets the augmented images, too.
        advance: called with the number of images done.
        distribution: where the steps run; by default in this process only.
    """
    tf, distribution = tensorflow(), distribution or Distribution()
    outputs = [logits_node(nodes), features_node(nodes)]
    with distribution.scope():
        teacher = build(taught, outputs=outputs)
        student, layers = quantized(nodes, ranges, kernels=True, outputs=outputs)
        optimizer = keras().optimizers.Adam(0.0)
        optimizer.build(student.trainable_variables)
    share = _step(teacher, student, optimizer, rule, config)

    @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(batch: Any, rate: Any) -> None:
        optimizer.learning_rate.assign(rate)
        distribution.run(share, batch)

    count = len(data.targets)
    steps = math.ceil(count / config.batch_size)
    for epoch in range(config.epochs):
        order = np.random.default_rng([config.seed, 3, epoch]).permutation(count)
        seeds = [np.random.default_rng([config.seed, 4, epoch, number]) for number in range(steps)]
        with Ahead(_batches(data, np.array_split(order, steps), augment, seeds, distribution)) as batches:
            for number, (images, batch) in enumerate(batches):
                rate = warmup_cosine((epoch * steps + number + 0.5) / (steps * config.epochs)) * config.learning_rate
                step(batch, tf.constant(rate, tf.float32))
                advance(images)
        trained = _trained(nodes, layers)
        if epoch < config.epochs - 1:
            ranges = remeasure(trained)
            set_ranges(student, ranges)
        yield trained, ranges


def _batches(
    data: Labelled,
    parts: Sequence[Any],
    augment: Augment | None,
    seeds: Sequence[np.random.Generator],
    distribution: Distribution,
) -> Iterator[tuple[int, Any]]:
    """Yield the number of images and the augmented images of each step, one part for each replica."""
    for rows, numbers in zip(parts, seeds, strict=True):
        seed = numbers.integers(0, 2**31 - 1, 2, np.int32)
        yield len(rows), distribution.shares(len(rows), functools.partial(_read, data, np.sort(rows), augment, seed))


def _read(data: Labelled, rows: Any, augment: Augment | None, seed: Any, part: slice) -> tuple[Any, Any, Any]:
    """Return one replica's part of a batch, and the number of images in the whole batch."""
    tf, pixels = tensorflow(), tensorflow().constant(data.pixels[rows[part]])
    pixels = augment(pixels, tf.constant(seed), part, len(rows)) if augment else pixels
    return pixels, tf.constant(data.targets[rows[part]]), tf.constant(len(rows), tf.float32)


def _step(teacher: Any, student: Any, optimizer: Any, rule: Preprocessing, config: QatConfig) -> Any:
    """Return the step function of one replica, whose gradients are added to the others'."""
    tf, variables = tensorflow(), student.trainable_variables

    def step(pixels: Any, targets: Any, count: Any) -> None:
        images = normalized(pixels, rule)
        answer, features = teacher(images, training=False)
        with tf.GradientTape() as tape:
            logits, own = student(images, training=True)
            soft, hard = (_set_losses if targets.dtype == tf.bool else _losses)(answer, logits, targets, config)
            loss = tf.reduce_sum(config.distillation * soft + (1 - config.distillation) * hard) / count
            if config.features:
                apart = tf.reduce_mean(tf.square(own - features)) / (tf.math.reduce_variance(features) + 1e-6)
                loss += config.features * apart * (tf.cast(tf.shape(pixels)[0], tf.float32) / count)
        gradients = tf.distribute.get_replica_context().all_reduce("SUM", tape.gradient(loss, variables))
        gradients, _ = tf.clip_by_global_norm(gradients, _CLIP)
        optimizer.apply_gradients(zip(gradients, variables, strict=True), skip_gradients_aggregation=True)

    return step


def _losses(answer: Any, logits: Any, targets: Any, config: QatConfig) -> tuple[Any, Any]:
    """Return each image's loss from the teacher's answer and from its right class."""
    tf = tensorflow()
    soft_targets = tf.nn.softmax(answer / config.temperature)
    soft = tf.nn.softmax_cross_entropy_with_logits(soft_targets, logits / config.temperature) * config.temperature**2
    right = tf.one_hot(targets, tf.shape(logits)[1]) * (1 - config.label_smoothing)
    right += config.label_smoothing / tf.cast(tf.shape(logits)[1], tf.float32)
    hard = tf.nn.softmax_cross_entropy_with_logits(right, logits)
    if config.class_weights:
        hard *= tf.gather(tf.constant(config.class_weights, tf.float32), targets)
    return soft, hard


def _set_losses(answer: Any, logits: Any, targets: Any, config: QatConfig) -> tuple[Any, Any]:
    """Do the same for images that may have several labels, bool ``[batch, labels]``: means of binary losses."""
    tf, binary = tensorflow(), tensorflow().nn.sigmoid_cross_entropy_with_logits
    soft_targets = tf.nn.sigmoid(answer / config.temperature)
    soft = binary(labels=soft_targets, logits=logits / config.temperature) * config.temperature**2
    right = tf.cast(targets, tf.float32) * (1 - config.label_smoothing) + config.label_smoothing / 2
    return tf.reduce_mean(soft, axis=1), tf.reduce_mean(binary(labels=right, logits=logits), axis=1)


def _trained(nodes: Sequence[Node], variables: dict[str, list[Any]]) -> list[Node]:
    """Return the nodes with the student's weights, not rounded."""
    return [
        replace(node, weights=tuple(variable.numpy() for variable in variables[node.name])) if node.weights else node
        for node in nodes
    ]
