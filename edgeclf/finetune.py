"""Stage two: the whole network trained on, from a fitted head (LP-FT: Kumar et al., ICLR 2022).

With enough pictures batch norm adapts its statistics to them; with few it keeps those of ImageNet and only its scale
and shift are trained. Order and augmentation are functions of (seed, epoch, step), so that a training resumed
after any epoch is the training that was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.augment import augment
from edgeclf.batches import Prefetched
from edgeclf.config import TrainConfig
from edgeclf.frameworks import keras, tensorflow
from edgeclf.network import HEAD
from edgeclf.pixelfile import PixelFile

__all__ = ["FineTuner"]

_AVERAGE = 0.98  # of the weights' own moving average (Polyak & Juditsky, 1992), which is what is measured and kept
_MOMENTUM = 0.95  # of batch norm's moving averages: they must settle within some hundred steps
_RATES = {True: 5e-4, False: 1e-4}  # with batch norm trained, and frozen
_WARMUP = 0.1  # share of all steps
_CLIP = 1.0  # global norm of the gradients

Arrays = dict[str, npt.NDArray[Any]]
Indices = npt.NDArray[np.int64]


class FineTuner:
    """Trains a network epoch by epoch.

    Args:
        model: of ``build_classifier``, input size open.
        config: the training's.
        pixels: uint8 ``[pictures, height, width, 3]``, somewhat larger than the steps' size.
        rows: of the pictures to train on.
        targets: int64 ``[pictures]``.
        weights: of the loss, one per class.
    """

    def __init__(
        self,
        model: Any,
        config: TrainConfig,
        pixels: PixelFile,
        rows: Indices,
        targets: Indices,
        weights: Sequence[float],
    ) -> None:
        self._model, self._config, self._pixels, self._rows, self._targets = model, config, pixels, rows, targets
        self._weights = np.asarray(weights, np.float32)
        self._adapts = config.trains_batch_norm(len(rows))
        self._highest = config.learning_rate or _RATES[self._adapts]
        for layer in model.layers:
            if isinstance(layer, keras().layers.BatchNormalization):
                layer.momentum = _MOMENTUM
        self.input_wait = 0.0  # share of the last epoch's time that a step waited for its pictures
        self.steps = math.ceil(len(rows) / config.batch_size)
        self._optimizer = keras().optimizers.AdamW(
            0.0, weight_decay=config.weight_decay, use_ema=True, ema_momentum=_AVERAGE
        )
        self._optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self._optimizer.build(model.trainable_variables)
        self._pooled = keras().Model(model.input, model.get_layer("pool").output)
        self._step = tensorflow().function(self._compute, reduce_retracing=True)

    def epoch(self, number: int) -> Iterator[tuple[int, float]]:
        """Train one epoch, numbered from 0; gives (pictures, loss) after each step."""
        tf = tensorflow()
        order = np.random.default_rng([self._config.seed, 1, number]).permutation(self._rows)
        batches = Prefetched(self._batch, enumerate(np.array_split(order, self.steps), number * self.steps))
        for done, (rows, images, seed) in enumerate(batches, number * self.steps):
            targets = self._targets[rows]
            rate = self._rate((done + 1) / (self.steps * self._config.epochs))
            loss = self._step(
                images,
                tf.constant(targets),
                tf.constant(self._weights[targets]),
                seed,
                tf.constant(rate, tf.float32),
            )
            yield len(rows), float(loss)
        self.input_wait = batches.wait_share

    def _batch(self, job: tuple[int, Indices]) -> tuple[Indices, Any, Any]:
        """Pictures of a step, augmented; outside the compiled step, whose optimizer warns of random crops' cost."""
        tf, (done, rows) = tensorflow(), job
        seed = tf.constant(np.random.default_rng([self._config.seed, 2, done]).integers(0, 2**31 - 1, 2, np.int32))
        return rows, augment(tf.constant(self._pixels[rows]), self._config.step_size, self._config.flip, seed), seed

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with the moving average of its weights, while the ``with`` lasts."""
        variables = self._model.trainable_variables
        kept = [variable.numpy() for variable in variables]
        self._optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)

    def state(self) -> Arrays:
        """The optimizer's variables."""
        return {f"optimizer/{i}": variable.numpy() for i, variable in enumerate(self._optimizer.variables)}

    def restore(self, state: Arrays) -> None:
        """Put back what ``state`` gave."""
        for i, variable in enumerate(self._optimizer.variables):
            variable.assign(state[f"optimizer/{i}"])

    def _rate(self, progress: float) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        if progress < _WARMUP:
            return self._highest * progress / _WARMUP
        return self._highest * 0.5 * (1 + math.cos(math.pi * (progress - _WARMUP) / (1 - _WARMUP)))

    def _compute(self, images: Any, targets: Any, weights: Any, seed: Any, rate: Any) -> Any:
        tf, config, backbone = tensorflow(), self._config, self._config.network
        images = (images - backbone.mean) / backbone.std
        with tf.GradientTape() as tape:
            logits = self._logits(images, seed)
            wanted = tf.one_hot(targets, logits.shape[-1])
            wanted = wanted * (1 - config.label_smoothing) + config.label_smoothing / logits.shape[-1]
            losses = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            loss = tf.reduce_mean(losses * weights)
        variables = self._model.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), _CLIP)
        self._optimizer.learning_rate.assign(rate)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    def _logits(self, images: Any, seed: Any) -> Any:
        """With dropout before the head; ``training`` decides over batch norm alone."""
        tf = tensorflow()
        pooled = self._pooled(images, training=self._adapts)
        if self._config.dropout:
            pooled = tf.nn.experimental.stateless_dropout(pooled, self._config.dropout, seed + 1)
        return self._model.get_layer(HEAD)(pooled)
