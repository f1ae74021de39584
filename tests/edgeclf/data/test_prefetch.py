"""Batches are prepared ahead of their step; pixels are read from a file."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgeclf.data.pixel_file import PixelFile
from edgeclf.data.prefetch import Prefetched


def test_batches_come_in_order_from_one_thread() -> None:
    threads = set()

    def prepare(job: int) -> int:
        threads.add(threading.get_ident())
        return job * job

    assert list(Prefetched(prepare, range(50))) == [job * job for job in range(50)]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_the_next_batch_is_prepared_during_the_step() -> None:
    batches = Prefetched(lambda job: time.sleep(0.05), range(8))
    for _ in batches:
        time.sleep(0.1)
    assert batches.worked > 0.75
    assert batches.wait_share < 0.25  # without overlap it would be a third


def test_slow_batches_raise_the_share_of_time_waited() -> None:
    batches = Prefetched(lambda job: time.sleep(0.05), range(8))
    for _ in batches:
        pass
    assert batches.wait_share > 0.9


def test_an_error_is_raised_at_its_batch_and_stopping_ends_the_thread() -> None:
    def prepare(job: int) -> float:
        return 1 / (3 - job)

    given = []
    with pytest.raises(ZeroDivisionError):
        given.extend(Prefetched(prepare, range(9)))
    before, iterator = threading.active_count(), iter(Prefetched(prepare, range(2)))
    next(iterator)
    assert threading.active_count() == before + 1
    iterator.close()
    assert threading.active_count() == before


def test_pixels_are_read_by_index_slice_and_rows(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)
    stored = PixelFile(tmp_path / "pixels", (7, 5, 4))
    for row in reversed(range(7)):
        stored.write(row, pixels[row, :, ::-1][:, ::-1])
    chosen = np.array([6, 0, 3])
    assert len(stored) == 7
    assert (stored[2] == pixels[2]).all()
    assert (stored[1:4] == pixels[1:4]).all()
    assert (stored.take(chosen)[1:] == pixels[[0, 3]]).all()
    assert (stored.take(chosen).take(np.array([2, 2]))[np.array([1])] == pixels[[3]]).all()
    assert (stored.mapped() == pixels).all()
    assert not list(tmp_path.iterdir())  # a process that is killed leaves nothing
    os.ftruncate(stored._file, 100)
    with pytest.raises(OSError, match="shorter than when it was written"):
        stored[6]


def test_reading_all_images_does_not_grow_memory(tmp_path: Path) -> None:
    stored = PixelFile(tmp_path / "pixels", (400, 256, 256))
    before = _resident()
    for row in range(400):
        stored.write(row, np.full((256, 256, 3), row % 256, np.uint8))
    total = sum(int(stored[start : start + 10].max()) for start in range(0, 400, 10))
    assert total > 0
    assert _resident() - before < 20 << 10  # the file has 75 MB


def _resident() -> int:
    """Return the resident memory of this process in KiB."""
    text = Path("/proc/self/status").read_text("utf-8")
    return int(text.split("VmRSS:")[1].split()[0])
