"""Check whether a .tflite file runs on a Coral Edge TPU, before Google's compiler is called.

The compiler maps operators in order up to the first that it cannot map; that one and all later ones run on the CPU.
The table is Coral's published list of operators (coral.ai/docs/edgetpu/models-intro), with the highest version the
compiler's last release (16.0) knows, which is TensorFlow 2.5's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeclf_runtime.model.flatbuffer import Table, read_flat_model
from edgeclf_runtime.system.plain_text import counted

__all__ = ["EdgeTpuCheck", "check_edgetpu"]

# by code: the operator's name, and the newest version that the compiler supports
_SUPPORTED = {
    0: ("ADD", 4),
    1: ("AVERAGE_POOL_2D", 3),
    2: ("CONCATENATION", 3),
    3: ("CONV_2D", 5),
    4: ("DEPTHWISE_CONV_2D", 6),
    9: ("FULLY_CONNECTED", 9),
    11: ("L2_NORMALIZATION", 2),
    14: ("LOGISTIC", 3),
    17: ("MAX_POOL_2D", 3),
    18: ("MUL", 5),
    19: ("RELU", 2),
    20: ("RELU_N1_TO_1", 1),
    21: ("RELU6", 2),
    22: ("RESHAPE", 1),
    23: ("RESIZE_BILINEAR", 3),
    25: ("SOFTMAX", 3),
    26: ("SPACE_TO_DEPTH", 2),
    28: ("TANH", 3),
    34: ("PAD", 3),
    39: ("TRANSPOSE", 5),
    40: ("MEAN", 3),
    41: ("SUB", 5),
    43: ("SQUEEZE", 2),
    45: ("STRIDED_SLICE", 4),
    49: ("SPLIT", 4),
    54: ("PRELU", 1),
    55: ("MAXIMUM", 4),
    57: ("MINIMUM", 4),
    65: ("SLICE", 3),
    67: ("TRANSPOSE_CONV", 3),
    70: ("EXPAND_DIMS", 1),
    74: ("SUM", 2),
    76: ("RSQRT", 2),
    82: ("REDUCE_MAX", 2),
    83: ("PACK", 3),
    89: ("REDUCE_MIN", 2),
    97: ("RESIZE_NEAREST_NEIGHBOR", 3),
    99: ("SQUARED_DIFFERENCE", 2),
    114: ("QUANTIZE", 2),
}
_CUSTOM = 32
_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8"}
_INTEGERS = ("int8", "uint8", "int32", "int16")


@dataclass(frozen=True)
class EdgeTpuCheck:
    """The result of a check.

    Attributes:
        operators: number of operators in the graph.
        mapped: number of operators before the first that runs on the CPU.
        problems: one line each; the one that stops the mapping comes first.
    """

    operators: int
    mapped: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        text = f"Edge TPU: {self.mapped} of {counted(self.operators, 'operator')}"
        return text + (f"; {self.problems[0]}" if self.problems else ", all of them")


def check_edgetpu(content: bytes) -> EdgeTpuCheck:
    """Check a .tflite file's content.

    Raises:
        ModelError: it is not a TensorFlow Lite file.
    """
    read_flat_model(content)  # raises if it is damaged
    model = Table.root(content, b"TFL3")
    graphs = list(model.tables(2))
    tensors, operators = list(graphs[0].tables(0)), list(graphs[0].tables(3))
    codes = list(model.tables(1))
    refusals: list[tuple[int, str]] = []
    for position, operator in enumerate(operators):
        code = codes[operator.scalar(0, "I")]
        outputs = operator.integers(2, "i")
        named = tensors[outputs[0]].text(3).partition(";")[0] if outputs else ""
        touched = [tensors[i] for i in (*operator.integers(1, "i"), *outputs) if i >= 0]
        reasons = [*_operator_problems(code), *(reason for tensor in touched for reason in _tensor_problems(tensor))]
        refusals += [(position, f"from operator {position} ({named}) on the CPU: {reason}") for reason in reasons[:1]]
    if len(graphs) > 1:
        refusals.append((0, f"{len(graphs)} graphs; the compiler takes one."))
    mapped = min((position for position, _ in refusals), default=len(operators))
    return EdgeTpuCheck(len(operators), mapped, tuple(text for _, text in sorted(refusals)))


def _operator_problems(code: Table) -> Iterator[str]:
    kind, version = max(code.scalar(0, "b"), code.scalar(3, "i")), code.scalar(2, "i", 1)
    if kind == _CUSTOM:
        yield f"the custom operator {code.text(1)!r}."
    elif kind not in _SUPPORTED:
        yield f"operator {kind} is not supported by the Edge TPU."
    elif version > _SUPPORTED[kind][1]:
        name, newest = _SUPPORTED[kind]
        yield f"{name} has version {version}, but the compiler supports versions up to {newest}."


def _tensor_problems(tensor: Table) -> Iterator[str]:
    kind = _TYPES.get(tensor.scalar(1, "b"), "an unknown type")
    name = tensor.text(3).partition(";")[0]
    if kind not in _INTEGERS:
        yield f"tensor {name} is {kind}, not an integer; export it with --int8."
    if any(side < 0 for side in tensor.integers(7, "i")):
        yield f"tensor {name} has a size left open; export it with a batch of 1."
    if len(tensor.integers(0, "i")) > 5:
        yield f"tensor {name} has more than five dimensions."
