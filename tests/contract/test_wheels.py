"""The four distributions are built as wheels; the runtime's is installed alone in a clean environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import edgeclf
import edgeclf_converters
import edgeclf_fleet
import edgeclf_runtime
from tests.clean_copy import clean_copy

ROOT = Path(__file__).parents[2]
GIT = ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]


def test_the_wheels_have_one_version(wheels: Path) -> None:
    """The version is written once, in the runtime, and the wheels require each other in that version."""
    metadata = {path.name.split("-")[0]: _metadata(path) for path in wheels.glob("*.whl")}
    assert sorted(metadata) == ["edgeclf", "edgeclf_converters", "edgeclf_fleet", "edgeclf_runtime"]
    assert {each["Version"] for each in metadata.values()} == {edgeclf_runtime.__version__}
    packages = (edgeclf, edgeclf_converters, edgeclf_fleet)
    assert all(package.__version__ == edgeclf_runtime.__version__ for package in packages)
    required = [line for each in metadata.values() for line in each.get_all("Requires-Dist") if "edgeclf" in line]
    ours = [line for line in required if "extra ==" not in line]
    pin = f"=={edgeclf_runtime.__version__}"
    # On a desktop, all commands but those of the extras work.
    runtime = [f"edgeclf-runtime{pin}", f"edgeclf-runtime{pin}", f"edgeclf-runtime[signed,web]{pin}"]
    assert sorted(ours) == [f"edgeclf-converters{pin}", *runtime]


def test_a_wheel_says_what_it_is(wheels: Path) -> None:
    for path in wheels.glob("*.whl"):
        metadata = _metadata(path)
        assert metadata["Description-Content-Type"] == "text/markdown"
        assert metadata.get_payload().startswith(f"# {metadata['Name']}\n")
        assert metadata["License-Expression"] == "Apache-2.0"
        bounds = SpecifierSet(metadata["Requires-Python"])
        listed = re.findall(r"(?m):: Python :: (3\.\d+)$", "\n".join(metadata.get_all("Classifier")))
        assert listed == [f"3.{minor}" for minor in range(6, 20) if f"3.{minor}" in bounds][: len(listed)], path.name
    extras = _metadata(next(wheels.glob("edgeclf_runtime*.whl"))).get_all("Provides-Extra")
    assert sorted(extras) == ["gpio", "heic", "metrics", "mqtt", "signed", "tflite-runtime", "web"]


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(packed.read(name).decode())


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A separate repository with this one's files, committed."""
    folder = clean_copy(tmp_path / "clone")
    for words in (["init", "-q"], ["add", "--force", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    return folder


def test_a_release_is_refused_before_anything_is_built(clone: Path) -> None:
    version = edgeclf_runtime.__version__
    changes = clone / "CHANGELOG.md"
    text = changes.read_text("utf-8").replace(f"## {version}", "## Unreleased")
    for content, added, message in (
        (text + "More.\n", False, "not committed"),
        (text, True, f"no heading ## {version}: rename ## Unreleased"),
        (text.replace("## Unreleased", f"## {version} (28 November 2026)"), True, f"v{version} is tagged already"),
    ):
        changes.write_text(content, "utf-8")
        if added:
            subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-a", "-m", "Changes"], cwd=clone, check=True)
        if "tagged" in message:
            subprocess.run([*GIT, "tag", f"v{version}"], cwd=clone, check=True)
        done = subprocess.run(["make", "release"], cwd=clone, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert message in done.stderr
        assert not list(clone.glob(".venv*"))
        assert not (clone / "dist").exists()


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
