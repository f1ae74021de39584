"""Several sources form one dataset: classes, names, parts, groups; a run on them can be read again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tomllib
from click.testing import CliRunner

from edgeclf import Quiet, Run
from edgeclf.commands.data import data as data_command
from edgeclf.commands.train import train as train_command
from edgeclf.config.file import configure
from edgeclf.config.tables import TrainTable
from edgeclf.data.dataset import Dataset
from edgeclf.data.several import divided_apart
from edgeclf.data.shard_writer import write_shards
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError


@pytest.fixture(scope="module")
def sources(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``photos`` of 0 and 1; ``snapshots`` of 0, 2 and ``a/b``; ``more`` and a CSV of its 1 and ``a/b`` with groups."""
    root = tmp_path_factory.mktemp("several")
    for label in ("0", "1"):
        shutil.copytree(digits / label, root / "photos" / label)
    shutil.copytree(digits / "2", root / "snapshots" / "2")
    (root / "snapshots" / "0").mkdir()
    for path in sorted((digits / "0").iterdir())[:3]:  # the same names as photographs, but other images
        shutil.copy(sorted((digits / "1").iterdir())[0], root / "snapshots" / "0" / path.name)
    (root / "snapshots" / "a%2Fb").mkdir()
    for number in range(6):
        _png(root / "snapshots" / "a%2Fb" / f"{number}.png", np.full((8, 8, 3), 40 * number, np.uint8))
    shutil.copytree(digits, root / "more")
    ones, zeros = (sorted((root / "more" / label).iterdir()) for label in "10")
    lines = [f"more/1/{path.name},1,g{number // 4}" for number, path in enumerate(ones)]
    lines += [f"more/0/{path.name},a/b,g9" for path in zeros[:6]]
    (root / "list.csv").write_text("file,label,group\n" + "\n".join(lines), "utf-8")
    return root


def _png(path: Path, pixels: np.ndarray) -> None:
    import cv2

    cv2.imwrite(str(path), pixels)


def test_sources_share_classes_but_not_file_names(sources: Path) -> None:
    paths = (sources / "photos", sources / "snapshots", sources / "list.csv")
    messages: list[str] = []
    data, skipped = read_source(paths, messages.append)
    assert (data.labels, skipped) == (("0", "1", "2", "a/b"), [])  # snapshots store a/b as a%2Fb
    assert np.bincount(data.targets).tolist() == [23, 40, 20, 12]
    assert len({file[2:] for file in data.files}) < len(set(data.files)) == 95
    for row in (0, 25, 50, 75, 94):
        label = data.labels[data.targets[row]]
        path = data.path(data.files[row])
        assert data.content(data.files[row]) == path.read_bytes()
        assert label == "a/b" or path.parent.name == label
    assert len(set(data.groups.tolist()) - {-1}) == 6
    assert [line.partition(":")[0] for line in messages] == [f"{row}/ is {path}" for row, path in enumerate(paths, 1)]


def test_groups_of_two_csv_files_stay_distinct(sources: Path, tmp_path: Path) -> None:
    shutil.copytree(sources, tmp_path / "again")
    data, _ = read_source([sources / "list.csv", tmp_path / "again" / "list.csv"])
    first, second = ({g for f, g in zip(data.files, data.groups, strict=True) if f.startswith(n)} for n in "12")
    assert len(first) == len(second) == 6
    assert not first & second


