"""Several labels per image: how a CSV says so, what is refused, and how such images are split."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf.config.train import TrainConfig
from edgeclf.data.dataset import Dataset
from edgeclf.data.division import split
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.grouping import Grouping
from edgeclf.data.label_sets import with_presence
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError
from edgeclf.runs.run import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        pixels = np.full((8, 8, 3), 40 * number, np.uint8)
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
    return tmp_path


def _csv(folder: Path, *lines: str, head: str = "file,label") -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join([head, *lines]) + "\n", "utf-8")
    return path


def _labels(data: Dataset) -> dict[str, str]:
    return {file: data.label_text(row) for row, file in enumerate(data.files)}


def test_labels_on_one_line_or_on_several_are_the_same(folder: Path) -> None:
    one = _csv(folder, "0.png,b|a", "1.png,a", "2.png,_none", "3.png,b")
    first, _ = read_source(one, several_labels=True)
    several = _csv(folder, "3.png,b", "0.png,a", "2.png,_none", "1.png,a", "0.png,b")
    second, _ = read_source(several, several_labels=True)
    assert _labels(first) == {"0.png": "a|b", "1.png": "a", "2.png": "_none", "3.png": "b"}
    assert (first.files, first.labels) == (second.files, second.labels) == (second.files, ("a", "b"))
    assert first.presence is not None
    assert second.presence is not None
    assert first.presence.tolist() == second.presence.tolist()
    assert len(set(first.targets.tolist())) == 4
    kept = first.take([0, 2])
    assert kept.presence is not None
    assert kept.presence.tolist() == first.presence[[0, 2]].tolist()
    assert first.counts("").tolist() == [2, 2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0.png,a", "1.png,b", "0.png,a"], "line 4: 0.png has label 'a' already on line 2; keep one of the two"),
        (["0.png,a", "1.png,b", "0.png,_none"], "line 4: 0.png has label 'a' on line 2; _none goes with no other"),
        (["0.png,_none", "1.png,b", "0.png,b"], "line 4: 0.png has label '_none' on line 2; _none goes with no other"),
        (["0.png,a|_none", "1.png,b"], "line 2: 'a|_none': an image of _none has no other label"),
        (["0.png,a|", "1.png,b"], "line 2: 'a|' has an empty label"),
        (["0.png,a|a", "1.png,b"], "line 2: 'a|a' has a label twice"),
        (["0.png,a", "1.png,b", "2.png,"], "line 4: 2.png has no label; if none of the labels is right, write _none"),
        (["0.png,a", "1.png,b", "9.png,a"], "line 4: 9.png: no such file"),
        (["0.png,a", "1.png,unknown"], "class 'unknown' has the name of the answer for uncertain images"),
        (["0.png,a", "1.png,_none"], r"has only one class \(a\)"),
    ],
)
def test_mistakes_are_refused(folder: Path, lines: list[str], message: str) -> None:
    path = _csv(folder, *lines)
    with pytest.raises(DataError, match=message.replace("|", r"\|")):
        read_source(path, several_labels=True)


def test_lines_of_one_file_agree_in_part_and_group(folder: Path) -> None:
    rows = ["0.png,a,train,x", "1.png,b,train,", "0.png,b,test,y"]
    with pytest.raises(DataError, match=r"line 4: 0\.png has part 'test', but 'train' on line 2") as caught:
        read_source(_csv(folder, *rows, head="file,label,part,group"), several_labels=True)
    assert "0.png has group 'y', but 'x' on line 2" in str(caught.value)
    rows[2] = "0.png,b,train,x"
    data, _ = read_source(_csv(folder, *rows, head="file,label,part,group"), several_labels=True)
    assert (data.parts, data.groups.tolist()) == (("train", "train"), [0, -1])


def test_a_csv_that_may_mean_several_labels_is_refused_unless_the_option_says(folder: Path) -> None:
    unclear = _csv(folder, "0.png,a|b", "1.png,a", "2.png,b")
    with pytest.raises(DataError, match=r"'a\|b' may be one label or several.*--several-labels.*--no-several-labels"):
        read_source(unclear, several_labels=None)
    assert read_source(unclear, several_labels=False)[0].labels == ("a", "a|b", "b")
    clear = _csv(folder, "0.png,wine|glass", "1.png,cup", "2.png,cup")
    assert read_source(clear, several_labels=None)[0].labels == ("cup", "wine|glass")
    repeated = _csv(folder, "0.png,a", "0.png,b", "1.png,a")
    with pytest.raises(
        DataError, match=r"line 3: 0\.png is already on line 2; keep one, or see: train --several-labels"
    ):
        read_source(repeated, several_labels=None)


def test_only_one_csv_can_have_several_labels(folder: Path) -> None:
    path = _csv(folder, "0.png,a|b", "1.png,a", "2.png,b")
    for source in (folder, (path, folder)):
        with pytest.raises(DataError, match="--several-labels needs one CSV file"):
            read_source(source, several_labels=True)


def _data(count: int, seed: int, groups: list[int] | None = None) -> Dataset:
    rng = np.random.default_rng(seed)
    presence = rng.random((count, 5)) < (0.5, 0.3, 0.2, 0.1, 0.04)
    presence[: 6 * 5] = np.repeat(np.eye(5, dtype=np.bool_), 6, axis=0)
    files, none = tuple(f"{row}.jpg" for row in range(count)), np.zeros(count, np.int64)
    numbers = np.array(groups if groups else [-1] * count)
    return with_presence(Dataset(Path("x"), tuple("abcde"), files, none, ("",) * count, numbers), presence)


@pytest.mark.parametrize("seed", range(10))
def test_the_split_has_the_same_shares_of_labels_and_of_sets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = [int(number) if number < 40 else -1 for number in rng.integers(0, 100, 600)]
    data = split(_data(600, seed, groups), 0.2, 0.1, seed)
    assert data.presence is not None
    for number in range(40):
        assert len({data.parts[row] for row in np.flatnonzero(data.groups == number)}) <= 1
    whole, sets = data.presence.sum(axis=0), np.bincount(data.targets)
    for part, share in (("validation", 0.2), ("test", 0.1), ("train", 0.7)):
        assert abs(len(data.rows(part)) / 600 - share) < 0.02
        assert (np.abs(data.counts(part) - share * whole) <= np.maximum(2, 0.06 * whole)).all()
        inside = np.bincount(data.targets[data.rows(part)], minlength=len(sets))
        assert (np.abs(inside - share * sets)[sets >= 20] <= np.maximum(4, 0.1 * sets[sets >= 20])).all()
    assert data.parts == split(_data(600, seed, groups), 0.2, 0.1, seed).parts


def test_every_part_has_every_label_and_given_parts_are_kept() -> None:
    data = split(_data(40, 0), 0.1, 0.1, 0)
    assert (np.stack([data.counts(part) for part in ("train", "validation", "test")]) > 0).all()
    given = data.with_parts([part if part == "test" else "train" for part in data.parts])
    again = split(given, 0.1, 0.1, 3)
    assert again.rows("test").tolist() == data.rows("test").tolist()
    assert (again.counts("validation") > 0).all()


def test_labels_that_cannot_be_split_are_refused() -> None:
    data = _data(60, 0)
    assert data.presence is not None
    rare, common = data.presence.copy(), data.presence.copy()
    rare[4:, 4], common[:, 0] = False, True
    rare[:4, 4] = True
    with pytest.raises(DataError, match="label 'e' is on 4 readable images; at least 5 are needed"):
        split(with_presence(data, rare), 0.2, 0.0, 0)
    with pytest.raises(DataError, match="label 'a' is missing from 0 readable images; at least 5"):
        split(with_presence(data, common), 0.2, 0.0, 0)
    rare[1:, 2:4] = False
    rare[0, 2:4] = True
    with pytest.raises(
        DataError, match="'c' is on 1 readable image; label 'd' is on 1 readable image; label 'e' is on 4"
    ):
        split(with_presence(data, rare), 0.2, 0.0, 0)
    together = _data(60, 0, [0 if row else -1 for row in data.presence[:, 4].tolist()])
    with pytest.raises(DataError, match="nearly all images with label 'e' belong together"):
        split(together, 0.2, 0.0, 0)


def test_near_duplicates_stay_together_whatever_their_labels(folder: Path) -> None:
    rng = np.random.default_rng(0)
    scenes = [cv2.resize(rng.integers(0, 255, (6, 6, 3), np.uint8), (96, 96)) for _ in range(20)]
    for number, pixels in enumerate(scenes):
        assert cv2.imwrite(str(folder / f"s{number}.png"), pixels)
    assert cv2.imwrite(str(folder / "copy.jpg"), scenes[0], [cv2.IMWRITE_JPEG_QUALITY, 80])
    lines = [f"s{number}.png,{'ab'[number % 2]}" for number in range(20)] + ["copy.jpg,a|b"]
    data, _ = read_source(_csv(folder, *lines), several_labels=True)
    prints = Fingerprints.of(len(data.files))
    for row, file in enumerate(data.files):
        prints.add(row, file, data.content(file), data.picture(file))
    grouping = Grouping(data, prints, "near")
    grouped = grouping.grouped()
    rows = [grouped.files.index(name) for name in ("s0.png", "copy.jpg")]
    assert grouped.groups[rows[0]] == grouped.groups[rows[1]] >= 0
    (remark,) = grouping.remarks()
    assert remark.startswith("Warning: one image has two sets of labels: ")
    assert "copy.jpg (a|b)" in remark
    assert "s0.png (a)" in remark


def test_a_run_keeps_the_labels_of_its_split(folder: Path) -> None:
    data, _ = read_source(_csv(folder, "0.png,b|a", "1.png,a", "2.png,_none", "3.png,b"), several_labels=True)
    run = Run.create(folder / "run", TrainConfig(several_labels=True), folder / "list.csv")
    run.write_split(data.with_parts(["train", "train", "validation", "test"]), [])
    kept = Run.open(folder / "run").read_split()
    assert kept.presence is not None
    assert data.presence is not None
    assert kept.presence.tolist() == data.presence.tolist()
    assert (kept.files, kept.labels, kept.targets.tolist()) == (data.files, data.labels, data.targets.tolist())
