"""Write a source as TFRecord shards: a few large files instead of many small ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.data.shards import INDEX, RECORD_FRAME, RECORD_HEAD, ShardIndex, ShardRecords
from edgeclf.data.skipped import no_readable
from edgeclf.data.sources import SourcePaths, read_source, refuse_inside
from edgeclf.errors import DataError
from edgeclf.frameworks import tensorflow
from edgeclf.progress import Bar, Reporter
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.header import PictureHeader
from edgeclf_runtime.pictures.images import checked_header
from edgeclf_runtime.pictures.jpeg_end import whole_jpeg
from edgeclf_runtime.system.atomic_file import naming, put_in_place, sync, write_text

__all__ = ["write_shards"]


@dataclass(frozen=True, eq=False)
class _Record:
    row: int
    content: bytes
    header: PictureHeader


@dataclass(eq=False)
class _Written:
    """What is in the shards written so far."""

    shards: list[ShardRecords] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def write_shards(source: SourcePaths, out: Path, per_shard: int, reporter: Reporter) -> ShardIndex:
    """Copy a source's images, byte by byte, into shards with an index.

    Each record is a ``tf.train.Example`` with ``image/encoded``, ``image/format``, ``image/height``, ``image/width``,
    ``image/filename``, ``image/class/label`` (from 0), ``image/class/text``, ``image/part`` ("" if unknown) and
    ``image/group`` (-1 for none). The order is shuffled with a fixed seed. Images are not decoded; those with a damaged
    header or end are skipped and listed in the index.

    Args:
        source: see ``edgeclf.data.sources.read_source``.
        out: a new folder; it appears under this name only when it is complete.
        per_shard: number of images in each shard except the last.

    Raises:
        DataError: the source cannot be used, or ``out`` exists or is inside it.
    """
    if out.exists():
        raise DataError(f"{out}: already exists. Choose another name or remove it.")
    refuse_inside(source, out)
    with reporter.bar("Listing", 0):
        data, skipped = read_source(source, reporter.say)
    unfinished = out.with_name(f".{out.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        with naming(out, unfinished):
            index = _write(data, skipped, unfinished, out, per_shard, reporter)
            write_text(unfinished / INDEX, index.model_dump_json() + "\n")
            for file in unfinished.iterdir():
                sync(file)
            put_in_place(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return index


def _write(
    data: Dataset, skipped: list[Skipped], folder: Path, out: Path, per_shard: int, reporter: Reporter
) -> ShardIndex:
    order = np.random.default_rng(0).permutation(len(data.files))
    written = _Written(skipped=list(skipped))
    with reporter.bar("Writing", len(order)) as bar:
        # Loaded before the try: an except clause is evaluated during Ctrl-C, too, and would wait for a lock that an
        # interrupted import still holds.
        failures = tensorflow().errors.OpError
        for start in range(0, len(order), per_shard):
            name = f"pictures-{len(written.shards):05}.tfrecord"
            rows = order[start : start + per_shard]
            try:
                written.shards.append(_shard(data, _readable(data, rows, written.skipped, bar), folder / name))
            except failures as error:  # TensorFlow's own errors, also for a full disk
                raise DataError(f"{out / name}: cannot be written ({_reason(error)}).") from None
    targets = [target for shard in written.shards for target in shard.targets]
    if not targets:
        raise no_readable(data.root, sorted(written.skipped, key=lambda item: item.file))
    counts = np.bincount(targets, minlength=len(data.labels)).tolist()
    left_out = sorted([item.file, item.reason] for item in written.skipped)
    return ShardIndex(version=1, labels=list(data.labels), counts=counts, shards=written.shards, skipped=left_out)


def _reason(error: Any) -> str:
    """Return TensorFlow's message without the hidden file's name at its beginning."""
    return " ".join(str(error.message).split()).rpartition("; ")[2]


def _readable(data: Dataset, rows: Any, skipped: list[Skipped], bar: Bar) -> Iterator[_Record]:
    for row in rows:
        bar.advance(1)
        file = data.files[row]
        try:
            content = data.content(file)
        except ImageError as error:
            skipped.append(Skipped(file, str(error)))
            continue
        try:
            header = checked_header(content, str(data.path(file)))
            if header.kind == "JPEG" and not header.end:
                whole_jpeg(content, str(data.path(file)))
            yield _Record(int(row), content, header)
        except ImageError as error:
            skipped.append(Skipped(file, str(error)))


def _shard(data: Dataset, records: Iterator[_Record], path: Path) -> ShardRecords:
    rows, offsets, lengths, end = [], [], [], 0
    with tensorflow().io.TFRecordWriter(str(path)) as writer:
        for record in records:
            content = _example(data, record)
            writer.write(content)
            rows.append(record.row)
            offsets.append(end + RECORD_HEAD)
            lengths.append(len(content))
            end += len(content) + RECORD_FRAME
    return ShardRecords(
        file=path.name,
        bytes=path.stat().st_size,
        files=[data.files[row] for row in rows],
        targets=data.targets[rows].tolist(),
        parts=[data.parts[row] for row in rows],  # type: ignore[misc]
        groups=data.groups[rows].tolist(),
        offsets=offsets,
        lengths=lengths,
    )


def _example(data: Dataset, record: _Record) -> bytes:
    row, header, train = record.row, record.header, tensorflow().train

    def text(value: str | bytes) -> Any:
        return train.Feature(bytes_list=train.BytesList(value=[value.encode() if isinstance(value, str) else value]))

    def number(value: int) -> Any:
        return train.Feature(int64_list=train.Int64List(value=[value]))

    features = {
        "image/encoded": text(record.content),
        "image/format": text(header.kind.lower()),
        "image/height": number(header.height),
        "image/width": number(header.width),
        "image/filename": text(data.files[row]),
        "image/class/label": number(int(data.targets[row])),
        "image/class/text": text(data.labels[int(data.targets[row])]),
        "image/part": text(data.parts[row]),
        "image/group": number(int(data.groups[row])),
    }
    content = train.Example(features=train.Features(feature=features)).SerializeToString()
    return bytes(content)
