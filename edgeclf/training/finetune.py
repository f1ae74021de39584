"""Stage two: fine-tune the network, starting from a fitted head (LP-FT: Kumar et al., ICLR 2022).

By default batch norm keeps ImageNet's statistics: with each batch's own, the network would differ from the one that the
head was fitted on, which takes epochs to make up for. Order and augmentation are functions of (seed, epoch, step), so a
training resumed after any epoch gives the same result as one that was never stopped.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.config.train import TrainConfig
from edgeclf.data.pixel_file import PixelFile
from edgeclf.data.prefetch import Prefetched
from edgeclf.frameworks import keras, tensorflow
from edgeclf.model.folded_norms import folded_norms
from edgeclf.model.network import HEAD
from edgeclf.model.trainable import adaptation, fix_early
from edgeclf.training.augmentation.augment import augment
from edgeclf.training.augmentation.camera import camera_like
from edgeclf.training.augmentation.mixing import draw, mix
from edgeclf.training.augmentation.rand_augment import rand_augment
from edgeclf.training.epoch_rows import EpochRows
from edgeclf.training.losses import smoothed, summed_loss
from edgeclf.training.schedule import warmup, warmup_cosine
from edgeclf_converters.distribution import Distribution

__all__ = ["FineTuner"]

_MOMENTUM = 0.95  # momentum of batch norm's moving averages, which must settle within a few hundred steps
_RATES = {"full": 5e-4, "frozen": 3e-4, "batch-norm": 5e-3, "scratch": 2e-3}
_SHOWN = 18  # number of images in a preview
_CLIP = 1.0  # maximum global norm of the gradients
Arrays = dict[str, npt.NDArray[Any]]
Indices = npt.NDArray[np.int64]


class FineTuner:
    """Fine-tune a network epoch by epoch.

    Args:
        model: from ``build_classifier``, input size open, made in the distribution's scope, with pretrained weights.
        config: the training's options.
        pixels: uint8 RGB ``[images, height, width, 3]``, somewhat larger than the steps' size.
        rows: rows of the images to train on, in each epoch.
        targets: int64 ``[images]``; or the labels of each image, bool ``[images, labels]``, if it may have several.
        weights: loss weights, one per class; not used if images may have several labels.
        distribution: where the steps run.
    """

    def __init__(
        self,
        model: Any,
        config: TrainConfig,
        pixels: PixelFile,
        rows: EpochRows,
        targets: Indices | npt.NDArray[np.bool_],
        weights: Sequence[float],
        distribution: Distribution,
    ) -> None:
        self._model, self._config, self._pixels, self._rows, self._targets = model, config, pixels, rows, targets
        self._weights, self._distribution = np.asarray(weights, np.float32), distribution
        self._several = targets.ndim == 2
        self._trains_norms = config.trains_batch_norm
        self._highest = config.learning_rate or _RATES[self._kind()]
        # With a falling learning rate, scales and shifts fit the training images as well as the whole network does, but
        # generalize worse; averaging them at a rate that stays high is better (flat minima: Izmailov et al., UAI 2018).
        # The whole network is better with a falling rate.
        self._schedule = warmup if self._kind() == "batch-norm" and config.average else warmup_cosine
        for layer in model.layers:
            if isinstance(layer, keras().layers.BatchNormalization):
                layer.momentum = _MOMENTUM
        self.input_wait = 0.0  # share of the last epoch's time spent waiting for images
        self.steps = math.ceil(rows.count / config.batch_size)
        if config.freeze_stride:
            fix_early(model, config.freeze_stride)
        with distribution.scope():
            self._adaptation = adaptation(model, config.tune, config.decay_towards)
            self._optimizer = self._built_optimizer()
        self._began = [variable.numpy() for variable in self._adaptation.variables]
        features = model.get_layer(HEAD).input
        self._features: Callable[[Any], Any] = (
            functools.partial(keras().Model(model.input, features), training=True)
            if self._trains_norms
            else folded_norms(model, features)
        )
        compiled = tensorflow().function
        self._share = compiled(self._compute, autograph=False, jit_compile=True) if config.xla else self._compute
        self._step = compiled(self._whole, autograph=False, reduce_retracing=True)

    def epoch(self, number: int) -> Iterator[tuple[int, Any]]:
        """Train one epoch, counted from 0; yield (images, loss) after each step.

        The loss is a tensor: reading its value waits for the step, which may still be running on a GPU.
        """
        order = self._rows.of(number)
        first, whole = number * self.steps, self.steps * self._config.epochs
        batches = Prefetched(self._prepared, enumerate(np.array_split(order, self.steps), first))
        for done, (count, batch) in enumerate(batches, first):
            rate = self._highest * self._schedule((done + 1) / whole)
            yield count, self._step(batch, tensorflow().constant(rate, "float32"))
        self.input_wait = batches.wait_share

    def preview(self) -> npt.NDArray[np.uint8]:
        """Return some augmented images of the first step: uint8 RGB ``[images, size, size, 3]``."""
        tf, config, size = tensorflow(), self._config, self._config.step_size(0)
        order = self._rows.of(0)
        share, box = draw(config.mixup, config.cutmix, size, np.random.default_rng([config.seed, 3, 0]))
        common = (tf.constant(0.0), tf.constant(share, tf.float32), tf.constant(box))
        images = self._read(np.array_split(order, self.steps)[0], 0, size, common, slice(0, _SHOWN))[0]
        if config.mixup or config.cutmix:
            images, _ = mix(images, tf.zeros((len(images), 1)), *common[1:])
        return np.asarray(tf.cast(tf.round(tf.clip_by_value(images, 0.0, 255.0)), tf.uint8))

    def _prepared(self, job: tuple[int, Indices]) -> tuple[int, Any]:
        """Return the augmented images of a step, one part for each replica."""
        tf, config, (done, rows) = tensorflow(), self._config, job
        size = config.step_size(done // self.steps)
        share, box = draw(config.mixup, config.cutmix, size, np.random.default_rng([config.seed, 3, done]))
        common = (tf.constant(len(rows), tf.float32), tf.constant(share, tf.float32), tf.constant(box))
        return len(rows), self._distribution.shares(len(rows), functools.partial(self._read, rows, done, size, common))

    @property
    def bias(self) -> float:
        """Return the starting network's share of the moving average: near 1 at first, 0 after a few hundred steps."""
        average = self._config.average
        return float(average ** int(self._optimizer.iterations.numpy())) if average and self._began else 0.0

    @contextmanager
    def averaged(self, corrected: bool = False) -> Iterator[None]:
        """Use the moving average of the network's weights inside a ``with`` block.

        Args:
            corrected: remove the starting network's share (as Adam corrects its moments: Kingma & Ba, ICLR 2015).
        """
        if not self._config.average:
            yield
            return
        variables = self._adaptation.variables
        kept = [variable.numpy() for variable in variables]
        self._optimizer.finalize_variable_values(variables)
        if corrected:
            for variable, began in zip(variables, self._began, strict=True):
                variable.assign((variable - self.bias * began) / (1 - self.bias))
        self._adaptation.apply()
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)
            self._adaptation.apply()

    def state(self) -> Arrays:
        """Return the optimizer's variables, the trained variables, and the schedule."""
        moved = {f"moved/{i}": variable.numpy() for i, variable in enumerate(self._adaptation.variables)}
        moved |= {f"began/{i}": value for i, value in enumerate(self._began)}
        rate = {"rate/stays high": np.array(self._schedule is warmup)}
        optimizer = {f"optimizer/{i}": variable.numpy() for i, variable in enumerate(self._optimizer_variables())}
        return {**moved, **rate, **optimizer}

    def knows(self, state: Arrays) -> bool:
        """Return whether ``restore`` can continue from this state as it began."""
        complete = f"optimizer/{len(self._optimizer_variables()) - 1}" in state
        return complete and bool(state.get("rate/stays high", False)) == (self._schedule is warmup)

    def restore(self, state: Arrays) -> None:
        """Restore a state from ``state``; those of version 0.1 lack the start, so only the plain average is used."""
        began = [state.get(f"began/{i}") for i in range(len(self._adaptation.variables))]
        self._began = [value for value in began if value is not None]
        for i, variable in enumerate(self._adaptation.variables):
            variable.assign(state[f"moved/{i}"])
        for i, variable in enumerate(self._optimizer_variables()):
            variable.assign(state[f"optimizer/{i}"])
        self._adaptation.apply()

    def _optimizer_variables(self) -> list[Any]:
        """Return the optimizer's variables with those of mixed_float16's loss scale, which Keras omits."""
        if self._config.precision != "mixed_float16":
            return list(self._optimizer.variables)
        scale = self._optimizer._loss_scale
        return [*self._optimizer.variables, scale.current_loss_scale, scale.counter]

    def _kind(self) -> str:
        if self._config.init == "scratch" and self._config.from_run is None:
            return "scratch"
        if self._config.tune == "batch-norm":
            return "batch-norm"
        return "full" if self._trains_norms else "frozen"

    def _built_optimizer(self) -> Any:
        average = self._config.average
        averages = {"use_ema": True, "ema_momentum": average} if average else {}
        optimizer = keras().optimizers.Adam(0.0, **averages)
        if self._config.precision == "mixed_float16":
            optimizer = keras().mixed_precision.LossScaleOptimizer(optimizer)
        optimizer.build(self._adaptation.variables)
        return optimizer

    def _read(self, rows: Indices, done: int, size: int, common: tuple[Any, Any, Any], part: slice) -> tuple[Any, ...]:
        """Return one replica's part of a batch, augmented exactly as on a single device."""
        tf, config, targets = tensorflow(), self._config, self._targets[rows[part]]
        seed = tf.constant(np.random.default_rng([config.seed, 2, done]).integers(0, 2**31 - 1, 2, np.int32))
        # Outside of the compiled step: in it, TensorFlow's optimizer warns that it cannot estimate the crops' cost.
        pixels = tf.constant(self._pixels[rows[part]])
        images = augment(pixels, size, config.flip, config.rotate90, seed, part, len(rows), self._several)
        if config.rand_augment:
            images = rand_augment(images, config.rand_augment, seed, part, len(rows))
        if config.camera:
            images = camera_like(images, seed, part, len(rows))
        if self._several:
            return images, tf.constant(targets), tf.ones(len(targets)), seed, *common
        return images, tf.constant(targets), tf.constant(self._weights[targets]), seed, *common

    def _whole(self, batch: Any, rate: Any) -> Any:
        """Run a step on all replicas."""
        self._optimizer.learning_rate.assign(rate)
        for variable, anchor in self._adaptation.decayed:
            variable.assign_sub(rate * self._config.weight_decay * (variable - anchor))
        loss = self._distribution.run(self._share, batch)
        self._adaptation.apply()
        return self._distribution.sum(loss)

    def _compute(self, images: Any, targets: Any, weights: Any, seed: Any, count: Any, share: Any, box: Any) -> Any:
        tf, config, backbone = tensorflow(), self._config, self._config.network
        wanted = smoothed(targets, len(self._weights), config.label_smoothing)
        images, wanted = (images - backbone.mean) / backbone.std, wanted * weights[:, None]
        if config.mixup or config.cutmix:
            images, wanted = mix(images, wanted, share, box)
        scaled = config.precision == "mixed_float16"
        with tf.GradientTape() as tape:
            logits = tf.cast(self._logits(images, seed), tf.float32)
            loss = summed_loss(logits, wanted, self._several) / count
            aim = self._optimizer.get_scaled_loss(loss) if scaled else loss
        gradients = tape.gradient(aim, self._adaptation.sources)
        gradients = self._optimizer.get_unscaled_gradients(gradients) if scaled else gradients
        gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradients, _ = tf.clip_by_global_norm(self._adaptation.gradients(gradients), _CLIP)
        moves = zip(gradients, self._adaptation.variables, strict=True)
        self._optimizer.apply_gradients(moves, skip_gradients_aggregation=True)
        return loss

    def _logits(self, images: Any, seed: Any) -> Any:
        """Compute logits with dropout before the head."""
        tf = tensorflow()
        features = self._features(images)
        if self._config.dropout:
            features = tf.nn.experimental.stateless_dropout(features, self._config.dropout, seed + 1)
        return self._model.get_layer(HEAD)(features)
