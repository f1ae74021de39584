"""The packages work on each Python and with the lowest versions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from tests.supply.environments import (
    CLEAN,
    CONSTRAINED,
    ROOT,
    environment,
    install,
    metadata_of,
    printed,
    python_of,
    wheel_of,
)


def _verifies(python: Path, model: Path, folder: Path) -> None:
    assert "as exported" in printed([python.with_name("edgeclf"), "verify", model], folder)


@pytest.fixture
def model(sure_model: Path) -> Path:
    """A model that is confident in its answers, as other interpreters round differently."""
    return sure_model


def _works(python: Path, model: Path, digits: Path, folder: Path) -> None:
    """Check that it classifies images and runs with every sink that needs no server."""
    edgeclf: list[object] = [python, "-W", "error::DeprecationWarning:edgeclf_runtime", "-m", "edgeclf_runtime"]

    def told(*words: object) -> str:
        return printed([*edgeclf, *words], folder)

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
    assert f"ExecStart={python.parent}/" in printed([installed, *install], folder)
    doctor = subprocess.run([installed, "doctor", "--json"], capture_output=True, text=True, env=CLEAN, check=False)
    assert doctor.returncode in (0, 1), doctor.stderr  # 1: there is no camera here
    assert {"python", "numpy", "opencv"} <= {finding["what"] for finding in json.loads(doctor.stdout)}


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_runtime_on_each_python(version: str, made: Path, model: Path, digits: Path, tmp_path: Path) -> None:
    """It is installed from the folder as a wheel, works, and is installed from its source distribution."""
    extras = "web,mqtt,metrics,heic" + (",tflite-runtime" if version == "3.9" else "")  # ai-edge-litert requires 3.10
    constrained = [] if version == "3.9" else CONSTRAINED
    words = ["--find-links", made, f"edgeclf-runtime[{extras}]", *constrained]
    python = environment(python_of(version), tmp_path / "env", *words)
    _works(python, model, digits, tmp_path)
    source = ["--force-reinstall", "--no-deps", "--no-binary", "edgeclf-runtime", "--find-links", made]
    install(python, *source, "edgeclf-runtime")
    _verifies(python, model, tmp_path)


@pytest.mark.parametrize("kind", ["wheel", "source"])
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_the_desktop_on_each_python(version: str, kind: str, made: Path, digits: Path, tmp_path: Path) -> None:
    """It is installed from the folder, trains and exports; from the source distributions, it has its commands."""
    ours = ["edgeclf", "edgeclf-converters", "edgeclf-runtime"]
    python = environment(python_of(version), tmp_path / "env")
    edgeclf = python.with_name("edgeclf")
    if kind == "source":
        install(python, "--no-deps", "--no-binary", ",".join(ours), "--find-links", made, *ours)
        install(python, "click")
        assert " train " in printed([edgeclf, "--help"], tmp_path)
    else:
        install(python, "--find-links", made, "edgeclf[fleet,search]", *CONSTRAINED)
        for command in ("deploy --help", "sign --help", "init-config --source 0 --web 8080"):
            printed([edgeclf, *command.split()], tmp_path)
        printed([python, "-c", "import optuna"], tmp_path)
        small = ["--size", "64", "--train-size", "64", "--epochs", "1", "--batch-size", "16", "--no-flip"]
        printed([edgeclf, "train", digits, "--out", "run", *small], tmp_path)
        assert (tmp_path / "run" / "report.html").exists(), "its templates"
        printed([edgeclf, "export", "--int8", "run", "--method", "ptq"], tmp_path)
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
        pytest.skip(f"Debian's packages cannot be downloaded: {' '.join(done.stderr.split())[-200:]}")
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
    printed([*pip, f"{wheel_of(made, 'edgeclf_runtime')}[web,mqtt,metrics,heic]"], tmp_path)
    shutil.copytree(ROOT / "tests/kept/0.1", root / "opt/kept")
    edgeclf = ["chroot", root, "/usr/bin/python3.14", "-W", "error::DeprecationWarning:edgeclf_runtime"]
    edgeclf += ["-m", "edgeclf_runtime"]
    inside = {**CLEAN, "PYTHONPATH": "/opt/site", "HOME": "/tmp"}

    def answers(*words: str) -> str:
        command = list(map(str, [*edgeclf, *words]))
        done = subprocess.run(command, capture_output=True, text=True, env=inside, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert "as exported, with litert" in answers("verify", "/opt/kept/model.tflite")
    sinks = ["--jsonl", "/tmp/a.jsonl", "--csv", "/tmp/a.csv", "--snapshots", "/tmp/kept", "--web", "0"]
    images = len(list((ROOT / "tests/kept/0.1/photos").rglob("*.png")))
    lines = answers("run", "/opt/kept/model.tflite", "--source", "/opt/kept/photos", "--json", *sinks).splitlines()
    assert len(lines) == images
    assert len((root / "tmp/a.csv").read_text("utf-8").splitlines()) == images + 1


def test_the_runtime_on_the_lowest_versions(made: Path, model: Path, digits: Path, tmp_path: Path) -> None:
    """Each required package is installed in the lowest allowed version."""
    wheel, lowest = wheel_of(made, "edgeclf_runtime"), tmp_path / "lowest.txt"
    metadata = metadata_of(wheel, tmp_path / "wheel")
    bounds = {}
    for requirement in metadata.get_all("Requires-Dist"):
        bound = re.match(r"([\w-]+)[^;]*>=([\d.]+)", requirement)
        if bound and "tflite-runtime" not in requirement and bound[1] != "tomli":
            bounds[bound[1]] = f"{bound[1]}=={bound[2]}.*"
    assert set(bounds) >= {"ai-edge-litert", "click", "numpy", "opencv-python-headless", "starlette", "uvicorn"}
    lowest.write_text("\n".join(bounds.values()) + "\n", "utf-8")
    print(f"\nlowest: {' '.join(bounds.values())}")
    words = [f"{wheel}[web,mqtt,metrics,heic]", "-c", lowest]
    _works(environment(python_of("3.11"), tmp_path / "env", *words), model, digits, tmp_path)
