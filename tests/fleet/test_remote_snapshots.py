"""A device's list of snapshots is untrusted."""

from __future__ import annotations

from typing import Any

import pytest

from edgeclf_fleet.remote_snapshots import LARGEST, Wanted, wanted

FOLDER = "/var/lib/edgeclf/snapshots"


def _name(number: int, score: float = 0.5, end: str = "") -> str:
    return f"20261128-1930{number:02}-000-glass-{score:.2f}-{number:06}{end}.jpg"


def _wanted(files: list[Any], known: tuple[str, ...] = (), images: int = 100, size: float = 1e9) -> Wanted:
    return wanted({"folder": FOLDER, "files": files}, "pi@kitchen", known, images, size)


def test_the_least_familiar_come_first_within_the_bounds() -> None:
    files = [
        [f"__unsorted/{_name(1, 0.6)}", 100],
        [f"__unsorted/{_name(2, 0.4)}", 100],
        [f"__unsorted/{_name(3, 0.9, '-unfamiliar')}", 100],
        [f"glass/{_name(4, 0.99, '-kept')}", 100],
        [f"yard/bay1/__unsorted/{_name(5, 0.5)}", 100],
    ]
    chosen = _wanted(files)
    assert [image.snapshot.number for image in chosen.images] == [3, 2, 5, 1, 4]
    assert [image.name for image in chosen.images][:3] == [
        f"kitchen-{_name(3, 0.9, '-unfamiliar')}",
        f"kitchen-{_name(2, 0.4)}",
        f"kitchen_yard_bay1-{_name(5)}",
    ]
    assert chosen.images[0].path == f"{FOLDER}/__unsorted/{_name(3, 0.9, '-unfamiliar')}"
    assert (len(_wanted(files, images=2).images), _wanted(files, images=2).later) == (2, 3)
    assert (len(_wanted(files, size=250).images), _wanted(files, size=250).later) == (2, 3)
    known = tuple(image.name for image in chosen.images[:4])
    assert [image.snapshot.number for image in _wanted(files, known).images] == [4]


@pytest.mark.parametrize(
    "file",
    [
        ["/etc/passwd", 10],
        [f"../../{_name(1)}", 10],
        [f"__unsorted/../../{_name(1)}", 10],
        [f"/{_name(1)}", 10],
        [f"__unsorted/{_name(1)}\n!touch /tmp/x\n", 10],
        [f"a\nb/{_name(1)}", 10],
        [f"__unsorted/{_name(1).replace('glass', 'a' + chr(27) + 'b')}", 10],
        ["__unsorted/notes.jpg", 10],
        [f"__unsorted/{_name(1)}", LARGEST + 1],
        [f"__unsorted/{_name(1)}", 0],
        [f"__unsorted/{_name(1)}", -5],
        [f"__unsorted/{_name(1)}", True],
        [f"__unsorted/{_name(1)}", "10"],
        [f"__unsorted/{_name(1)}"],
        "__unsorted",
        None,
    ],
)
def test_what_cannot_be_a_snapshot_is_not_asked_for(file: Any) -> None:
    chosen = _wanted([file, [f"__unsorted/{_name(2)}", 10]])
    assert ([image.snapshot.number for image in chosen.images], chosen.refused) == ([2], 1)


@pytest.mark.parametrize(
    "said",
    [{}, {"folder": "x", "files": []}, {"folder": "/a\n!touch /tmp/x", "files": []}, {"folder": "/a", "files": "b"}],
)
def test_a_folder_that_is_no_path_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="names no folder"):
        wanted(said, "kitchen", (), 10, 10)
