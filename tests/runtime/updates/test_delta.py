"""The difference between two files: it makes the new file from the old one, and nothing else."""

from __future__ import annotations

import os
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgeclf_runtime.errors import UpdateError
from edgeclf_runtime.updates.delta import applied, delta

OLD = random.Random(0).randbytes(200_000)


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        b"",
        OLD[:100_000] + b"a new head" * 50 + OLD[100_010:],
        b"shifted" + OLD[3:] + b"longer",
        OLD[150_000:] + OLD[:150_000],
        bytes(200_000),
    ],
    ids=["same", "empty", "head", "shifted", "moved", "zeros"],
)
def test_a_delta_makes_the_new_file_and_is_small(new: bytes) -> None:
    data = delta(OLD, new)
    assert applied(OLD, data, len(new)) == new
    assert len(data) < 1000


def test_what_is_all_new_is_no_longer_than_itself() -> None:
    new = os.urandom(50_000)
    assert len(delta(OLD, new)) < 50_200


@given(some.binary(max_size=300), some.lists(some.tuples(some.integers(0, 300), some.binary(max_size=40)), max_size=5))
def test_any_change_is_made(old: bytes, changes: list[tuple[int, bytes]]) -> None:
    new = old * 3
    for at, fresh in changes:
        new = new[:at] + fresh + new[at + len(fresh) // 2 :]
    assert applied(old, delta(old, new), len(new)) == new


def test_a_damaged_delta_is_refused_and_makes_no_more_than_is_allowed() -> None:
    new = OLD[:1000] + b"new" * 100 + OLD[1000:]
    data = delta(OLD, new)
    for wrong in (data[:16], data[:20] + b"\0" + data[21:], b"", b"rubbish" * 100):
        with pytest.raises(UpdateError):
            applied(OLD, wrong, len(new))
    with pytest.raises(UpdateError, match="does not belong"):
        applied(OLD[:5000], data, len(new))
    bomb = data[:16] + zlib.compress(bytes(100 << 20), 9)
    with pytest.raises(UpdateError):
        applied(OLD, bomb, 1000)
