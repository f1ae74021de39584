"""A folder of TFRecord shards that ``edgeclf data shard`` wrote: its index, and pictures' bytes by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgeclf.errors import DataError
from edgeclf.frameworks import tensorflow
from edgeclf_runtime.errors import ImageError

__all__ = ["INDEX", "RECORD_FRAME", "RECORD_HEAD", "ShardIndex", "ShardRecords", "Shards", "read_index"]

INDEX = "edgeclf-shards.json"
RECORD_HEAD = 12  # bytes before a TFRecord's content: its length (uint64) and that length's checksum
RECORD_FRAME = RECORD_HEAD + 4  # and with the checksum after it

_Count = Annotated[int, Field(ge=0)]
_Strict = ConfigDict(extra="forbid", strict=True)


class ShardRecords(BaseModel):
    """One shard: its size in bytes and, for each of its records, what it holds and where it begins.

    ``offsets`` and ``lengths`` are those of the record's content, a serialized ``tf.train.Example``; a group of -1 is
    none.
    """

    model_config = _Strict

    file: Annotated[str, Field(pattern=r"^[\w.-]+\.tfrecord$")]
    bytes: _Count
    files: list[str]
    targets: list[_Count]
    parts: list[Literal["", "train", "validation", "test"]]
    groups: list[Annotated[int, Field(ge=-1, lt=2**31)]]
    offsets: list[_Count]
    lengths: list[_Count]


class ShardIndex(BaseModel):
    """``edgeclf-shards.json``: ``counts`` are the pictures of each label, ``skipped`` files and reasons."""

    model_config = _Strict

    version: Literal[1]
    labels: list[str]
    counts: list[_Count]
    shards: list[ShardRecords]
    skipped: list[Annotated[list[str], Field(min_length=2, max_length=2)]]

    def wrong(self, root: Path) -> Iterator[str]:
        """What does not fit together, or with the folder's files."""
        if len(set(self.labels)) != len(self.labels):
            yield "a label stands in it twice"
        for shard in self.shards:
            columns = (shard.targets, shard.parts, shard.groups, shard.offsets, shard.lengths)
            if any(len(column) != len(shard.files) for column in columns):
                yield f"its lists for {shard.file} differ in length"
            elif any(target >= len(self.labels) for target in shard.targets):
                yield f"{shard.file} has a class without a label"
            elif any(o + n > shard.bytes for o, n in zip(shard.offsets, shard.lengths, strict=True)):
                yield f"{shard.file} has a record beyond its end"
            size = (root / shard.file).stat().st_size if (root / shard.file).is_file() else None
            if size != shard.bytes:
                yield f"{shard.file} is {'missing' if size is None else f'{size} bytes'}, expected {shard.bytes} bytes"
        names = [name for shard in self.shards for name in shard.files]
        if len(set(names)) != len(names):
            yield "a file stands in it twice"


class Shards:
    """Pictures' bytes out of shards; safe to use from several threads.

    Args:
        root: the folder.
        index: of ``read_index``.
    """

    def __init__(self, root: Path, index: ShardIndex) -> None:
        self.root = root
        self._names = [shard.file for shard in index.shards]
        files = [name for shard in index.shards for name in shard.files]
        self._row = {name: row for row, name in enumerate(files)}
        self._shard = np.repeat(np.arange(len(index.shards)), [len(shard.files) for shard in index.shards])
        self._offset: npt.NDArray[np.int64] = np.array([o for s in index.shards for o in s.offsets], np.int64)
        self._length: npt.NDArray[np.int64] = np.array([n for s in index.shards for n in s.lengths], np.int64)

    def content(self, file: str) -> bytes:
        """The bytes of one picture.

        Raises:
            ImageError: it is in none of them, or the shard is not what the index says.
        """
        row = self._row.get(file)
        if row is None:
            raise ImageError(f"{self.root / file}: was left out when the shards were written.")
        path = self.root / self._names[self._shard[row]]
        try:
            with path.open("rb") as shard:
                shard.seek(int(self._offset[row]) - RECORD_HEAD)
                head, record = shard.read(RECORD_HEAD), shard.read(int(self._length[row]))
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}.") from error
        if int.from_bytes(head[:8], "little") != len(record) or len(record) != self._length[row]:
            raise ImageError(f"{self.root / file}: {path.name} has changed since it was written; shard anew.")
        return _picture(record, file, path)


def read_index(root: Path) -> ShardIndex:
    """The index of a folder of shards.

    Raises:
        DataError: damaged, or the shards are not those it was written with.
    """
    path = root / INDEX
    try:
        index = ShardIndex.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: damaged ({field}: {first['msg']}). Write it anew: edgeclf data shard.") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}.") from None
    for wrong in index.wrong(root):
        raise DataError(f"{path}: {wrong}. Copy the folder again, or write it anew: edgeclf data shard.")
    return index


def _picture(record: bytes, file: str, path: Path) -> bytes:
    from google.protobuf.message import DecodeError

    try:
        feature = tensorflow().train.Example.FromString(record).features.feature
    except DecodeError:
        raise ImageError(f"{path.parent / file}: its record in {path.name} is damaged; shard anew.") from None
    if list(feature["image/filename"].bytes_list.value) != [file.encode()]:
        raise ImageError(f"{path.parent / file}: {path.name} has another picture there; shard anew.")
    return bytes(feature["image/encoded"].bytes_list.value[0])
