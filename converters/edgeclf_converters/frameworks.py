"""TensorFlow and tf_keras for this package: imported only here, when first used."""

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
    """Return the module ``tensorflow``.

    On x86-64 it always computes with oneDNN, which TensorFlow by default does not use on processors without AVX-512: a
    training step then takes two thirds of the time, as kernels are faster and tensors' memory is reused. Environment
    variables ``TF_ENABLE_ONEDNN_OPTS`` and ``TF_CPP_MIN_LOG_LEVEL`` are respected; by default only errors are logged.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # both are read during the import
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with quiet():
        import tensorflow as module

        # Look for GPUs here, once: without a GPU the missing driver is logged as an error, and memory growth must be
        # set before a GPU is used, or TensorFlow takes all its memory.
        for gpu in module.config.list_physical_devices("GPU"):
            module.config.experimental.set_memory_growth(gpu, True)
    # TensorFlow warns, for example, of functions traced often, although each network of a search has its own.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return module


@functools.cache
def keras() -> Any:
    """Return the module ``tf_keras``: Keras 2, the only one that tensorflow-model-optimization accepts."""
    tensorflow()
    with quiet():
        import tf_keras as module

    return module


@functools.cache
def tfmot() -> Any:
    """Return the module ``tensorflow_model_optimization``."""
    keras()
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the module warns about its own imports
        import tensorflow_model_optimization as module

    return module


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what TensorFlow's C++ code logs to standard error; print it if an exception is raised.

    For messages that ignore the log level: at the import, and during a conversion.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error, so nothing to hold back
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except EdgeclfError:  # needs no more explanation
            raise
        except Exception:  # the held-back messages say more than the error
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
