"""Which images are stored, and for how long: months of a device in seconds."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.snapshots.name import Snapshot, own_snapshots, read_name
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink
from edgeclf_runtime.sinks.snapshots.telling import least_telling
from edgeclf_runtime.web.unsorted import Unsorted
from tests.runtime.observations import LABELS, seen, snapshot_names


def showing(pixels: np.ndarray, number: int, score: float = 0.4, label: str = "cat") -> Observation:
    item = seen(label, score, number=number)
    assert item.prediction.frame is not None
    return replace(item, prediction=replace(item.prediction, frame=replace(item.prediction.frame, pixels=pixels)))


def test_what_was_sorted_counts_no_more(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, every=0, limit=100)
    for number in range(100):
        sink.take(seen("cat", 0.5, number=number))
    page = Unsorted(tmp_path, LABELS)
    old = snapshot_names(tmp_path / "__unsorted")[:10]
    for name in snapshot_names(tmp_path / "__unsorted")[10:]:
        page.sort(name, "dog")
    for number in range(100, 110):
        sink.take(seen("cat", 0.5, number=number))
    assert snapshot_names(tmp_path / "__unsorted")[:10] == old
    assert len(snapshot_names(tmp_path / "__unsorted")) == 20
    assert len(snapshot_names(tmp_path / "dog")) == 90


@pytest.mark.parametrize("restarted", [False, True])
def test_new_ones_are_newer_whatever_the_clock_says(restarted: bool, tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, every=0, limit=8)
    for number in range(8):
        sink.take(seen("cat", 0.5, number=number))
    sink = SnapshotSink(tmp_path, every=0, limit=8) if restarted else sink
    for number in range(8, 12):
        sink.take(replace(seen("cat", 0.5, number=number), time=60.0 + number))
    kept = snapshot_names(tmp_path / "__unsorted")
    assert len([name for name in kept if name.startswith("1970")]) == 4
    assert [snapshot.number for snapshot in map(read_name, kept) if snapshot] == [9, 10, 11, 12, 5, 6, 7, 8]
    listed = Unsorted(tmp_path, LABELS).listed()["pictures"]
    assert [image["number"] for image in listed] == [12, 11, 10, 9, 8, 7, 6, 5]


def test_names_of_0_1_are_read_and_are_the_oldest(tmp_path: Path) -> None:
    unsorted = tmp_path / "__unsorted"
    unsorted.mkdir()
    old = [f"20990101-00000{number}-000-cat-0.50.jpg" for number in range(4)]  # its clock was wrong
    for name in old:
        (unsorted / name).write_bytes(b"no JPEG, be it damaged")
    sink = SnapshotSink(tmp_path, every=0, limit=5)
    for number in range(4):
        sink.take(seen("cat", 0.5, number=number))
    assert [name for name in snapshot_names(unsorted) if name in old] == [old[3]]
    assert len(snapshot_names(unsorted)) == 5


def test_the_most_telling_stay_also_over_restarts(tmp_path: Path) -> None:
    chance = random.Random(0)
    # Cats are frequent, and mostly certain; dogs are rare.
    shown = [("dog" if chance.random() < 0.05 else "cat", chance.uniform(0.3, 0.599)) for _ in range(200)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    sink = SnapshotSink(whole, every=0, limit=20)
    for number, (label, score) in enumerate(shown):
        sink.take(seen(label, score, number=number))
        if number % 50 == 0:
            again = SnapshotSink(parts, every=0, limit=20)
        again.take(seen(label, score, number=number))
    kept = [snapshot for snapshot, _ in own_snapshots(whole)]
    cats = sorted(round(score, 2) for label, score in shown if label == "cat")
    dogs = sorted(round(score, 2) for label, score in shown if label == "dog")
    assert sorted(one.score for one in kept if one.answer == "dog") == dogs[:10]
    assert sorted(one.score for one in kept if one.answer == "cat") == cats[: 20 - len(dogs[:10])]
    assert snapshot_names(parts / "__unsorted") == snapshot_names(whole / "__unsorted")


def test_the_order_in_which_they_go() -> None:
    def one(answer: str, score: float, number: int, kept: bool = False) -> Snapshot:
        return Snapshot.taken(1.7e9, answer, score, number, kept)

    sure, unsure, odd = one("cat", 0.9, 1, kept=True), one("cat", 0.5, 2), one("unknown", 0.3, 3)
    older, newer = one("dog", 0.55, 4), one("dog", 0.55, 5)
    everything = [newer, odd, sure, older, unsure]
    assert list(least_telling(everything)) == [older, sure, newer, unsure, odd]
    assert list(least_telling(reversed(everything))) == [older, sure, newer, unsure, odd]


def test_one_that_would_go_at_once_is_not_written(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, every=0, limit=3)
    for number in range(3):
        sink.take(seen("cat", 0.4, number=number))
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "__unsorted").iterdir()}
    changed = (tmp_path / "__unsorted").stat().st_mtime_ns
    sink.take(seen("cat", 0.59, number=4))
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "__unsorted").iterdir()} == before
    assert (tmp_path / "__unsorted").stat().st_mtime_ns == changed


def test_a_night_without_light_is_one_image_and_a_small_thing_in_it_another(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    sink = SnapshotSink(tmp_path, every=0)

    def dark(level: float) -> np.ndarray:
        return np.clip(chance.normal(level, 6, (240, 320, 3)), 0, 255).astype(np.uint8)

    for number in range(100):
        sink.take(showing(dark(8 + chance.uniform(-1.5, 1.5)), number))
    assert len(snapshot_names(tmp_path / "__unsorted")) == 1
    (name,) = snapshot_names(tmp_path / "__unsorted")
    Unsorted(tmp_path, LABELS).discard([name])
    sink = SnapshotSink(tmp_path, every=0)  # is it recognized after a restart, although it was not wanted?
    for number in range(100, 120):
        sink.take(showing(dark(8), number))
    assert not snapshot_names(tmp_path / "__unsorted")
    visited = dark(8)
    visited[100:120, 200:220] = 90  # of 1/16 of the width
    sink.take(showing(visited, 121))
    assert len(snapshot_names(tmp_path / "__unsorted")) == 1


@pytest.mark.parametrize("restored", [False, True])
def test_what_was_discarded_is_not_stored_again_until_it_is_restored(restored: bool, tmp_path: Path) -> None:
    sink, page = SnapshotSink(tmp_path, every=0), Unsorted(tmp_path, LABELS)
    sink.take(seen("cat", 0.4, number=0))
    (unwanted,) = snapshot_names(tmp_path / "__unsorted")
    page.discard([unwanted])
    sink.take(seen("cat", 0.4, number=1))  # the sink looks
    if restored:
        page.restore([unwanted])
    else:
        (tmp_path / "__discarded" / unwanted).unlink()  # as the page does after a hundred more
    for number in range(2, 62):  # more than the sink remembers
        sink.take(seen("cat", 0.4, number=number))
    before = len(snapshot_names(tmp_path / "__unsorted"))
    sink.take(replace(seen("cat", 0.4, number=0), time=1_700_001_000.0))
    assert len(snapshot_names(tmp_path / "__unsorted")) - before == restored


def test_a_camera_that_stands_still_gives_what_comes_and_goes(tmp_path: Path) -> None:
    """A fixed camera's noisy background, and an animal of a seventh of the height at different places."""
    chance = np.random.default_rng(0)
    scene = np.repeat(np.repeat(chance.integers(40, 200, (12, 16, 3)), 20, 0), 20, 1).astype(np.float32)
    sink = SnapshotSink(tmp_path, every=0)
    for number in range(40):
        pixels = scene * chance.uniform(0.97, 1.03) + chance.normal(0, 4, scene.shape)
        if number % 4 == 0:
            row, column = 20 * (number % 10), 6 * number
            pixels[row : row + 34, column : column + 34] = (160, 60, 40)
        sink.take(showing(np.clip(pixels, 0, 255).astype(np.uint8), number))
    kept = [int(name[13:15]) for name in snapshot_names(tmp_path / "__unsorted")]  # seconds from 20 on
    assert {(second - 20) % 60 for second in kept} >= {4 * visit for visit in range(10)}
    assert len(kept) <= 13  # the empty scene, and again when the light changed by more than noise


