"""A real comparison on a few digits."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeclf import ConfigError, DataError, Quiet, RunError, make_config
from edgeclf.comparison.compare import compare, subset
from edgeclf.comparison.methods import METHODS, Cell, method_config
from edgeclf.comparison.page import comparison_table, summarize
from edgeclf.data.dataset import Dataset
from edgeclf.metrics.scoring import wilson
from tests.listening import Interrupting

OPTIONS: dict[str, object] = {"size": 64, "train_size": 64, "epochs": 1, "batch_size": 16, "flip": False}


@pytest.fixture(scope="module")
def compared(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Cell]]:
    out = tmp_path_factory.mktemp("compared") / "compare"
    methods = ("hog-svm", "head")
    return out, compare(digits, out, make_config(OPTIONS), Quiet(), methods=methods, percentages=(20, 100))


def test_every_cell_is_measured_on_the_same_test_part(compared: tuple[Path, list[Cell]]) -> None:
    out, cells = compared
    assert [cell.key for cell in cells] == [
        ("hog-svm", 20, 0),
        ("head", 20, 0),
        ("hog-svm", 100, 0),
        ("head", 100, 0),
    ]
    assert {cell.count for cell in cells} == {12}  # a fifth of sixty: the folder has no test part
    assert [cell.pictures for cell in cells] == [9, 9, 39, 39]
    assert all((cell.low, cell.high) == wilson(cell.correct, 12) for cell in cells)
    assert cells[3].accuracy >= 0.8
    assert cells[1].trained == 1281 * 3
    assert 13e6 < cells[1].bytes < 14e6
    assert {path.name for path in out.iterdir()} == {
        "cells.json",
        "compare.csv",
        "compare.html",
        "config.toml",
        "digests.npz",
        "environment.json",
        "labels.json",
        "skipped.csv",
        "split.csv",
    }


def test_its_page_and_its_table_have_every_cell(compared: tuple[Path, list[Cell]]) -> None:
    out, cells = compared
    page = (out / "compare.html").read_text("utf-8")
    assert "http" not in page
    assert "<svg" in page
    with (out / "compare.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], int(row["percent"])) for row in rows] == [(cell.method, cell.percent) for cell in cells]
    for line, row in zip(comparison_table(cells).splitlines()[1:], summarize(cells), strict=True):
        assert line.startswith(row.name)
        assert f"{row.accuracy:.1%}" in line
        assert f'<td class="number">{row.low * 100:.1f} to {row.high * 100:.1f}%</td>' in page


class _Stopping(Quiet):
    """Presses Ctrl-C when the second cell begins."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)
        if sum("seed 0:" in known for known in self.said) == 2:
            raise KeyboardInterrupt


