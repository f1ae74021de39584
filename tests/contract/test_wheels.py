"""The four distributions are built as wheels; the runtime's is installed alone in a clean environment."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*build, "./runtime", "./converters", "./fleet", "."], cwd=ROOT, check=True)
    return folder


def test_four_wheels_are_built(wheels: Path) -> None:
    names = sorted(path.name.split("-")[0] for path in wheels.glob("*.whl"))
    assert names == ["edgeclf", "edgeclf_converters", "edgeclf_fleet", "edgeclf_runtime"]


def test_the_pages_are_in_the_runtimes_wheel(wheels: Path) -> None:
    with zipfile.ZipFile(next(wheels.glob("edgeclf_runtime*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if "/web/static/" in name}
    files = (ROOT / "runtime" / "edgeclf_runtime" / "web" / "static").iterdir()
    assert packed == {f"edgeclf_runtime/web/static/{file.name}" for file in files}


def test_the_whole_role_is_in_the_wheel_of_the_fleet(wheels: Path) -> None:
    with zipfile.ZipFile(next(wheels.glob("edgeclf_fleet*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("edgeclf_fleet/")}
    tracked = subprocess.run(["git", "ls-files", "fleet/edgeclf_fleet"], cwd=ROOT, capture_output=True, text=True)
    assert packed == {name.removeprefix("fleet/") for name in tracked.stdout.splitlines()}


def test_the_runtime_installs_alone_and_classifies(wheels: Path, model: Path, digits: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env")
    pip = [sys.executable, "-m", "pip", "--python", tmp_path / "env" / "bin" / "python"]
    wheel = next(wheels.glob("edgeclf_runtime*.whl"))
    subprocess.run([*pip, "install", "--quiet", "-c", ROOT / "constraints.txt", wheel], check=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [tmp_path / "env" / "bin" / "edgeclf"]

    def edgeclf(*words: object, code: int = 0) -> str:
        done = subprocess.run([*command, *map(str, words)], capture_output=True, text=True, env=clean, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "as exported" in edgeclf("verify", model)
    assert len(edgeclf("classify", model, digits / "0", "--json").splitlines()) >= 20
    assert "comes with the desktop package" in edgeclf("train", "photos", code=2)
    listed = subprocess.run([*pip, "list"], capture_output=True, text=True, env=clean, check=True).stdout
    assert "tensorflow" not in listed
