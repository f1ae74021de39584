"""``edgeclf import`` with the real converter, in .venv-import, which make test-import builds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgeclf.commands.import_onnx import import_onnx
from edgeclf_runtime import Classifier
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.verification import verify

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-import" / "bin" / "python"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-import: make test-import builds it")


def _written(kind: str, folder: Path) -> Path:
    file = folder / "inner" / f"{kind}.onnx"
    file.parent.mkdir(exist_ok=True)
    subprocess.run([PYTHON, Path(__file__).with_name("onnx_networks.py"), kind, file], check=True, capture_output=True)
    return file


def _import(file: Path, images: Path, *words: object) -> Result:
    labels = file.with_suffix(".txt")
    labels.write_text("zero\none\ntwo\n")
    given = ["--labels", labels, "--mean", "0.5", "--std", "0.5", "--calibration", images]
    words = (file, *given, "--environment", PYTHON.parents[1], *words)
    return CliRunner().invoke(import_onnx, list(map(str, words)))


def _refused(kind: str, folder: Path, images: Path) -> str:
    result = _import(_written(kind, folder), images)
    assert isinstance(result.exception, EdgeclfError), result.output
    assert not list(folder.rglob("*.tflite"))
    return str(result.exception)


@pytest.mark.parametrize(("kind", "words"), [("plain", ()), ("external", ()), ("open", ("--size", 32))])
def test_a_network_becomes_a_complete_model_file(
    kind: str, words: tuple[object, ...], digits: Path, tmp_path: Path
) -> None:
    file = _written(kind, tmp_path)
    result = _import(file, digits, *words)
    assert result.exit_code == 0, result.exception or result.output
    assert "all of them" in result.output  # on the Edge TPU, including the max pooling's padding
    with Classifier.load(file.with_suffix(".tflite")) as classifier:
        card = classifier.card
        assert card.labels == ("zero", "one", "two")
        assert (card.preprocessing.width, card.preprocessing.mean) == (32, (127.5,) * 3)
        assert card.provenance["converter"].startswith("onnx2tf ")
        assert verify(classifier).passed
    assert file.with_suffix(".parity.html").exists()
    assert not list(file.parent.glob(".*"))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("foreign", "Layer 'odd' is acme.Gadget, which is not one of ONNX's own operators."),
        ("quantized", "Layer 'odd' is QuantizeLinear: the network is already quantized; export the float network."),
        ("two-inputs", "It has 2 inputs (image, mask), expected one."),
        ("open", "The file does not fix the size of its input; give it with --size."),
        ("again", "It has 2400 MB of weights, expected at most 1074 MB."),
        ("outside", "Its weights are in '../weights.bin'; expected a file next to it."),
    ],
)
def test_what_cannot_be_imported_is_refused_with_its_reason(
    kind: str, reason: str, digits: Path, tmp_path: Path
) -> None:
    assert _refused(kind, tmp_path, digits).endswith(f"{kind}.onnx: {reason}")


def test_a_layer_that_cannot_be_converted_is_named(digits: Path, tmp_path: Path) -> None:
    assert _refused("unknown", tmp_path, digits) == "Layer 'middle_shrink_less': LESS is not supported."


def test_a_file_that_is_not_onnx_is_refused(digits: Path, tmp_path: Path) -> None:
    file = tmp_path / "text.onnx"
    file.write_text("not a network")
    result = _import(file, digits)
    assert "text.onnx: It is not an ONNX file" in str(result.exception)