def test_a_stopped_comparison_resumes(digits: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "compare", make_config(OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        compare(digits, out, config, _Stopping(), methods=("hog-svm",), percentages=(20, 100))
    first = (out / "compare.csv").read_text("utf-8").splitlines()
    assert len(first) == 2
    split = (out / "split.csv").read_text("utf-8")
    cells = compare(digits, out, config, Quiet(), methods=("hog-svm",), percentages=(20, 100))
    assert (out / "compare.csv").read_text("utf-8").splitlines()[:2] == first  # with the same times: not measured again
    assert (out / "split.csv").read_text("utf-8") == split
    assert [cell.percent for cell in cells] == [20, 100]
    assert not (out / "work").exists()
    with pytest.raises(RunError, match="of other images or with other options"):
        compare(digits, out, make_config({**OPTIONS, "epochs": 2}), Quiet())


def test_an_interrupted_training_gives_no_result(shallow: None, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        compare(
            digits,
            tmp_path / "c",
            make_config(OPTIONS),
            Interrupting("Fine-tuning"),
            methods=("full",),
            percentages=(20,),
        )
    assert (tmp_path / "c" / "cells.json").read_text("utf-8") == "[]\n"
    assert not (tmp_path / "c" / "work").exists()


@pytest.mark.slow
def test_scratch_batch_norm_and_full_training_finish(digits: Path, tmp_path: Path) -> None:
    cells = compare(
        digits,
        tmp_path / "out",
        make_config(OPTIONS),
        Quiet(),
        methods=("scratch", "batch-norm", "full"),
        percentages=(20,),
    )
    trained = {cell.method: cell.trained for cell in cells}
    assert trained["scratch"] == trained["full"] > 20 * trained["batch-norm"] > 20 * 1281 * 3


@pytest.mark.parametrize(
    "options", [{"alpha": True}, {"freeze_stride": 4, "decay_towards": "pretrained"}, {"init": "scratch"}]
)
def test_options_that_do_not_fit_a_method_are_ignored(options: dict[str, object]) -> None:
    config = make_config(options)
    done = {method: method_config(config, method, 3) for method in METHODS}
    assert {method: (item.tune, item.init, item.seed) for method, item in done.items()} == {
        "hog-svm": ("full", "imagenet", 3),
        "scratch": ("full", "scratch", 3),
        "head": ("head", "imagenet", 3),
        "batch-norm": ("batch-norm", "imagenet", 3),
        "full": ("full", "imagenet", 3),
    }
    assert (done["full"].alpha, done["full"].freeze_stride) == (config.alpha, config.freeze_stride)


def test_smaller_shares_are_within_larger_ones_and_have_every_class(tmp_path: Path) -> None:
    targets = np.array([0] * 100 + [1] * 10 + [2] * 6 + [0, 1])
    parts = ("train",) * 116 + ("validation", "test")
    data = Dataset(tmp_path, ("a", "b", "c"), tuple(map(str, range(118))), targets, parts)
    shares = {percent: subset(data, percent, 3) for percent in (5, 20, 100)}
    assert list(shares[5].counts("train")) == [5, 1, 1]
    assert list(shares[20].counts("train")) == [20, 2, 1]
    assert set(shares[5].files) < set(shares[20].files) < set(shares[100].files)
    assert shares[100].files == data.files
    assert all({"116", "117"} <= set(share.files) for share in shares.values())
    assert shares[5].files != subset(data, 5, 4).files


def test_several_seeds_give_a_mean_and_a_spread() -> None:
    cells = [Cell("head", 50, seed, 30, 10, right, right / 10, 0, 1, 4.0, 8, 6) for seed, right in ((0, 6), (1, 8))]
    (row,) = summarize(cells)
    assert (row.accuracy, row.spread, row.seeds) == (pytest.approx(0.7), (0.6, 0.8), 2)
    assert (row.low, row.high) == wilson(7, 10)


def test_a_test_part_is_kept_or_split_off(digits: Path, tmp_path: Path) -> None:
    for name in ("0", "1"):
        for place, images in (("train", slice(0, 14)), ("val", slice(14, 20))):
            (tmp_path / "photos" / place / name).mkdir(parents=True)
            for image in sorted((digits / name).iterdir())[images]:
                shutil.copy(image, tmp_path / "photos" / place / name)
    cells = compare(
        tmp_path / "photos", tmp_path / "a", make_config(OPTIONS), Quiet(), methods=("hog-svm",), percentages=(100,)
    )
    assert (cells[0].pictures, cells[0].count) == (22, 6)
    (tmp_path / "photos" / "val").rename(tmp_path / "photos" / "test")
    cells = compare(
        tmp_path / "photos", tmp_path / "b", make_config(OPTIONS), Quiet(), methods=("hog-svm",), percentages=(100,)
    )
    assert (cells[0].pictures, cells[0].count) == (24, 12)


def test_impossible_comparisons_are_refused_in_one_line(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of hog-svm, scratch, head, batch-norm, full"):
        compare(digits, tmp_path / "out", make_config({}), Quiet(), methods=("hog",))
    with pytest.raises(DataError, match="no such folder"):
        compare(tmp_path / "none", tmp_path / "out", make_config({}), Quiet())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    with pytest.raises(RunError, match="is not a comparison"):
        compare(digits, tmp_path / "other", make_config({}), Quiet())
    assert not (tmp_path / "out").exists()
