"""Model files crafted to exhaust memory or time, which the random damage of test_fuzz.py does not find."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from edgeclf_runtime.errors import ImageError, ModelError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.system.plain_text import plain
from tests.fuzzing import bounded
from tests.model_files import variant


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_is_stored_or_deflated(method: int, tmp_path: Path) -> None:
    """Other methods unpack everything, whatever size the header states."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("edgeclf.json", bytes(300 << 20))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    place = content.index(b"PK\x01\x02") + 24  # position of its size in the directory
    content[place : place + 4] = struct.pack("<I", 100)
    with bounded(32), pytest.raises(ModelError, match="write it with deflate"):
        Archive(bytes(content)).read("edgeclf.json", 1 << 20)


class _Flat:
    """Builds a .tflite file whose tensors all refer to the same table, with one shape."""

    def __init__(self, tensors: int) -> None:
        self.data = bytearray(b"\0\0\0\0TFL3")
        fields = self._put(struct.pack("<HH5H", 14, 16, 0, 4, 8, 0, 12) + b"\0\0")
        root = self._table(fields, 12)
        self._point(0, root)
        self._vector(root + 4, 0)
        graphs = self._vector(root + 8, 1)
        graph = self._table(self._put(struct.pack("<HHHH", 6, 8, 4, 0)), 4)
        self._point(graphs, graph)
        listed = self._vector(graph + 4, tensors)
        tensor = self._table(self._put(struct.pack("<HHHH", 6, 8, 4, 0)), 4)
        for number in range(tensors):
            self._point(listed + 4 * number, tensor)
        self._vector(tensor + 4, tensors)
        buffers = self._vector(root + 12, 1)
        self._point(buffers, self._table(self._put(struct.pack("<HH", 4, 4)), 0))

    def _put(self, data: bytes) -> int:
        self.data += data
        return len(self.data) - len(data)

    def _point(self, place: int, to: int) -> None:
        struct.pack_into("<I", self.data, place, to - place)

    def _table(self, fields: int, size: int) -> int:
        return self._put(struct.pack("<i", len(self.data) - fields) + bytes(size))

    def _vector(self, place: int, count: int) -> int:
        start = self._put(struct.pack("<I", count) + bytes(4 * count))
        self._point(place, start)
        return start + 4


def test_tensors_that_share_a_long_shape_are_not_read_one_by_one() -> None:
    assert read_flat_model(bytes(_Flat(3).data)).inputs == ()
    with bounded(32), pytest.raises(ModelError, match="cut short or damaged"):
        read_flat_model(bytes(_Flat(100_000).data))  # 0.8 MB; it would take hours if each were read


def _tiff(tags: list[tuple[int, int, int, int]], before: bytes) -> bytes:
    head = b"II*\0" + struct.pack("<I", 8 + len(before)) + before + struct.pack("<H", len(tags))
    return head + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)


def test_a_tiff_with_sizes_of_eight_bytes_is_refused() -> None:
    """Such sizes are stored elsewhere in the file; their offset is where small files have the size itself."""
    strip = zlib.compress(bytes(20_000 * 64))
    tags = [(256, 16, 1, 8), (257, 16, 1, 8), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 16)]
    tags += [(277, 3, 1, 1), (278, 4, 1, 64), (279, 4, 1, len(strip))]
    with bounded(16), pytest.raises(ImageError, match="sizes of an unusual kind; convert it to PNG"):
        decode_image(_tiff(tags, struct.pack("<Q", 20_000) + strip), "x")


def test_a_tiff_with_a_tile_much_larger_than_itself_is_refused() -> None:
    side = 12_288
    tags = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 8), (325, 4, 1, 100)]
    with bounded(16), pytest.raises(ImageError, match="a tile of 150994944 pixels"):
        decode_image(_tiff(tags, bytes(100)), "x")


def test_half_a_character_is_shown_by_its_number(model: Path, tmp_path: Path) -> None:
    assert plain("a\ud83d\x1b[2Jb") == "a\\ud83d [2Jb"
    other = variant(model, tmp_path / "m.tflite", card=lambda text: json.dumps({**json.loads(text), "name": "\ud83d"}))
    words = [sys.executable, "-m", "edgeclf_runtime", "inspect", other]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\\ud83d" in done.stdout
