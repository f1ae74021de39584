"""TensorFlow and tf_keras for the desktop package: imported when first asked for, and only here."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from edgeclf_converters.frameworks import keras, tensorflow

__all__ = ["device_in_use", "keras", "precision", "seed_everything", "tensorflow"]


@functools.cache
def device_in_use() -> str:
    """One line that names what will compute."""
    tf = tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"CPU ({len(os.sched_getaffinity(0))} cores)"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU ({details.get('device_name', gpus[0].name)}{f', {len(gpus)} found' if len(gpus) > 1 else ''})"


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Networks made while the ``with`` lasts compute in it: "float32", "mixed_float16" or "mixed_bfloat16"."""
    mixed = keras().mixed_precision
    before = mixed.global_policy()
    mixed.set_global_policy(policy)
    try:
        yield
    finally:
        mixed.set_global_policy(before)


def seed_everything(seed: int) -> None:
    """Make TensorFlow's operations repeatable in this process; called by commands, never by an import."""
    keras().utils.set_random_seed(seed)
    tensorflow().config.experimental.enable_op_determinism()
