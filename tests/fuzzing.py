"""Generated and damaged input for tests, and limits on the time and memory it may take."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

__all__ = ["JSON", "bounded", "fuzz", "mutated"]

_SECONDS = 20.0  # nothing here takes a hundredth of it, but machines pause
_NUMBERS = [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\1\0\0\0", b"\0\1\0\0"]

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400)
JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
"""Any value of JSON, also those its standard has not."""


def fuzz(examples: int) -> settings:
    """Return settings: this number of examples, the same in every run, and none stored."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """Return the content with a few bytes changed, inserted or removed, or cut short."""
    place = st.integers(0, len(content))
    piece = st.binary(max_size=6) | st.sampled_from(_NUMBERS) | place.map(lambda start: content[start : start + 16])
    edits = st.lists(st.tuples(place, piece, st.booleans()), min_size=1, max_size=5)
    cut = st.just(len(content) + 100) | place

    def made(edits: list[tuple[int, bytes, bool]], cut: int) -> bytes:
        data = bytearray(content)
        for start, new, replaces in edits:
            data[start : start + len(new) if replaces else start] = new
        return bytes(data[:cut])

    return st.builds(made, edits, cut)


@contextmanager
def bounded(mib: int, *errors: type[Exception]) -> Iterator[None]:
    """Fail on a hang, on other errors, or, on Linux, if memory grows by more than this many MiB."""
    before, started = _peak(), time.monotonic()
    with suppress(*errors):
        yield
    assert time.monotonic() - started < _SECONDS
    assert _peak() - before <= mib


def _peak() -> int:
    """Return the peak memory of this process since the last call, in MiB."""
    if sys.platform != "linux":
        return 0
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # some containers do not allow a reset
        return 0
    return peak >> 10
