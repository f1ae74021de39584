"""The TensorFlow operations of a computation: which have GPU kernels, and which determinism refuses there."""

from __future__ import annotations

import functools
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.framework import dtypes, kernels, op_callbacks

__all__ = ["Operation", "has_kernel", "is_refused", "recorded", "refusals"]


@dataclass(frozen=True)
class Operation:
    """One operation, in a graph or on its own.

    Attributes:
        name: TensorFlow's name.
        types: its type attributes, by name.
        is_training: the attribute of a batch norm; None for others.
        compiled: whether it is in a function that XLA compiles.
    """

    name: str
    types: tuple[tuple[str, int], ...]
    is_training: bool | None
    compiled: bool

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={types_pb2.DataType.Name(kind)[3:].lower()}" for name, kind in self.types)
        return f"{self.name}({shown}){' under XLA' if self.compiled else ''}"


@contextmanager
def recorded() -> Iterator[set[Operation]]:
    """Collect every operation that is run or added to a graph within the ``with``, including gradients."""
    found: set[Operation] = set()

    def note(name: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None) -> None:
        known = dict(zip(attributes[::2], attributes[1::2], strict=True))
        training = known.get("is_training")
        training = training.b if hasattr(training, "b") else training
        kinds = {key: _type(value) for key, value in known.items() if key in _type_attributes(_text(name))}
        compiled = graph is not None and "_compute" in str(getattr(graph, "name", ""))
        types = tuple(sorted((key, kind) for key, kind in kinds.items() if kind))
        found.add(Operation(_text(name), types, None if training is None else bool(training), compiled))

    op_callbacks.add_op_callback(note)
    try:
        yield found
    finally:
        op_callbacks.remove_op_callback(note)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _type(value: Any) -> int:
    """Return TensorFlow's number of a type; 0 if it is not a type."""
    if hasattr(value, "type"):
        return int(value.type)
    if isinstance(value, (int, dtypes.DType)):
        return int(value if isinstance(value, int) else value.as_datatype_enum)
    return 0


@functools.cache
def _type_attributes(name: str) -> frozenset[str]:
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(name)
    return frozenset(attribute.name for attribute in known.attr if attribute.type == "type") if known else frozenset()


@functools.cache
def has_kernel(operation: Operation) -> bool:
    """Return whether the installed TensorFlow has registered a GPU kernel for these types."""
    device = "XLA_GPU_JIT" if operation.compiled else "GPU"
    registered = kernels.get_registered_kernels_for_op(operation.name).kernel
    return any(kernel.device_type in (device, "DEFAULT") and _takes(kernel, operation) for kernel in registered)


def _takes(kernel: Any, operation: Operation) -> bool:
    types = dict(operation.types)
    return all(
        constraint.name not in types or types[constraint.name] in constraint.allowed_values.list.type
        for constraint in kernel.constraint
    )


_NAMED = (
    r"[Dd]eterminis\w+ (?:GPU implementation of|is not yet supported in GPU implementation of|is not yet supported for)"
    r" (\w+)(?: is not currently available| not available|\.)"
)
_DESCRIBED = {
    "fused batch-norm backprop, when training is disabled": lambda operation: (
        operation.name.startswith("FusedBatchNormGrad") and operation.is_training is False
    ),
    "unsorted segment reduction op": lambda operation: operation.name.startswith("UnsortedSegment"),
    " sorted segment reduction op": lambda operation: operation.name.startswith(("SegmentSum", "SegmentMean")),
    "Scatter ops with ref inputs": lambda operation: (
        re.fullmatch(r"Scatter\w+", operation.name) is not None and not operation.name.startswith("ScatterNd")
    ),
    "of SoftmaxCrossEntropyWithLogits": lambda operation: operation.name == "SoftmaxCrossEntropyWithLogits",
    "of SparseSoftmaxCrossEntropyWithLogits": lambda operation: operation.name == "SparseSoftmaxCrossEntropyWithLogits",
}


@functools.cache
def refusals() -> tuple[str, ...]:
    """Return the messages with which the installed TensorFlow refuses operations under determinism."""
    library = next(Path(tf.__file__).parent.glob("libtensorflow_cc.so*"))
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        return tuple(sorted(set(_sentences(content, b"eterminis"))))


def _sentences(content: mmap.mmap, word: bytes) -> Iterator[str]:
    place = 0
    while (place := content.find(word, place)) >= 0:
        start, end = content.rfind(b"\0", 0, place) + 1, content.find(b"\0", place)
        text = content[max(start, place - 400) : min(end, place + 400)].decode("ascii", "replace")
        if "GPU implementation" in text or text.startswith("Determinism is not yet supported"):
            yield text
        place = end


def is_refused(operation: Operation) -> bool:
    """Return whether TensorFlow refuses the operation on a GPU under determinism."""
    named = {match[1] for text in refusals() if (match := re.search(_NAMED, text))}
    if operation.name in named:
        return True
    return any(phrase in text and matches(operation) for text in refusals() for phrase, matches in _DESCRIBED.items())
