"""Wheels and source distributions are complete, and a release is built, checked and tagged."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from edgeclf_runtime import __version__
from tests.clean_copy import clean_copy, tracked
from tests.supply.environments import CLEAN, PARTS, ROOT, entries, metadata_of, printed, wheel_of


@pytest.mark.parametrize("name", PARTS)
def test_a_wheel_has_its_package_and_nothing_else(name: str, made: Path) -> None:
    package = ROOT / PARTS[name] / name
    expected = {str((ROOT / name).relative_to(package.parent)) for name in tracked(package)}
    inside = entries(wheel_of(made, name))
    assert {entry for entry in inside if ".dist-info/" not in entry} == expected
    assert [entry for entry in inside if entry.endswith("licenses/LICENSE")], "its licence"


@pytest.mark.parametrize("name", PARTS)
def test_a_wheel_is_the_same_made_without_a_source_distribution(name: str, made: Path, wheels: Path) -> None:
    assert entries(wheel_of(made, name)) == entries(wheel_of(wheels, name))


@pytest.mark.parametrize("name", PARTS)
def test_a_source_distribution_has_what_its_wheel_needs_and_no_more(name: str, made: Path) -> None:
    (path,) = made.glob(f"{name}-*.tar.gz")
    with tarfile.open(path) as packed:
        names = {entry.name.partition("/")[2] for entry in packed.getmembers() if entry.isfile()}
    package = {entry for entry in entries(wheel_of(made, name)) if ".dist-info/" not in entry}
    about = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    about |= set() if name == "edgeclf_runtime" else {"setup.py"}
    assert {entry for entry in names if ".egg-info/" not in entry} == package | about


def test_the_classifiers_are_known(made: Path) -> None:
    code = "import trove_classifiers as t, sys; print(*(set(sys.argv[1:]) - t.classifiers), sep=chr(10))"
    for name in PARTS:
        metadata = metadata_of(wheel_of(made, name), made / name)
        listed = metadata.get_all("Classifier")
        assert printed([ROOT / ".venv-wheels/bin/python", "-c", code, *listed], made) == "\n"


def test_a_release_is_built_checked_and_tagged(tmp_path: Path) -> None:
    clone = clean_copy(tmp_path / "clone")
    changes = clone / "CHANGELOG.md"
    changes.write_text(changes.read_text("utf-8").replace("## Unreleased", f"## {__version__}", 1), "utf-8")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost"]
    (clone / ".git" / "info").mkdir(parents=True)
    for words in (["init", "-q"], ["add", "--force", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *words], cwd=clone, check=True)
    (clone / ".venv-wheels").symlink_to(ROOT / ".venv-wheels")
    (clone / ".git/info/exclude").write_text(".venv-wheels\n", "utf-8")  # .gitignore only matches folders
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
