"""The check before Coral's compiler, and how its output is used.

The compiler cannot be installed from a package registry; a stand-in with its options and output replaces it here.
"""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from edgeclf_converters import ConversionError
from edgeclf_converters.edgetpu.check import check_edgetpu
from edgeclf_converters.edgetpu.compiler import compile_edgetpu, parse_log
from edgeclf_converters.frameworks import keras
from edgeclf_converters.tflite.convert import convert
from edgeclf_runtime import Preprocessing
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.verification import verify
from tests.model_files import bare

# Output of edgetpu_compiler 16.0 from a published issue (google-coral/edgetpu 490), shortened.
LOG = """Edge TPU Compiler version 16.0.384591198
Model compiled successfully in 1354 ms.
Number of Edge TPU subgraphs: 1
Total number of operations: 88
Number of operations that will run on Edge TPU: 81
Number of operations that will run on CPU: 7

Operator                       Count      Status

DEQUANTIZE                     2          Operation is working on an unsupported data type
DEPTHWISE_CONV_2D              80         Mapped to Edge TPU
LOGISTIC                       4          Operation is working on an unsupported data type
CONCATENATION                  1          Mapped to Edge TPU
CONCATENATION                  1          More than one subgraph is not supported
Compilation child process completed within timeout period.
Compilation succeeded!
"""

COMPILER = """#!/bin/sh
while [ $# -gt 1 ]; do case "$1" in --out_dir) out=$2; shift;; esac; shift; done
name=$(basename "$1" .tflite)
{body}
"""


def test_an_int8_file_of_edgeclf_runs_entirely_on_the_edge_tpu(model: Path) -> None:
    check = check_edgetpu(model.read_bytes())
    assert check.mapped == check.operators > 50
    assert not check.problems


def test_a_float_file_is_refused_with_its_first_tensor(float_model: Path) -> None:
    check = check_edgetpu(float_model.read_bytes())
    assert check.mapped == 0
    assert "from operator 0" in check.problems[0]
    assert "float32, not an integer; export it with --int8" in check.problems[0]


def test_an_unsupported_operator_is_reported_with_its_position() -> None:
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.LeakyReLU(name="odd")(layers.MaxPooling2D()(layers.Conv2D(4, 3, name="good")(image)))
    model = keras().Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    y, x = np.mgrid[0:32, 0:32]
    smooth = [np.stack([x * 7, y * 7, x + y], -1).astype(np.uint8)]
    check = check_edgetpu(convert(model, "int8", smooth, Preprocessing(32, 32)))
    assert 0 < check.mapped < check.operators
    assert "is not supported by the Edge TPU" in check.problems[0]
    assert "odd" in check.problems[0]


def test_the_table_of_the_compiler_is_parsed() -> None:
    mapped, on_cpu, reasons = parse_log(LOG)
    assert (mapped, on_cpu) == (81, 7)
    assert reasons[0] == "2 DEQUANTIZE: Operation is working on an unsupported data type"
    with pytest.raises(ConversionError, match="Internal compiler error"):
        parse_log("Edge TPU Compiler version 16\nInternal compiler error. Aborting!\n")


def _stand_in(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "edgetpu_compiler"
    program.write_text(COMPILER.replace("{body}", body), "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("keeps_archive", [True, False])
def test_a_compiled_file_gets_the_card_back(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps_archive: bool
) -> None:
    (tmp_path / "log").write_text(LOG, "utf-8")
    size = model.stat().st_size if keeps_archive else len(bare(model))
    _stand_in(tmp_path, f'head -c {size} "$1" > "$out/${{name}}_edgetpu.tflite"; cat {tmp_path}/log', monkeypatch)
    source = tmp_path / "m.tflite"
    source.write_bytes(model.read_bytes())
    result = compile_edgetpu(source)
    assert result.path == tmp_path / "m_edgetpu.tflite"
    assert (result.mapped, result.on_cpu) == (81, 7)
    with Classifier.load(result.path) as compiled, Classifier.load(model) as original:
        assert compiled.card == original.card
        assert verify(compiled).passed
    assert read_flat_model(result.path.read_bytes()).metadata
    assert sorted(path.name for path in tmp_path.glob("*.tflite")) == ["m.tflite", "m_edgetpu.tflite"]


def test_a_missing_or_failing_compiler_is_one_line(
    model: Path, float_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConversionError, match=r"not installed.*apt-get install edgetpu-compiler"):
        compile_edgetpu(model)
    with pytest.raises(ConversionError, match="no operator would run on an Edge TPU"):
        compile_edgetpu(float_model)
    _stand_in(tmp_path, "echo 'Invalid model: model.tflite'; exit 1", monkeypatch)
    with pytest.raises(ConversionError, match="failed: Invalid model"):
        compile_edgetpu(model)


def test_a_damaged_file_is_refused_wherever_the_damage_is(model: Path) -> None:
    from edgeclf_runtime import ModelError

    content = bytearray(model.read_bytes())
    rng = np.random.default_rng(0)
    for offset in rng.integers(8, 40_000, 300):
        kept, content[offset] = content[offset], int(rng.integers(256))
        try:
            check_edgetpu(bytes(content))
        except ModelError as error:
            assert "damaged" in str(error) or "TensorFlow Lite" in str(error)  # noqa: PT017
        content[offset] = kept
