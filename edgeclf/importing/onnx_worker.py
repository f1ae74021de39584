"""Convert an ONNX file to a float TensorFlow Lite file; this program runs in the converter's own environment.

    PYTHON -I onnx_worker.py look|convert JOB.json

It imports nothing of edgeclf, which is not installed there. The job is an object with ``model``, the ONNX file;
``folder``, where everything is written; ``size``, height and width, or null; and, for ``convert``, ``pixels``, an .npy
file of normalized images, float32 ``[images, height, width, 3]``. The result, or an ``error``, is written to
``result.json``; ``convert`` also writes ``network.tflite``, and ``scores.npy``, ONNX Runtime's scores of the images.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message

_LIMIT = 1 << 30  # bytes of weights
_OWN = ("", "ai.onnx")
_ROWS = 64  # maximum number of images whose scores are compared


class Refused(Exception):
    """The file cannot be converted; the message says why in one line."""


def main() -> None:
    """Do the job; an error in the file is reported as a result."""
    action, job = sys.argv[1], json.loads(Path(sys.argv[2]).read_text("utf-8"))
    folder = Path(job["folder"])
    try:
        result = look(job) if action == "look" else convert(job)
    except Refused as error:
        result = {"error": str(error)}
    (folder / "result.json").write_text(json.dumps(result), "utf-8")


def look(job: dict[str, Any]) -> dict[str, Any]:
    """Read and check the file, and write it as ``whole.onnx`` with its weights embedded."""
    model = _read(Path(job["model"]))
    _check_operators(model.graph)
    name, size = _input(model.graph, job["size"])
    (output,) = _only(model.graph.output, "output")
    shape = _shape(output)
    if len(shape) != 2:
        raise Refused(f"Its output {output.name!r} has the shape {shape}, expected [1, classes].")
    onnx.save(model, str(Path(job["folder"]) / "whole.onnx"))
    opset = max(entry.version for entry in model.opset_import if entry.domain in _OWN)
    return {"input": name, "size": size, "classes": shape[1], "opset": opset, "producer": model.producer_name}


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Convert ``whole.onnx`` with onnx2tf, and compute its scores with ONNX Runtime."""
    import onnx2tf

    folder, found = Path(job["folder"]), job["found"]
    whole, made = folder / "whole.onnx", folder / "made"
    height, width = found["size"]
    _simplify(whole, found["input"], [1, 3, height, width])
    failed = ""
    try:
        onnx2tf.convert(
            input_onnx_file_path=str(whole),
            output_folder_path=str(made),
            overwrite_input_shape=[f"{found['input']}:1,3,{height},{width}"],
            report_op_coverage=True,
            non_verbose=True,
            verbosity="error",
        )
    except (Exception, SystemExit) as error:
        failed = (str(error).strip() or type(error).__name__).splitlines()[0]
    file = made / "whole_float32.tflite"
    if failed or not file.is_file():
        raise Refused(_reason(made, failed))
    shutil.move(file, folder / "network.tflite")
    np.save(folder / "scores.npy", _scores(whole, found["input"], np.load(job["pixels"])[:_ROWS]))
    return {"converter": f"onnx2tf {onnx2tf.__version__}"}


def _simplify(file: Path, name: str, shape: list[int]) -> None:
    """Precompute what depends only on the size, such as paddings, which exporters leave in the graph."""
    import onnxsim

    try:
        model, same = onnxsim.simplify(onnx.load(str(file)), overwrite_input_shapes={name: shape})
    except Exception:  # it stays as it is, and the converter reports what it cannot convert
        return
    if same:
        onnx.save(model, str(file))


def _read(path: Path) -> Any:
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise Refused(f"It is not an ONNX file, or it is damaged: {str(error).splitlines()[0]}") from error
    if not model.graph.node:
        raise Refused("It is not an ONNX file, or it is empty.")
    _check_external(model, path)
    onnx.load_external_data_for_model(model, str(path.parent))
    return model


