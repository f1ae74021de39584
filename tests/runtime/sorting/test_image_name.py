"""Names of images from devices: untrusted data."""

from __future__ import annotations

import pytest

from edgeclf_runtime.sinks.snapshots.name import Snapshot
from edgeclf_runtime.sorting.image_name import ImageName, device_name, pulled_name

SNAPSHOT = Snapshot.taken(1_780_000_000.25, "glass", 0.52, 123, kept=False)


def test_a_pulled_name_tells_device_time_and_answer() -> None:
    name = pulled_name("kitchen-2", SNAPSHOT.name)
    assert name == f"kitchen-2-{SNAPSHOT.name}"
    about = ImageName.of(name)
    assert (about.device, about.moment, about.answer, about.snapshot) == ("kitchen-2", 1_780_000_000, "glass", SNAPSHOT)


@pytest.mark.parametrize("name", ["IMG_1234.jpg", "kitchen.jpg", "kitchen-20261399-999999-123.jpg", ""])
def test_other_names_tell_nothing_wrong(name: str) -> None:
    about = ImageName.of(name)
    assert (about.moment, about.answer) == (None, "")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        SNAPSHOT.name.replace("glass", "../../glass"),
        SNAPSHOT.name.replace("glass", "a\nb"),
        SNAPSHOT.name.replace("glass", "a\0b"),
        SNAPSHOT.name.replace("glass", "a\x1b[2J"),
        SNAPSHOT.name.replace("glass", "..\\glass"),
        SNAPSHOT.name.replace(".jpg", ".jpg.exe"),
        "",
    ],
)
def test_what_is_no_snapshots_name_has_none_here(name: str) -> None:
    assert pulled_name("kitchen", name) is None


def test_a_long_name_fits_a_file_system() -> None:
    name = pulled_name("k" * 60, SNAPSHOT.name.replace("glass", "ü" * 95))
    assert name is not None
    assert len(name.encode()) <= 255
    assert ImageName.of(name).snapshot is not None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("pi@kitchen", "kitchen"),
        ("pi@10.0.0.7:2222", "10.0.0.7_2222"),
        ("pi@../../x", "x"),
        ("..", "device"),
        ("", "device"),
    ],
)
def test_a_host_becomes_a_part_of_a_name(host: str, name: str) -> None:
    assert device_name(host) == name
