"""Distribute training steps: over one device, the GPUs of one machine, or several machines in step.

Each replica takes its share of every batch, gradients are summed, and the weights stay the same everywhere
(tf.distribute; Goyal et al., 2017). Machines find one another through TF_CONFIG; all need the images and the run folder
under the same path. The first machine writes the run, the others only read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import tensorflow

__all__ = ["WAYS", "Distribution"]

WAYS = ("none", "mirrored", "multi-worker")


class Distribution:
    """A way to distribute training steps, one of ``WAYS``.

    Attributes:
        strategy: TensorFlow's strategy.
        replicas: number of replicas on all machines together.
        first: whether this process writes the files.

    Raises:
        ConversionError: there are several workers but no usable TF_CONFIG.
    """

    def __init__(self, way: str = "none") -> None:
        tf = tensorflow()
        if way == "multi-worker":
            self.worker = _worker()
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        else:
            self.worker = 0
            self.strategy = tf.distribute.MirroredStrategy() if way == "mirrored" else tf.distribute.get_strategy()
        self.way, self.replicas = way, int(self.strategy.num_replicas_in_sync)
        self.first = self.worker == 0

    def scope(self) -> AbstractContextManager[Any]:
        """Return the scope in which a network and its optimizer must be built."""
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def shares(self, count: int, make: Callable[[slice], Any]) -> Any:
        """Call ``make`` for each replica's share of a batch of ``count``; return arguments for ``run``."""
        if self.replicas == 1:
            return make(slice(0, count))
        parts = [slice(int(part[0]), int(part[-1]) + 1) for part in np.array_split(np.arange(count), self.replicas)]
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: make(parts[context.replica_id_in_sync_group])
        )

    def run(self, function: Callable[..., Any], arguments: Any) -> Any:
        """Call a function on every replica with its share."""
        return self.strategy.run(function, args=arguments)

    def sum(self, value: Any) -> Any:
        """Return the sum of a scalar over all replicas."""
        return self.strategy.reduce(tensorflow().distribute.ReduceOp.SUM, value, axis=None)

    def gather(self, value: Any) -> Any:
        """Concatenate the tensors of all replicas, in their order, along the first axis."""
        return value if self.replicas == 1 else self.strategy.gather(value, axis=0)

    def agree(self, value: float) -> float:
        """Return the first process's value on all processes; wait until all have called this."""
        if self.way != "multi-worker":
            return value
        tf = tensorflow()
        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(0.0 if context.replica_id_in_sync_group else value, tf.float64)
        )
        return float(self.sum(values))


def _worker() -> int:
    example = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
    try:
        content = json.loads(os.environ["TF_CONFIG"])
        index, count = int(content["task"]["index"]), len(content["cluster"]["worker"])
    except (KeyError, ValueError, TypeError):
        raise ConversionError(
            f"--distribute multi-worker: TF_CONFIG is missing or damaged; expected like {example}."
        ) from None
    if content["task"].get("type") != "worker" or not 0 <= index < count:
        raise ConversionError(
            f"--distribute multi-worker: TF_CONFIG's task is not one of its workers; expected like {example}."
        )
    return index
