"""Call Coral's ``edgetpu_compiler``, read its log, and complete the compiled file."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from edgeclf_converters.edgetpu.check import EdgeTpuCheck, check_edgetpu
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.tflite.metadata import with_metadata
from edgeclf_converters.tflite.pack import pack
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime.model.features import feature_tensor
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.model.rewrite import network_of
from edgeclf_runtime.system.atomic_file import put_in_place

__all__ = ["EdgeTpuResult", "compile_edgetpu", "find_compiler", "parse_log"]

_NAME = "edgetpu_compiler"
_SECONDS = 600
_HOW = (
    "edgetpu_compiler is not installed. It runs on 64-bit x86 Debian and Ubuntu: add Coral's package source as "
    "coral.ai/docs/edgetpu/compiler says, then: sudo apt-get install edgetpu-compiler"
)
_ROW = re.compile(r"^([A-Z][A-Z0-9_]+)\s+(\d+)\s+(\S.*?)\s*$")
_MAPPED = "Mapped to Edge TPU"


@dataclass(frozen=True)
class EdgeTpuResult:
    """A compiled file.

    Attributes:
        path: the compiled file.
        check: the check of the file it was compiled from.
        mapped, on_cpu: number of operators on the Edge TPU and on the CPU.
        reasons: why operators run on the CPU, one line per kind with its count, in the compiler's words.
    """

    path: Path
    check: EdgeTpuCheck
    mapped: int
    on_cpu: int
    reasons: tuple[str, ...]


def find_compiler() -> str:
    """Return the compiler's path.

    Raises:
        ConversionError: it is not installed; the error says how to install it.
    """
    program = shutil.which(_NAME)
    if program is None:
        raise ConversionError(_HOW)
    return program


def parse_log(text: str) -> tuple[int, int, tuple[str, ...]]:
    """Read the numbers of operators on Edge TPU and CPU, and the reasons, from the compiler's output.

    Raises:
        ConversionError: the output has no table of operators.
    """
    rows = [match.groups() for line in text.splitlines() if (match := _ROW.match(line.strip()))]
    if not rows:
        raise ConversionError(f"{_NAME} gave no list of operators: {_last(text)}")
    mapped = sum(int(count) for _, count, status in rows if status == _MAPPED)
    left = [(name, int(count), status) for name, count, status in rows if status != _MAPPED]
    return (
        mapped,
        sum(count for _, count, _ in left),
        tuple(f"{count} {name}: {status}" for name, count, status in left),
    )


def compile_edgetpu(path: Path) -> EdgeTpuResult:
    """Write ``NAME_edgetpu.tflite`` next to a model file, with the same card, labels and golden images.

    Args:
        path: an int8 file written by edgeclf.

    Raises:
        ConversionError: no operator would run on an Edge TPU, the compiler is not installed (the error says how to
            install it), or it fails.
        ModelError: it is not a model file.
    """
    model = read_model(path)
    check = check_edgetpu(model.content)
    if check.mapped == 0:
        raise ConversionError(f"{path}: no operator would run on an Edge TPU: {check.problems[0]}")
    program = find_compiler()
    target = path.with_name(f"{path.stem}_edgetpu.tflite")
    with work_folder(target) as folder:
        text = _run(program, path, folder)
        made = folder / target.name
        if not made.is_file():
            raise ConversionError(f"{_NAME} wrote no {target.name}: {_last(text)}")
        mapped, on_cpu, reasons = parse_log(text)
        content = made.read_bytes()
        # Some versions of the compiler drop what follows the flatbuffer, so it is added again.
        if not read_flat_model(content).metadata:
            content = with_metadata(content, model.card)
        # The compiled network gives no features to compare with what is familiar.
        familiarity = model.familiarity if feature_tensor(content) else None
        card = model.card if familiarity else replace(model.card, reject=None)
        made.write_bytes(pack(network_of(content), card, model.golden, model.tolerance, familiarity))
        put_in_place(made, target)
    return EdgeTpuResult(target, check, mapped, on_cpu, reasons)


def _run(program: str, path: Path, folder: Path) -> str:
    command = [program, "--show_operations", "--out_dir", str(folder), str(path.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConversionError(f"{_NAME} cannot be run ({error}).") from error
    text = done.stdout + done.stderr
    if done.returncode:
        raise ConversionError(f"{_NAME} failed: {_last(text)}")
    return text


def _last(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")
