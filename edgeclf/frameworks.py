"""TensorFlow and tf_keras for the desktop package: imported only here, when first used."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from edgeclf.errors import ConfigError
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_runtime.system.cores import usable_cores
from edgeclf_runtime.system.plain_text import counted

__all__ = [
    "device_in_use",
    "has_gpu",
    "keras",
    "precision",
    "refuse_unrepeatable",
    "seed_everything",
    "tensorflow",
]


@functools.cache
def device_in_use() -> str:
    """Return one line that names the device that TensorFlow uses."""
    tf = tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"CPU ({counted(usable_cores(), 'core')})"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU ({details.get('device_name', gpus[0].name)}{f', {len(gpus)} found' if len(gpus) > 1 else ''})"


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Build networks inside a ``with`` block in "float32", "mixed_float16" or "mixed_bfloat16"."""
    mixed = keras().mixed_precision
    before = mixed.global_policy()
    mixed.set_global_policy(policy)
    try:
        yield
    finally:
        mixed.set_global_policy(before)


def has_gpu() -> bool:
    """Return whether TensorFlow computes on a GPU."""
    return bool(tensorflow().config.list_physical_devices("GPU"))


def seed_everything(seed: int, deterministic: bool = False) -> None:
    """Set the random seeds of this process; called by commands, never by an import.

    On a CPU all results are then reproducible bit for bit. On a GPU this must be requested: there, TensorFlow's
    determinism refuses operations that training needs.

    Args:
        seed: random seed of TensorFlow, NumPy and Python.
        deterministic: make results on a GPU reproducible bit for bit, too.
    """
    keras().utils.set_random_seed(seed)
    if deterministic or not has_gpu():
        tensorflow().config.experimental.enable_op_determinism()


def refuse_unrepeatable(deterministic: bool, what: str, way_out: str) -> None:
    """Refuse work that a GPU cannot reproduce bit for bit, before it starts.

    Args:
        deterministic: whether reproducible results were requested.
        what: the work, for the message.
        way_out: what the user can do other than computing on the CPU.

    Raises:
        ConfigError: reproducible results were requested and TensorFlow computes on a GPU.
    """
    if deterministic and has_gpu():
        raise ConfigError(
            f"--deterministic: TensorFlow has no repeatable {what} on a GPU. {way_out}, or compute on the CPU: "
            'CUDA_VISIBLE_DEVICES="" edgeclf ...'
        )
