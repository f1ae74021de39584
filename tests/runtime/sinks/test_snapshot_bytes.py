"""How much snapshots may write: bytes per day, and bytes to leave free."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from edgeclf_runtime import UsageError
from edgeclf_runtime.config.settings import settings
from edgeclf_runtime.sinks.snapshots.daily_bytes import DailyBytes
from edgeclf_runtime.sinks.snapshots.name import own_snapshots
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink
from tests.runtime.observations import seen


def test_bytes_a_day_are_bounded_also_over_kills(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bound = 20_000
    with caplog.at_level(logging.WARNING):
        for start in range(0, 200, 40):  # each sink but the last is killed: none is closed
            sink = SnapshotSink(tmp_path, every=0, bytes_per_day=bound)
            for number in range(start, start + 40):
                sink.take(seen("cat", 0.5, number=number))
    written = sum(path.stat().st_size for path in tmp_path.rglob("*.jpg"))
    assert 0.8 * bound < written <= bound
    assert "snapshot_bytes_per_day" in caplog.text


def test_a_day_is_24_hours_of_the_machines_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"wall": 1.7e9, "since start": 50.0}
    monkeypatch.setattr(time, "time", lambda: clock["wall"])
    monkeypatch.setattr(time, "monotonic", lambda: clock["since start"])
    note = tmp_path / "note"
    budget = DailyBytes(note, 1000)
    budget.add(900)
    assert not budget.allows(200)
    clock["wall"] = 4e9  # the clock is set: no time has passed
    assert not budget.allows(200)
    clock.update({"wall": 60.0, "since start": 5.0})  # a boot in 1970
    budget = DailyBytes(note, 1000)
    assert not budget.allows(200)
    assert budget.allows(50)
    clock["since start"] += 25.1 * 3600
    assert budget.allows(1000)
    budget.add(1000)
    for damaged in ("", "{", "[]", '{"now": 1e400, "hours": {}}', '{"now": 5, "hours": {"x": 1}}', '{"now": 5}'):
        note.write_text(damaged, "ascii")
        assert DailyBytes(note, 1000).allows(1000)
    assert DailyBytes(note, 0).allows(1 << 40)


def test_a_disk_that_fills_up_keeps_what_was_asked_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = SnapshotSink(tmp_path, every=0, free_bytes=0)
    for number in range(4):
        sink.take(seen("cat", 0.5, number=number))
    full = SnapshotSink(tmp_path, every=0, free_bytes=1 << 60)  # as if others had filled it
    with caplog.at_level(logging.WARNING):
        for number in range(10, 20):
            full.take(seen("cat", 0.55, number=number))
        assert [one.score for one, _ in own_snapshots(tmp_path)] == [0.5] * 4
        full.take(seen("cat", 0.35, number=20))
    assert 1 <= len(list(own_snapshots(tmp_path))) <= 4
    assert min(one.score for one, _ in own_snapshots(tmp_path)) == 0.35
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        f"less than {1 << 60} bytes are free (snapshot_free_bytes), storing only in place of others."
    ]


def test_bounds_below_nothing_are_refused() -> None:
    for wrong in ({"snapshot_bytes_per_day": -1}, {"snapshot_free_bytes": -1}):
        with pytest.raises(UsageError, match="snapshot_bytes_per_day and snapshot_free_bytes at least 0"):
            settings({"sinks": wrong}, {}, "run.toml")
