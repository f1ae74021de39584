"""Tests requested by name fail at once if none of them can run, and say what to install."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.named"]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has make and a shell, but no emulator."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("make", "sh"):
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"no {name} on this machine")
        (folder / name).symlink_to(program)
    return {"PATH": str(folder), "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("target", "folder", "text"),
    [
        ("test-pi", "device", r"no qemu-aarch64-static.*: apt-get install .*qemu-user-static"),
        ("test-fleet", "fleet_device", r"no .*ssh.*: apt-get install openssh-server .*runit"),
    ],
)
def test_a_target_without_its_programs_builds_nothing(
    target: str, folder: str, text: str, bare: dict[str, str], tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "tests" / folder, clone / "tests" / folder)
    shutil.copy(ROOT / "Makefile", clone)
    command = ["make", target, f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=clone, env=bare, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert re.search(text, done.stderr)
    assert sorted(path.name for path in clone.iterdir()) == ["Makefile", "tests"]


def test_the_device_tests_train_nothing_without_an_emulator(bare: dict[str, str], tmp_path: Path) -> None:
    command = [*PYTEST, "--basetemp", str(tmp_path / "temporary"), "tests/device"]
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout
    assert "no test ran" in done.stdout
    assert "apt-get install qemu-user-static" in done.stdout.splitlines()[-2]
    assert not (tmp_path / "temporary").exists() or not any((tmp_path / "temporary").iterdir())


SKIPPED = "def test_skipped():\n    pytest.skip('no fish: apt-get install fish')\n"
PASSED = "def test_passed():\n    pass\n"


@pytest.mark.parametrize(("tests", "status"), [(SKIPPED, 1), ("", 1), (SKIPPED + PASSED, 0)])
def test_named_tests_fail_if_none_of_them_ran(tests: str, status: int, tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(f"import pytest\n{tests}", "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.named",
        "-c",
        "/dev/null",
        str(file),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout
    assert ("no test ran" in done.stdout) == (status == 1)
    assert ("\nno fish: apt-get install fish\n" in done.stdout) == (status == 1 and bool(tests))


def test_every_test_target_fails_if_no_test_ran() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    recipes = dict(re.findall(r"^(test-[\w -]+):.*\n\t(.*)$", text, re.MULTILINE))
    assert len(recipes) >= 7
    for target, recipe in recipes.items():
        assert "$(NAMED) " in recipe, target