def test_the_same_sight_under_another_label_is_kept(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, labels=("*",), every=0)
    for label, score in (("cat", 0.9), ("dog", 0.9), ("cat", 0.5), ("cat", 0.95), ("dog", 0.4)):
        sink.take(seen(label, score))
    assert snapshot_names(tmp_path) == ["__unsorted", "cat", "dog"]
    assert [len(snapshot_names(tmp_path / folder)) for folder in snapshot_names(tmp_path)] == [1, 1, 1]


def test_a_sure_answer_of_a_class_called_unknown_is_no_refusal(tmp_path: Path) -> None:
    """As in model files from before training refused such a class."""
    sink = SnapshotSink(tmp_path, labels=("unknown",), every=0)
    for number, (score, refused) in enumerate([(0.95, False), (0.95, True), (0.5, False)]):
        item = seen("unknown", score, number=number)
        labels = ("unknown", "dog")
        decision = replace(item.decision, refused=refused)
        sink.take(replace(item, prediction=replace(item.prediction, labels=labels), decision=decision))
    assert [len(snapshot_names(tmp_path / folder)) for folder in ("unknown", "__unsorted")] == [1, 2]


def test_unfamiliar_ones_are_stored_and_stay_before_all_others(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, labels=("dog",), every=0, limit=4)
    for number in range(4):  # a steady answer, with an unfamiliar frame
        item = seen("cat", 0.9 - number / 10, number=number, familiarity=0.001)
        steady = replace(item.decision, label="cat", refused=False, reason=None) if number == 0 else item.decision
        sink.take(replace(item, decision=steady))
        sink.take(seen("cat", 0.5, number=number + 10, familiarity=0.5))
        sink.take(seen("dog", 0.95, number=number + 20, familiarity=0.5))
    kept = [read_name(name) for name in snapshot_names(tmp_path / "__unsorted")]
    assert [(one.answer, one.score, one.unfamiliar) for one in kept if one] == [
        ("cat", 0.9, True),
        ("unknown", 0.8, True),
        ("unknown", 0.7, True),
        ("unknown", 0.6, True),
    ]
    assert snapshot_names(tmp_path / "dog") == []
    again = SnapshotSink(tmp_path, every=0, limit=3)  # after a restart, with a lower limit
    again.take(seen("cat", 0.1, number=40, familiarity=0.5))
    again.take(seen("cat", 0.95, number=41, familiarity=0.001))
    scores = sorted(one.score for one in map(read_name, snapshot_names(tmp_path / "__unsorted")) if one)
    assert scores == [0.8, 0.9, 0.95]
    listed = Unsorted(tmp_path, LABELS).listed()["pictures"]
    assert all(image["unfamiliar"] for image in listed)


