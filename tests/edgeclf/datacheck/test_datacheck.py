"""``edgeclf data check`` on photographs with every kind of problem, run as a command."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgeclf import make_config, train
from edgeclf.commands.data import data as command
from edgeclf.datacheck.labels import doubted, folds, judged
from tests.listening import Listening


@pytest.fixture(scope="module")
def dirty(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits in parts: a broken file, copies of all kinds, a wrong label, a rare class, unusual sizes."""
    folder = tmp_path_factory.mktemp("check") / "photos"
    for name in ("0", "1", "2"):
        files = sorted((digits / name).iterdir())
        for part, chosen in (("train", files[:16]), ("test", files[16:])):
            (folder / part / name).mkdir(parents=True)
            for file in chosen[:4] if (part, name) == ("train", "2") else chosen:
                shutil.copy(file, folder / part / name)
    first, second, third, fourth = sorted((folder / "train" / "0").iterdir())[:4]
    shutil.copy(first, folder / "train" / "0" / "same.png")
    small = cv2.resize(cv2.imread(str(second)), (70, 70), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "test" / "0" / "smaller.jpg"), small)
    shutil.copy(third, folder / "train" / "1" / "conflict.png")
    fourth.rename(folder / "train" / "1" / "wrong.png")
    (folder / "train" / "1" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    cv2.imwrite(str(folder / "train" / "1" / "<b>tiny.png"), np.full((20, 90, 3), 60, np.uint8))
    return folder


@pytest.fixture(scope="module")
def outcome(dirty: Path) -> Result:
    done = CliRunner().invoke(command, ["check", str(dirty), "--out", str(dirty.parent / "check")])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def findings(outcome: Result, dirty: Path) -> dict[str, list[list[str]]]:
    content = json.loads((dirty.parent / "check" / "check.json").read_text("utf-8"))
    return {finding["kind"]: finding["groups"] for finding in content["findings"]}


def test_every_problem_is_found_and_no_copy_is_invented(findings: dict[str, list[list[str]]]) -> None:
    names = {kind: [{Path(file).name for file in group} for group in groups] for kind, groups in findings.items()}
    first, second, third = (f"{row}.png" for row in (0, 10, 101))
    assert names["unreadable"] == [{"broken.jpg"}]
    assert len(names["exact-duplicates"]) == 2
    assert all(group in names["exact-duplicates"] for group in ({first, "same.png"}, {third, "conflict.png"}))
    assert names["near-duplicates"] == names["across-parts"] == [{second, "smaller.jpg"}]
    assert names["two-labels"] == [{third, "conflict.png"}]
    assert {"wrong.png"} in names["labels"]
    assert names["too-few"] == names["unbalanced"] == []
    assert names["tiny"] == names["long"] == [{"<b>tiny.png"}]


def test_each_finding_says_what_to_do(outcome: Result, findings: dict[str, list[list[str]]]) -> None:
    lines = outcome.output.splitlines()
    begun = [row for row, line in enumerate(lines) if line.startswith("- ")]
    assert len(begun) == len(findings)
    for row in begun:
        following = next(line for line in lines[row + 1 :] if not line.startswith("    "))
        assert re.fullmatch(r"  [A-Z].+\.", following), following


def test_the_page_needs_no_other_file(outcome: Result, dirty: Path) -> None:
    folder = dirty.parent / "check"
    assert {path.name for path in folder.iterdir()} == {"check.html", "check.json"}
    page = (folder / "check.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") >= 8
    assert "<b>tiny" not in page
    assert "&lt;b&gt;tiny" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_json_lists_everything_and_clean_data_has_no_findings(digits: Path, tmp_path: Path) -> None:
    words = ["check", str(digits), "--json", "--out", str(tmp_path / "check")]
    done = CliRunner().invoke(command, words)
    content = json.loads(done.stdout)
    assert content["counts"] == {"0": 20, "1": 20, "2": 20}
    assert {finding["kind"] for finding in content["findings"]} <= {"labels"}


def test_train_warns_of_copies_across_parts_in_one_line(dirty: Path, tmp_path: Path) -> None:
    dirty = shutil.copytree(dirty, tmp_path / "dirty")  # other tests use the original
    for name in ("4.png", "5.png"):
        shutil.copy(next((dirty / "test" / "2").glob("*.png")), dirty / "train" / "2" / name)
    listening = Listening()
    train(dirty, tmp_path / "run", make_config({"size": 64, "tune": "head"}), listening)
    warning, other = (line for line in listening.lines if line.startswith("Warning"))
    warning, other = sorted((warning, other), key=lambda line: "two labels" in line)
    assert "two labels" in other
    assert "5 images have duplicates in other parts" in warning
    assert re.search(r"for example test/0/smaller.jpg \(test\) and train/0/10.png \(train\)", warning)
    assert f"edgeclf data check {dirty}" in warning


def test_doubtful_labels_are_listed_most_certain_first() -> None:
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.1, 0.9], [0.3, 0.7], [0.55, 0.45]], np.float32)
    targets = np.array([0, 0, 0, 1, 1, 1])
    (first,) = doubted(chances, targets)  # 0.55 is below class 0's own average
    assert (first.row, first.rather) == (2, 1)
    assert first.probability == pytest.approx(0.95)
    assert first.own == pytest.approx(0.05)


@pytest.mark.parametrize(("videos", "judges"), [(1, False), (2, True), (4, True)])
def test_few_groups_are_judged_by_fewer_classifiers_or_by_none(videos: int, judges: bool) -> None:
    rng, targets = np.random.default_rng(0), np.repeat([0, 1], 12)
    features = rng.normal(size=(24, 8)).astype(np.float32) + 3 * targets[:, None]
    groups = np.concatenate([np.arange(12) % videos, np.full(12, -1)])  # of one class; the other's are single images
    parts = folds(targets, groups)
    assert bool(parts) == judges
    assert not parts or (judged(features, targets, parts).argmax(axis=1) == targets).mean() > 0.9


def test_a_report_in_place_of_a_file_is_refused(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "check").write_text("mine", "utf-8")
    done = CliRunner().invoke(command, ["check", str(digits), "--out", str(tmp_path / "check")])
    assert done.exit_code == 1
    assert (tmp_path / "check").read_text("utf-8") == "mine"
