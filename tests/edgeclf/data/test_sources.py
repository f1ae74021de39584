"""A folder, a CSV file that lists it, and its shards give the same dataset and the same training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import Quiet, Run, export, make_config, train
from edgeclf.commands.data import data as command
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError

pytestmark = pytest.mark.usefixtures("shallow_module")

HEAD: dict[str, object] = {"size": 64, "tune": "head", "flip": False, "test": 0.15}


def manifest(folder: Path, more: str = "") -> Path:
    """Write a CSV file next to the photographs, in random order."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*.png")]
    order = np.random.default_rng(0).permutation(len(files))
    lines = [f"{files[row]},{Path(files[row]).parent.name}" for row in order]
    path = folder / "photos.csv"
    path.write_text("\n".join([f"file,label{more}", *lines]) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def photos(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits, two copies, and two files that are not images."""
    folder = tmp_path_factory.mktemp("sources") / "photos"
    shutil.copytree(digits, folder)
    for name in ("0", "1"):
        first = cv2.imread(str(min((folder / name).iterdir())))
        cv2.imwrite(str(folder / name / "copy.png"), cv2.resize(first, (200, 200)))
    (folder / "2" / "page.png").write_text("<html>", "utf-8")
    (folder / "2" / "cut.png").write_bytes(min((folder / "2").glob("[0-9]*.png")).read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def shards(photos: Path) -> Path:
    out = photos.parent / "shards"
    done = CliRunner().invoke(command, ["shard", str(photos), str(out), "--per-shard", "25"])
    assert done.exit_code == 0, done.output
    assert "62 images of 3 classes in 3 shards" in done.output
    assert "cut.png: cut short" in done.output
    return out


@pytest.fixture(scope="module")
def runs(photos: Path, shards: Path) -> dict[str, Run]:
    """One training of each source."""
    folder, config = photos.parent / "runs", make_config(HEAD)
    sources = {"folder": photos, "manifest": manifest(photos), "shards": shards}
    return {name: train(source, folder / name, config, Quiet()) for name, source in sources.items()}


@pytest.mark.parametrize("other", ["manifest", "shards"])
def test_the_same_split_and_the_same_weights(runs: dict[str, Run], other: str) -> None:
    mine, first = runs[other], runs["folder"]
    assert (mine.path / "split.csv").read_text("utf-8") == (first.path / "split.csv").read_text("utf-8")
    weights, expected = mine.read_arrays("weights"), first.read_arrays("weights")
    assert all((weights[name] == expected[name]).all() for name in expected)
    assert mine.read_json("metrics")["validation"] == first.read_json("metrics")["validation"]


def test_copies_stay_in_one_part(runs: dict[str, Run]) -> None:
    data = runs["folder"].read_split()
    parts = dict(zip(data.files, data.parts, strict=True))
    for name in ("0", "1"):
        first = min(file for file in data.files if file.startswith(f"{name}/") and not file.endswith("copy.png"))
        assert parts[f"{name}/copy.png"] == parts[first]
    assert len(data.rows("test")) == 9  # also if a file could not be read


@pytest.mark.parametrize("source", ["manifest", "shards"])
def test_export_reads_its_images_from_the_source(runs: dict[str, Run], source: str, tmp_path: Path) -> None:
    done = export(runs[source], tmp_path / "model.tflite", "float16", Quiet())
    assert done.bytes == done.path.stat().st_size
    measured = done.card.accuracy["validation_float16"]
    assert measured == pytest.approx(runs[source].read_json("metrics")["validation"]["accuracy"], abs=0.15)


def test_shards_are_standard_records(photos: Path, shards: Path) -> None:
    from edgeclf.frameworks import tensorflow

    tf = tensorflow()
    keys = {"image/encoded": "", "image/filename": "", "image/class/text": "", "image/part": ""}
    wanted = {key: tf.io.FixedLenFeature([], tf.string, default) for key, default in keys.items()}
    wanted |= {key: tf.io.FixedLenFeature([], tf.int64) for key in ("image/class/label", "image/group", "image/height")}
    seen = {}
    for record in tf.data.TFRecordDataset([str(path) for path in sorted(shards.glob("*.tfrecord"))]):
        read = {key: value.numpy() for key, value in tf.io.parse_single_example(record, wanted).items()}
        name = read["image/filename"].decode()
        seen[name] = read["image/class/text"].decode()
        assert read["image/encoded"] == (photos / name).read_bytes()
        assert read["image/group"] == -1
    assert len(seen) == 62
    assert all(name.startswith(f"{label}/") for name, label in seen.items())
    assert json.loads((shards / "edgeclf-shards.json").read_text("utf-8"))["counts"] == [21, 21, 20]


def test_parts_and_groups_of_a_csv_are_kept_through_shards(digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits, tmp_path / "photos")
    files = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "photos").rglob("*.png"))
    lines = [f"{file},{file[7]},{'Val' if row % 4 == 0 else 'train'},p{row // 8}" for row, file in enumerate(files)]
    (tmp_path / "list.csv").write_text("\ufefffile,label,part,group\n" + "\n".join(lines), "utf-8")
    listed, _ = read_source(tmp_path / "list.csv")
    assert CliRunner().invoke(command, ["shard", str(tmp_path / "list.csv"), str(tmp_path / "out")]).exit_code == 0
    packed, _ = read_source(tmp_path / "out")
    assert (listed.files, listed.parts, listed.labels) == (packed.files, packed.parts, packed.labels)
    assert (listed.groups == packed.groups).all()
    assert len(set(listed.groups.tolist())) == 8
    assert listed.parts.count("validation") == 15
    assert packed.content(packed.files[7]) == listed.content(listed.files[7])


def test_all_mistakes_in_a_csv_file_are_reported_by_line(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos / "0", tmp_path / "0")
    good = sorted(path.name for path in (tmp_path / "0").glob("[0-9]*.png"))
    lines = ["file,label,part", f"0/{good[0]},cat,train", f"0/{good[1]},dog,train", "0/none.png,cat,train"]
    lines += [f"0/{good[0]},dog,train", "../secret.png,cat,train", "/etc/passwd,cat,train", f"0/{good[2]},cat,exam"]
    lines += [f"0/{good[3]},,train", f"0/{good[4]},cat", f"0/{good[5]},cow,test", f"0/{good[6]},cat,"]
    (tmp_path / "list.csv").write_text("\n".join(lines), "utf-8")
    with pytest.raises(DataError) as error:
        read_source(tmp_path / "list.csv")
    text = str(error.value).splitlines()
    expected = ["9 mistakes", "line 4: 0/none.png: no such file", f"line 5: 0/{good[0]} is already on line 2"]
    expected += ["line 6: '../secret.png' is outside", "line 7: '/etc/passwd' is outside", "line 8: part 'exam'"]
    expected += ["has no label", "line 10: has 2 of 3 columns", "label 'cow' is on no line of the train part"]
    expected += ["has no part, but other lines have one"]
    assert len(text) == len(expected)
    assert all(words in line for words, line in zip(expected, text, strict=True))


def _csv_folder(root: Path) -> Path:
    for number in range(6):
        path = root / "set" / "img" / f"{number}é.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (root / "link").symlink_to(root / "set")
    return root / "set"


def _rows(*lines: str) -> str:
    return "\r\n".join(["file,label", *lines])


def test_spellings_of_the_same_inner_path_are_equal(tmp_path: Path) -> None:
    folder = _csv_folder(tmp_path)
    spelled = ["./img/0é.jpg", "img\\1é.jpg", f"{folder}/img/2é.jpg", "img/no/../3é.jpg", f"{tmp_path}/link/img/4é.jpg"]
    lines = [f"{file},{row % 2}" for row, file in enumerate([*spelled, "../set//img/./5e\u0301.jpg"])]
    for csv in (folder / "list.csv", tmp_path / "link" / "list.csv"):
        csv.write_text(_rows(*lines), "utf-8")
        listed, _ = read_source(csv)
        assert sorted(listed.files) == [f"img/{number}é.jpg" for number in range(6)]
        csv.write_text(_rows(*lines, "img/2é.jpg,1"), "utf-8")
        with pytest.raises(DataError, match=r"line 8: img/2é.jpg is already on line 4"):
            read_source(csv)


def test_a_path_outside_the_folder_is_refused(tmp_path: Path) -> None:
    folder = _csv_folder(tmp_path)
    outside = ["../other.jpg,a", "C:\\photos\\x.jpg,a", ".,b", "img/none.jpg,b"]
    outside += ["https://example.org/a.jpg,a", "\\\\nas\\photos\\x.jpg,a"]
    (folder / "list.csv").write_text(_rows(*outside), "utf-8")
    with pytest.raises(DataError) as error:
        read_source(folder / "list.csv")
    reasons = ["is outside the CSV's folder", "path on another computer", "is outside", "no such file"]
    reasons += ["'https://example.org/a.jpg' is an address, not a file", "path on another computer"]
    assert all(reason in line for reason, line in zip(reasons, str(error.value).splitlines()[1:], strict=True))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_csv_as_spreadsheets_write_it(tmp_path: Path, encoding: str, between: str) -> None:
    folder = _csv_folder(tmp_path)
    rows = [
        ['"File"', " Label "],
        [],
        ["img/0é.jpg", " a "],
        [" ", ""],
        ['"img/1é.jpg"', '"b"', ""],
        ["", "", ""],
        [""],
    ]
    text = "\r\n".join(between.join(row) for row in [*rows, ["", ""], []])
    (folder / "list.csv").write_bytes(text.encode(encoding))
    listed, _ = read_source(folder / "list.csv")
    assert (listed.files, listed.labels) == (("img/0é.jpg", "img/1é.jpg"), ("a", "b"))
    for before in (f"sep={between}\r\n", f"\r\n{between}\r\n", f"\r\nsep={between}\r\n \r\n"):
        (folder / "list.csv").write_bytes(f"{before}{text}".encode(encoding))
        assert read_source(folder / "list.csv")[0].files == listed.files
    (folder / "list.csv").write_bytes(f"\r\n\r\n{text}\r\nimg/2é.jpg{between}".encode(encoding))
    with pytest.raises(DataError, match=r"line 12: img/2é.jpg has no label"):
        read_source(folder / "list.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name;label\n", "line 1: expected the header file,label"),
        (b"", "line 1: expected the header file,label"),
        (b"file,label\n\xff,x\n", "not UTF-8"),
        (b'file,label\n"a,b\n', "line 2: unexpected end of data"),
        (b"file,label\n", "no sub-folders or lines"),
        (b"file,label\n" + b"x.jpg,a\n" * 30, "and 10 more"),
    ],
)
def test_bad_csv_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path / "list.csv")


def test_shards_are_checked_like_their_source(shards: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["check", str(shards), "--out", str(tmp_path / "check"), "--json"])
    assert done.exit_code == 0, done.output
    kinds = {item["kind"]: item["groups"] for item in json.loads(done.stdout)["findings"]}
    assert kinds["unreadable"] == [["2/cut.png"], ["2/page.png"]]
    assert len(kinds["near-duplicates"]) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"skipped": [["x"]]}, r"damaged \(skipped.0"),
        ({"labels": ["0", "0", "2"]}, "it has a label twice"),
        ({"labels": ["0", "1", "2\n"]}, "cannot be a label"),
        ({"groups": 2**63}, r"damaged \(shards.0.groups.0"),
    ],
)
def test_a_consistent_but_wrong_index_is_refused(
    change: dict[str, Any], words: str, shards: Path, tmp_path: Path
) -> None:
    shutil.copytree(shards, tmp_path / "changed")
    index = json.loads((shards / "edgeclf-shards.json").read_text("utf-8"))
    if "groups" in change:
        index["shards"][0]["groups"][0] = change["groups"]
    else:
        index |= change
    (tmp_path / "changed" / "edgeclf-shards.json").write_text(json.dumps(index), "utf-8")
    with pytest.raises(DataError, match=words):
        read_source(tmp_path / "changed")


def test_damaged_shards_are_refused_by_name(shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards, tmp_path / "cut")
    last = max((tmp_path / "cut").glob("*.tfrecord"))
    last.write_bytes(last.read_bytes()[:-5])
    with pytest.raises(DataError, match=rf"{last.name} is \d+ bytes, expected"):
        read_source(tmp_path / "cut")
    index = json.loads((shards / "edgeclf-shards.json").read_text("utf-8"))
    index["shards"][0]["file"] = "../pictures.tfrecord"
    (tmp_path / "cut" / "edgeclf-shards.json").write_text(json.dumps(index), "utf-8")
    with pytest.raises(DataError, match=r"damaged \(shards.0.file"):
        read_source(tmp_path / "cut")
    (tmp_path / "cut" / "edgeclf-shards.json").unlink()
    with pytest.raises(DataError, match=r"no edgeclf-shards\.json"):
        read_source(tmp_path / "cut")


def test_a_moved_record_is_detected(shards: Path, tmp_path: Path) -> None:
    from edgeclf_runtime.errors import ImageError

    shutil.copytree(shards, tmp_path / "moved")
    path = tmp_path / "moved" / "edgeclf-shards.json"
    index = json.loads(path.read_text("utf-8"))
    first = index["shards"][0]
    for column in ("offsets", "lengths"):
        first[column][:2] = reversed(first[column][:2])
    path.write_text(json.dumps(index), "utf-8")
    with pytest.raises(ImageError, match="has another image there"):
        read_source(tmp_path / "moved")[0].content(first["files"][0])


def test_sharding_writes_all_shards_or_none(
    photos: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="already exists"):
        CliRunner().invoke(command, ["shard", str(photos), str(shards)], catch_exceptions=False)
    from edgeclf.data import shard_writer

    monkeypatch.setattr(shard_writer, "write_text", lambda path, text: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        shard_writer.write_shards(photos, tmp_path / "out", 10, Quiet())
    assert list(tmp_path.iterdir()) == []