def test_the_same_image_in_two_sources_is_refused_whatever_its_path(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(sources / "photos")
    monkeypatch.chdir(tmp_path)
    again = [tmp_path / "link", sources / "snapshots" / ".." / "photos", Path(os.path.relpath(sources / "photos"))]
    for path in (sources / "photos", *again):
        with pytest.raises(DataError, match="is the same as"):
            read_source([sources / "photos", path])
    for pair in ([sources / "photos" / "0", sources / "photos"], [sources / "photos", tmp_path / "link" / "0"]):
        with pytest.raises(DataError, match=r"is inside .*photos"):
            read_source(pair)
    with pytest.raises(DataError, match=r"lists .*more/1/.*\.png, which .*more also has"):
        read_source([sources / "more", sources / "list.csv"])
    for name in ("b", "c"):
        shutil.copytree(sources / "more" / "2", tmp_path / name / "2")
    with pytest.raises(DataError, match="has only one class"):
        read_source([tmp_path / "b", tmp_path / "c"])
    assert read_source([tmp_path / "b", sources / "photos"])[0].labels == ("0", "1", "2")


def test_split_sources_keep_their_parts_and_others_are_split() -> None:
    parts = ["train"] * 10 + ["test"] * 4 + [""] * 22
    targets = np.array([row % 2 for row in range(14)] + [row % 2 for row in range(20)] + [2, 2])
    groups = np.full(36, -1)
    groups[[11, 14]] = 0  # a copy of an image in the test part
    data = Dataset(Path("x"), ("a", "b", "c"), tuple(map(str, range(36))), targets, tuple(parts), groups)
    divided = divided_apart(data, 0.2, 0.2, 0)
    assert divided.parts[:14] == tuple(parts[:14])
    assert divided.parts[14] == "test"
    assert divided.parts[34:] == ("train", "train")  # too few to split
    assert [divided.parts[14:].count(part) for part in ("train", "validation", "test")] == [13, 4, 5]


def test_a_run_of_several_sources_reads_back(sources: Path, tmp_path: Path) -> None:
    write_shards(sources / "snapshots", tmp_path / "shards", 100, Quiet())
    out = tmp_path / "run"
    words = [str(sources / "photos"), str(tmp_path / "shards"), "--out", str(out), "--size", "32", "--tune", "head"]
    done = CliRunner().invoke(train_command, words)
    assert done.exit_code == 0, done.output
    run = Run.open(out)
    assert run.sources == (sources / "photos", tmp_path / "shards")
    assert tomllib.loads((out / "config.toml").read_text("utf-8"))["train"]["data"] == list(map(str, run.sources))
    data = run.read_split()
    assert data.labels == ("0", "1", "2", "a%2Fb")
    assert len(data.files) == 69
    for file in data.files[::9]:
        kind = sources / ("photos" if file.startswith("1/") else "snapshots")
        assert data.content(file) == (kind / file[2:]).read_bytes()
    assert "1/" in (out / "report.html").read_text("utf-8")
    assert configure(TrainTable, {}, out / "config.toml").data == run.sources
    packed = CliRunner().invoke(data_command, ["shard", *words[:2], str(tmp_path / "packed")])
    assert packed.exit_code == 0, packed.output
    assert read_source(tmp_path / "packed")[0].files == read_source([Path(word) for word in words[:2]])[0].files


def test_what_was_discarded_on_a_page_does_not_come_back_from_another_folder(sources: Path, tmp_path: Path) -> None:
    name = "20240101-120000-000-1-0.40-000007.jpg"
    photos = shutil.copytree(sources / "photos", tmp_path / "photos")
    snapshots = shutil.copytree(sources / "snapshots", tmp_path / "snapshots")
    (snapshots / "__discarded").mkdir()
    image = next((photos / "1").iterdir())
    for target in (photos / "1" / name, snapshots / "0" / name, snapshots / "__discarded" / name):
        shutil.copyfile(image, target)
    shutil.copyfile(image, snapshots / "__discarded" / image.name)  # not by a page: the name is not a snapshot's
    data, skipped = read_source([photos, snapshots])
    assert {item.file for item in skipped} == {f"1/1/{name}", f"2/0/{name}"}
    assert all("was discarded on the page" in str(item) for item in skipped)
    assert f"1/1/{image.name}" in data.files
    assert not any(file.endswith(name) for file in data.files)
    alone, skipped = read_source(snapshots)
    assert [item.file for item in skipped] == [f"0/{name}"]
    assert f"0/{name}" not in alone.files
    (snapshots / "__discarded" / name).rename(snapshots / "__discarded" / name.replace("07", "08"))
    (snapshots / "__discarded.json").write_text(json.dumps([name]), "utf-8")  # more than a hundred were discarded
    assert f"0/{name}" not in read_source(snapshots)[0].files
