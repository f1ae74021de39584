"""TensorFlow and tf_keras, imported when first asked for, and in this package only here."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["keras", "quiet", "tensorflow", "tfmot"]


@functools.cache
def tensorflow() -> Any:
    """The ``tensorflow`` module."""
    _keep_memory()
    with quiet():
        import tensorflow as module

        # Once, here: without a GPU the driver's absence is logged as an error, and later it may be too late to have a
        # GPU's memory grow rather than be taken whole.
        for gpu in module.config.list_physical_devices("GPU"):
            module.config.experimental.set_memory_growth(gpu, True)

    return module


def _keep_memory() -> None:
    """Have TensorFlow keep the memory of its tensors on a CPU, unless the user's environment says otherwise.

    The C library gives large blocks back to the system at once, so that each step of a training has a gigabyte mapped
    and zeroed anew, a fifth of its time (``make bench-stages`` prints the kernel's share).
    """
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(whole))  # it would be 64 GiB


@functools.cache
def keras() -> Any:
    """The ``tf_keras`` module: Keras 2, the only one tensorflow-model-optimization accepts."""
    tensorflow()
    with quiet():
        import tf_keras as module

    return module


@functools.cache
def tfmot() -> Any:
    """The ``tensorflow_model_optimization`` module."""
    keras()
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the module itself, about its own imports
        import tensorflow_model_optimization as module

    return module


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what TensorFlow's C++ logs to the standard error stream, and give it out when an exception is raised.

    Its log level can only be set by an environment variable before the import, which would be the user's to set.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no standard error stream, so nothing to hold back
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
