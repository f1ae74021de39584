"""Read a folder of TFRecord shards from ``edgeclf data shard``: its index, and images' bytes by name."""

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
RECORD_FRAME = RECORD_HEAD + 4  # and the checksum after the content

_Count = Annotated[int, Field(ge=0)]
_Strict = ConfigDict(extra="forbid", strict=True)


class ShardRecords(BaseModel):
    """One shard: its size in bytes, and the image and position of each record.

    ``offsets`` and ``lengths``, in bytes, are of the record's content, a serialized ``tf.train.Example``. A group of -1
    means none.
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
    """The file ``edgeclf-shards.json``: ``counts`` has the images per label, ``skipped`` pairs of file and reason."""

    model_config = _Strict

    version: Literal[1]
    labels: list[str]
    counts: list[_Count]
    shards: list[ShardRecords]
    skipped: list[Annotated[list[str], Field(min_length=2, max_length=2)]]

    def wrong(self, root: Path) -> Iterator[str]:
        """Yield each contradiction within the index or with the folder's files."""
        if len(set(self.labels)) != len(self.labels):
            yield "it has a label twice"
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
            yield "it has a file twice"


class Shards:
    """Read images' bytes from shards; safe to use from several threads.

    Args:
        root: the folder of the shards.
        index: from ``read_index``.
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
        """Read the bytes of one image.

        Raises:
            ImageError: no shard has the image, or the shard does not match the index.
        """
        row = self._row.get(file)
        if row is None:
            raise ImageError(f"{self.root / file}: was skipped when the shards were written.")
        path = self.root / self._names[self._shard[row]]
        try:
            with path.open("rb") as shard:
                shard.seek(int(self._offset[row]) - RECORD_HEAD)
                head, record = shard.read(RECORD_HEAD), shard.read(int(self._length[row]))
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}.") from error
        if int.from_bytes(head[:8], "little") != len(record) or len(record) != self._length[row]:
            raise ImageError(f"{self.root / file}: {path.name} has changed; write the shards again.")
        return _picture(record, file, path)


def read_index(root: Path) -> ShardIndex:
    """Read the index of a folder of shards.

    Raises:
        DataError: the index is damaged, or it does not match the shards.
    """
    path = root / INDEX
    try:
        index = ShardIndex.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        reason = f"damaged ({field}: {first['msg']})"
        raise DataError(f"{path}: {reason}. Write the shards again: edgeclf data shard.") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}.") from None
    for wrong in index.wrong(root):
        raise DataError(f"{path}: {wrong}. Copy the folder again, or write the shards again: edgeclf data shard.")
    return index


def _picture(record: bytes, file: str, path: Path) -> bytes:
    from google.protobuf.message import DecodeError

    try:
        feature = tensorflow().train.Example.FromString(record).features.feature
    except DecodeError:
        raise ImageError(f"{path.parent / file}: damaged in {path.name}; write the shards again.") from None
    if list(feature["image/filename"].bytes_list.value) != [file.encode()]:
        raise ImageError(f"{path.parent / file}: {path.name} has another image there; write the shards again.")
    return bytes(feature["image/encoded"].bytes_list.value[0])