def _check_external(model: Any, path: Path) -> None:
    """Refuse external weights unless they are in regular files next to the model."""
    outside = [{entry.key: entry.value for entry in t.external_data} for t in _tensors(model) if t.external_data]
    sizes: dict[str, int] = {}
    for name in sorted({tensor.get("location", "") for tensor in outside}):
        file = path.parent / name
        if name != file.name or name in ("", ".", ".."):
            raise Refused(f"Its weights are in {name!r}; expected a file next to it.")
        if file.is_symlink() or not file.is_file():
            raise Refused(f"Its weights are in {name!r}, which is not a file next to it; copy both.")
        sizes[name] = file.stat().st_size
    # Each tensor reads its own range, even if several share it.
    parts = (tensor.get("length") or str(sizes[tensor.get("location", "")]) for tensor in outside)
    total = path.stat().st_size + sum(int(part) if part.isdecimal() else _LIMIT + 1 for part in parts)
    if total > _LIMIT:
        raise Refused(f"It has {total / 1e6:.0f} MB of weights, expected at most {_LIMIT / 1e6:.0f} MB.")


def _tensors(message: Any) -> Iterator[Any]:
    """Yield all tensors, including those in nodes' attributes and subgraphs."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for _, value in message.ListFields():
        for part in [value] if isinstance(value, Message) else value if hasattr(value, "add") else ():
            yield from _tensors(part)


def _check_operators(graph: Any) -> None:
    for node in graph.node:
        named = f"Layer {(node.name or node.output[0])!r} is {node.domain + '.' if node.domain else ''}{node.op_type}"
        if node.domain not in _OWN:
            raise Refused(f"{named}, which is not one of ONNX's own operators.")
        if "QuantizeLinear" in node.op_type or node.op_type.startswith(("QLinear", "QGemm")):
            raise Refused(f"{named}: the network is already quantized; export the float network.")


def _only(values: Any, what: str) -> list[Any]:
    if len(values) != 1:
        names = ", ".join(value.name for value in values)
        raise Refused(f"It has {len(values)} {what}s ({names}), expected one.")
    return list(values)


def _input(graph: Any, size: list[int] | None) -> tuple[str, list[int]]:
    weights = {tensor.name for tensor in graph.initializer}
    (value,) = _only([value for value in graph.input if value.name not in weights], "input")
    kind, shape = value.type.tensor_type.elem_type, _shape(value)
    if kind != onnx.TensorProto.FLOAT:
        kind_name = onnx.TensorProto.DataType.Name(kind).lower()
        raise Refused(f"Its input {value.name!r} is {kind_name}, expected float32.")
    if len(shape) != 4 or shape[1] not in (3, None) or shape[0] not in (1, None):
        raise Refused(f"Its input {value.name!r} has the shape {shape}, expected [1, 3, height, width].")
    fixed = shape[2:]
    if size is None and None in fixed:
        raise Refused("The file does not fix the size of its input; give it with --size.")
    if size is not None and any(side not in (None, given) for side, given in zip(fixed, size, strict=True)):
        raise Refused(f"Its input is {fixed[1]}x{fixed[0]}, not {size[1]}x{size[0]}: export it with this size.")
    return value.name, [side for side in (fixed if size is None else size) if side is not None]


def _shape(value: Any) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.dim_value > 0 else None for dim in dims]


def _reason(made: Path, failed: str) -> str:
    """Return which layer could not be converted, according to the converter's report."""
    reports = list(made.glob("*op_coverage_report.json"))
    report = json.loads(reports[0].read_text("utf-8")) if reports else {}
    for node in report.get("unsupported_nodes") or ():
        why = node.get("message") or "it is not supported"
        return f"onnx2tf cannot convert layer {node.get('node_name')!r}, a {node.get('onnx_op')}: {why}"
    return f"onnx2tf cannot convert it: {report.get('conversion_error') or failed or 'it wrote no file'}"


def _scores(whole: Path, name: str, pixels: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
    rows = [session.run(None, {name: pixel.transpose(2, 0, 1)[np.newaxis]})[0][0] for pixel in pixels]
    return np.stack(rows).astype(np.float32)


if __name__ == "__main__":
    main()
