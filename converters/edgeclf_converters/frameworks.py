"""TensorFlow and tf_keras, imported when first asked for, and in this package only here."""

from __future__ import annotations

import functools
import logging
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["keras", "quiet", "tensorflow", "tfmot"]


@functools.cache
def tensorflow() -> Any:
    """The ``tensorflow`` module.

    On x86-64 it computes with oneDNN even where TensorFlow would have to be asked for it, on processors without
    AVX-512: a training step takes two thirds of the time there, as the kernels are faster and the memory of tensors is
    kept in place of mapped anew. ``TF_ENABLE_ONEDNN_OPTS=0`` in the environment is heeded, and so is
    ``TF_CPP_MIN_LOG_LEVEL``: by default only its errors are logged.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # both are read by the import
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with quiet():
        import tensorflow as module

        # Once, here: without a GPU the driver's absence is logged as an error, and later it may be too late to have a
        # GPU's memory grow rather than be taken whole.
        for gpu in module.config.list_physical_devices("GPU"):
            module.config.experimental.set_memory_growth(gpu, True)
    # It warns, for one, of functions traced often where every network of a search has its own.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return module


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

    For what it logs whatever its level: at its import, and when it converts.
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
        except EdgeclfError:  # says it itself
            raise
        except Exception:  # what was held back says more of it than the error itself
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
