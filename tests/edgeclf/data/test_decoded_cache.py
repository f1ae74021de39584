"""The cache of decoded images: the same pixels, no second decoding, and robustness against changes of its folder."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf import Quiet
from edgeclf.data.dataset import Dataset
from edgeclf.data.decoded_cache import DecodedCache, cache_for_now, cache_in_use, using_cache
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.image_cache import decode
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.pictures.view import View

RULE = Preprocessing(32, 32, jpeg="reduced")


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    """Two classes of three photographs of 90x70 pixels, JPEGs."""
    rng = np.random.default_rng(0)
    for number in range(6):
        place = tmp_path / "photos" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        smooth = cv2.resize(rng.integers(0, 256, (7, 9, 3)).astype(np.uint8), (90, 70))
        cv2.imwrite(str(place / f"{number}.jpg"), smooth)
    return read_source(tmp_path / "photos", lambda line: None)[0]


def _decoded(data: Dataset, folder: Path, rule: Preprocessing = RULE) -> dict[str, Any]:
    """Return all results of decoding, as arrays."""
    found = Fingerprints.of(len(data.files))
    pictures, unread = decode(data, rule, 8 / 7, folder / "work", Quiet(), found)
    assert not unread
    rows = slice(0, len(data.files))
    return {"inputs": pictures.inputs[rows], "larger": pictures.larger[rows], **vars(found)}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(one[name], other[name], equal_nan=name == "times") for name in one)


@contextmanager
def _undecodable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: Any) -> None:
        raise AssertionError("an image was decoded")

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "decoded", refuse)
        yield


def test_images_are_decoded_once(images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _decoded(images, tmp_path)
    with using_cache(tmp_path / "cache", print):
        assert _same(plain, _decoded(images, tmp_path))
    with using_cache(tmp_path / "cache", print), _undecodable(monkeypatch):
        assert _same(plain, _decoded(images, tmp_path))
        assert cache_in_use() is not None
    assert cache_in_use() is None


def test_another_rule_view_or_content_is_decoded_anew(images: Dataset, tmp_path: Path) -> None:
    turned = replace(images, view=View(rotate=90))
    others = [(images, replace(RULE, jpeg="full")), (images, Preprocessing(40, 40)), (turned, RULE)]
    with using_cache(tmp_path / "cache", print):
        _decoded(images, tmp_path)
        kept = [_decoded(data, tmp_path, rule) for data, rule in others]
    plain = [_decoded(data, tmp_path, rule) for data, rule in others]
    assert all(map(_same, kept, plain))
    file = images.root / images.files[0]
    pixels = cv2.imread(str(file))
    assert pixels is not None
    cv2.imwrite(str(file), np.flipud(pixels))
    with using_cache(tmp_path / "cache", print):
        changed = _decoded(images, tmp_path)
    assert _same(changed, _decoded(images, tmp_path))


def test_what_another_opencv_decoded_is_decoded_anew(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with using_cache(tmp_path / "cache", print):
        _decoded(images, tmp_path)
        monkeypatch.setattr(cv2, "__version__", "9.9")
        with _undecodable(monkeypatch), pytest.raises(AssertionError, match="an image was decoded"):
            _decoded(images, tmp_path)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "another's"])
def test_a_damaged_entry_is_decoded_again_and_said_once(images: Dataset, tmp_path: Path, damage: str) -> None:
    plain, cache, lines = _decoded(images, tmp_path), tmp_path / "cache", list[str]()
    with using_cache(cache, print):
        _decoded(images, tmp_path)
    entries = sorted(cache.glob("*/*.kept"))
    contents = [entry.read_bytes() for entry in entries]
    for number, (entry, content) in enumerate(zip(entries, contents, strict=True)):
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        changed = {"flipped": flipped, "cut": content[:-9], "empty": b"", "another's": contents[number - 1]}
        entry.write_bytes(changed[damage])
    with using_cache(cache, lines.append):
        assert _same(plain, _decoded(images, tmp_path))
    assert len(lines) == 1
    assert "is damaged, or not of edgeclf; its image is decoded again" in lines[0]
    assert [entry.read_bytes() for entry in entries] == contents, "written anew"


def test_the_oldest_entries_make_room_but_none_of_this_run(tmp_path: Path) -> None:
    def entries() -> int:
        return len([*(tmp_path / "cache").glob("*/*.kept")])

    names, lines = [DecodedCache.name(number) for number in range(20)], list[str]()
    (tmp_path / "cache" / "ab").mkdir(parents=True)
    own = tmp_path / "cache" / "ab" / "own.txt"
    own.write_text("not of the cache")
    first = DecodedCache(tmp_path / "cache", lines.append, 10_000)
    for name in names[:8]:
        first.put(name, bytes(1000))
    for entry in (tmp_path / "cache").glob("*/*.kept"):
        os.utime(entry, (1, 1))  # long ago
    second = DecodedCache(tmp_path / "cache", lines.append, 10_000)
    assert second.get(names[0]) == bytes(1000)
    for name in names[8:14]:
        second.put(name, bytes(1000))
    assert (lines, second.get(names[0])) == ([], bytes(1000)), "used by this process"
    assert [second.get(name) is None for name in names[8:14]] == [False] * 6
    for name in names[14:]:
        second.put(name, bytes(1000))
    assert entries() * 1034 <= 10_000
    assert len(lines) == 1
    assert "which is its limit; further images are not kept" in lines[0]
    assert own.exists()


def test_a_full_disk_is_said_once_and_the_training_goes_on(images: Dataset, tmp_path: Path) -> None:
    plain, lines, limits = _decoded(images, tmp_path), list[str](), resource.getrlimit(resource.RLIMIT_FSIZE)
    cache = DecodedCache(tmp_path / "cache", lines.append)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        for number in range(3):
            cache.put(cache.name(number), bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(lines) == 1
    assert "File too large" in lines[0]
    assert "further images are not kept" in lines[0]
    assert [*(tmp_path / "cache").rglob("*.part")] == []
    assert _same(plain, _decoded(images, tmp_path))


def test_two_at_once_share_a_folder(images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, found = _decoded(images, tmp_path), list[bool]()

    def one(number: int) -> None:
        with using_cache(tmp_path / "cache", lines.append):
            found.append(_same(plain, _decoded(images, tmp_path / str(number))))

    lines: list[str] = []
    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, lines) == ([True] * 4, [])
    with using_cache(tmp_path / "cache", lines.append), _undecodable(monkeypatch):
        assert _same(plain, _decoded(images, tmp_path))


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: decoded images cannot be kept there .*Choose another folder\."):
        DecodedCache(tmp_path / "file", print)


def test_a_cache_for_now_leaves_nothing_and_gives_way_to_the_one_in_use(tmp_path: Path) -> None:
    with cache_for_now(tmp_path / "now", print):
        assert (tmp_path / "now").is_dir()
    assert not (tmp_path / "now").exists()
    with using_cache(tmp_path / "cache", print), cache_for_now(tmp_path / "now", print):
        assert not (tmp_path / "now").exists()
