"""Turn TensorFlow's errors into one line: what happened, what is kept, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgeclf.errors import ComputeError
from edgeclf.frameworks import keras
from edgeclf.progress import Reporter

__all__ = ["start_tensorflow", "tensorflow_errors"]

_PLACES = re.compile(r"\{\{.*?\}\}| \[Op:\w+\]")  # positions in TensorFlow's code
_SMALLER = "Use less memory: set a smaller --batch-size or a smaller --size"
_WAYS_OUT = (
    (("ResourceExhaustedError", "MemoryError"), "Out of memory", _SMALLER),
    (("UnimplementedError",), "This machine cannot compute it", "Try without --xla, and with --precision float32"),
    (("InternalError", "UnknownError"), "TensorFlow failed", f"Try without --xla. {_SMALLER}"),
)


def start_tensorflow(reporter: Reporter) -> None:
    """Import TensorFlow, which takes seconds, behind a progress bar."""
    with reporter.bar("Starting TensorFlow", 0):
        keras()


@contextmanager
def tensorflow_errors(kept: Callable[[], str] = str) -> Iterator[None]:
    """Turn errors of TensorFlow, and running out of memory, into ComputeError.

    Args:
        kept: returns a sentence on what is kept and how to continue; may be empty.

    Raises:
        ComputeError: TensorFlow failed.
    """
    try:
        yield
    except Exception as error:  # not by TensorFlow's names: Ctrl-C while it is imported would import it again
        if not isinstance(error, MemoryError) and not _is_tensorflows(error):
            raise
        raise ComputeError(" ".join(filter(None, (_described(error), kept())))) from error


def _is_tensorflows(error: Exception) -> bool:
    """Return whether it is an ``OpError``, without importing TensorFlow for an error that came before it."""
    return any(kind.__name__ == "OpError" and kind.__module__.startswith("tensorflow.") for kind in type(error).__mro__)


def _described(error: BaseException) -> str:
    kind = type(error).__name__
    for names, what, way_out in _WAYS_OUT:
        if kind in names:
            return f"{what} ({_first_line(str(error)) or kind}). {way_out}."
    return f"TensorFlow failed with {kind} ({_first_line(str(error))})."


def _first_line(text: str) -> str:
    """Return the first informative line: TensorFlow's errors begin with positions in the graph, indented."""
    lines = (line.strip() for line in text.splitlines() if line.strip() and not line[0].isspace())
    line = next((line for line in lines if not line.startswith(("Graph execution error", "Detected at node"))), "")
    return _PLACES.sub("", line).strip().rstrip(".")[:300]
