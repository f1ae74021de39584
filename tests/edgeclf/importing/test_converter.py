"""What is refused before the converter runs, and the messages if it fails; make test-import runs the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeclf.errors import ConfigError, DataError
from edgeclf.importing.converter import ONNX2TF, OnnxConverter, default_environment


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    (tmp_path / "network.onnx").write_bytes(b"\x08\x07")
    return tmp_path / "network.onnx"


def _environment(folder: Path, script: str) -> Path:
    python = folder / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return folder / "environment"


def test_weights_of_pytorch_are_refused_with_the_way_to_export_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"net\.pth: weights of PyTorch.*run any code.*torch\.onnx\.export"):
        OnnxConverter(tmp_path / "net.pth", tmp_path, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.onnx: there is no such file"):
        OnnxConverter(tmp_path / "absent.onnx", tmp_path, tmp_path)


def test_without_an_environment_the_commands_that_make_it_are_said(onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"python3.12 -m venv {tmp_path}/none && .* -m pip install {ONNX2TF}"):
        OnnxConverter(onnx, tmp_path / "none", tmp_path)


def test_the_commands_work_for_a_path_with_a_space(onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"-m venv '{tmp_path}/a b' && '{tmp_path}/a b/bin/python' -m pip"):
        OnnxConverter(onnx, tmp_path / "a b", tmp_path)


def test_the_default_environment_is_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_environment() == tmp_path / "edgeclf" / "onnx2tf"


def test_the_last_line_of_a_converter_that_fails_is_said(onnx: Path, tmp_path: Path) -> None:
    place = _environment(tmp_path, 'echo first; echo "No module named onnx" >&2; exit 1')
    with pytest.raises(DataError, match=r"the converter failed: No module named onnx\. .*pip install onnx2tf"):
        OnnxConverter(onnx, place, tmp_path).look(None)


def test_secrets_of_the_environment_are_not_passed_on(
    onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_TOKEN", "hidden")
    place = _environment(tmp_path, 'echo "token: ${A_SECRET_TOKEN:-none}, home: $HOME"; exit 1')
    with pytest.raises(DataError, match=f"token: none, home: {tmp_path}"):
        OnnxConverter(onnx, place, tmp_path).look(None)


def test_what_is_wrong_with_the_file_is_said_with_its_name(onnx: Path, tmp_path: Path) -> None:
    place = _environment(tmp_path, 'echo \'{"error": "It has 2 inputs (a, b), expected one."}\' > result.json')
    with pytest.raises(DataError, match=r"network\.onnx: It has 2 inputs"):
        OnnxConverter(onnx, place, tmp_path).look(None)