def test_what_is_surely_nothing_is_stored_only_if_asked_for(tmp_path: Path) -> None:
    labels = ("cat", NOTHING)

    def nothing(score: float, number: int, familiarity: float) -> Observation:
        item = seen("dog", score, number=number, familiarity=familiarity)  # the second label is the best
        prediction = replace(item.prediction, labels=labels)
        decision = replace(item.decision, label="unknown", refused=True, reason=prediction.reason)
        return replace(item, prediction=prediction, decision=decision)

    for asked, folder in (((), None), ((NOTHING,), NOTHING), (("*",), NOTHING)):
        place = tmp_path / str(len(asked) and asked[0] == "*") / (folder or "none")
        sink = SnapshotSink(place, asked, every=0)
        # Of its class, the second one uncertain; unfamiliar; and the empty scene, where the previous answer continues.
        for number, (score, familiarity) in enumerate([(0.9, 0.5), (0.55, 0.5), (0.9, 0.001)]):
            sink.take(nothing(score, number, familiarity))
        scene = seen("cat", 0.5, number=5, familiarity=0.0)
        sink.take(replace(scene, decision=replace(scene.decision, label="cat", refused=False, reason=None)))
        assert len(snapshot_names(place / "__unsorted")) == 2  # the uncertain and the unfamiliar one
        others = [path for path in place.iterdir() if path.name != "__unsorted"]
        assert [(path.name, len(snapshot_names(path))) for path in others] == ([(folder, 2)] if folder else [])
