"""Every benchmark starts; they take hours and run too rarely for a broken one to be noticed otherwise."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import make_config
from edgeclf_converters import Labelled
from edgeclf_converters.parity.parity import compare
from tests.bench.test_to_the_end import TINY
from tests.benchmark_scripts import BENCHMARKS, ROOT, SCRIPTS, run_script
from tests.benchmarks.intervals import by_image
from tests.conftest import SMALL


def test_the_benchmarks_are_found() -> None:
    assert {"train", "int8", "speed", "memory", "soak", "stages", "trashnet"} <= set(SCRIPTS)
    assert set(SCRIPTS) <= set(TINY), "make test-bench does not know how to run it"


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_benchmark_has_a_help_text(name: str) -> None:
    done = run_script(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_the_time_to_an_accuracy_is_measured(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    bench = importlib.import_module("tests.benchmarks.train")
    (tmp_path / "train").symlink_to(digits)
    pixels = np.stack([cv2.resize(cv2.imread(str(path)), (64, 64)) for path in sorted(digits.rglob("*.png"))])
    test = Labelled(pixels[:, :, :, ::-1].copy(), np.repeat(np.arange(3), 20))
    seen = bench._ours(tmp_path, make_config({**SMALL, "test": 0.0}), test)
    assert seen
    assert all(seconds > 0 and 0 <= accuracy <= 1 for seconds, accuracy in seen)


def test_the_interval_of_one_seed_is_the_paired_interval() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random((1, 505)) < 0.92, rng.random((1, 505)) < 0.9
    parity = compare(np.eye(2)[before[0].astype(int)], np.eye(2)[after[0].astype(int)], np.ones(505, np.int64))
    assert by_image(before, after) == pytest.approx((parity.drop, parity.low, parity.high))


def test_seeds_with_the_same_answers_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random((1, 505)) < 0.92, rng.random((1, 505)) < 0.9
    assert by_image(before.repeat(3, axis=0), after.repeat(3, axis=0)) == by_image(before, after)


def test_the_interval_contains_the_truth_as_often_as_it_claims() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):  # images, some of them hard, and three seeds that mostly agree on them
        chance = rng.choice([0.0, 0.9], 505, p=[0.96, 0.04])
        _, low, high = by_image(rng.random((3, 505)) < chance, np.zeros((3, 505), np.bool_))
        held += low <= 3.6 <= high
    assert 0.92 <= held / 400 <= 0.98


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_a_figure_names_exists(document: Path) -> None:
    text, makefile = document.read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"\bmake ((?:bench|test)[a-z0-9-]*|soak|demo|setup|lint|wheels)", text))
    targets = {name for line in re.findall(r"(?m)^([a-z][a-z0-9 -]*):", makefile) for name in line.split()}
    assert targets <= targets
    assert all((ROOT / path).exists() for path in re.findall(r"tests/[a-z_/]+\.py", text))


def test_every_option_that_a_figure_names_exists() -> None:
    text = (ROOT / "docs" / "figures.md").read_text("utf-8")
    named = re.findall(r"`(?:make (bench-[a-z0-9-]+)|python tests/benchmarks/([a-z_0-9]+)\.py)([^`]*)`", text)
    assert named
    for target, script, options in named:
        source = (BENCHMARKS / f"{script or _script_of(target)}.py").read_text("utf-8")
        assert all(f'"{option}"' in source for option in re.findall(r"--[a-z-]+", options)), (target or script, options)


def _script_of(target: str) -> str:
    recipe = (ROOT / "Makefile").read_text("utf-8").split(f"\n{target}:")[1]
    return re.findall(r"tests[/.]benchmarks[/.]([a-z_0-9]+)", recipe)[0]
