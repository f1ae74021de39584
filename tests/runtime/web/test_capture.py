"""Photographs collected for training: the folder, the button, the command without a page."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.prediction import UNKNOWN
from edgeclf_runtime.web.album import Album
from edgeclf_runtime.web.shutter import Shutter
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "capture"]
PIXELS = np.full((24, 32, 3), (200, 30, 30), np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two seconds of grey that gets lighter."""
    path = tmp_path / "video.avi"
    write_video(path, 30, (np.full((48, 64, 3), 4 * number, np.uint8) for number in range(60)))
    return path


def test_an_album_goes_on_with_what_is_there_and_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "__unsorted").mkdir()
    (tmp_path / "cat" / "mine.png").write_bytes(b"whatever")
    (tmp_path / "cat" / ".x.jpg.part").write_bytes(b"half")
    album = Album(tmp_path, ["dog", "cat", " two words "])
    assert album.counts == {"cat": 1, "dog": 0, "two words": 0}
    assert not (tmp_path / "dog").exists()
    paths = {album.write("dog", PIXELS, 1_700_000_000.25) for _ in range(3)}
    assert len(paths) == 3
    assert album.counts["dog"] == 3
    assert abs(read_image(min(paths)).astype(int) - PIXELS).max() < 8  # red is still red
    assert sorted(path.name for path in (tmp_path / "cat").iterdir()) == ["mine.png"]
    kept = album.write("cat", PIXELS, 1_700_000_001.0, press="a")
    assert album.last == ("a", 1)
    assert album.take_back("a") == 1
    assert album.take_back("a") == 0
    assert album.last == ("", 0)
    assert not kept.exists()
    assert album.counts["cat"] == 1


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "a\\b", "..", ".x", "__x", "x.", "x" * 61, "Train", "a\nb", "a:b", "CAT", UNKNOWN, "Unknown"],
)
def test_what_is_no_class_is_refused(name: str, tmp_path: Path) -> None:
    album = Album(tmp_path, ["cat"])
    with pytest.raises(UsageError):
        album.add(name)
    assert list(album.counts) == ["cat"]
    assert album.add("Größe, 2") == "Größe, 2"


def test_a_name_in_another_unicode_form_is_the_same_class(tmp_path: Path) -> None:
    (tmp_path / "cafe\u0301").mkdir()  # as macOS writes it
    album = Album(tmp_path)
    assert album.add("caf\u00e9") == "cafe\u0301"
    assert album.add("u\u0308ber") == "\u00fcber"
    assert album.counts == {"cafe\u0301": 0, "\u00fcber": 0}
    with pytest.raises(UsageError, match="exists already"):
        album.add("CAF\u00c9")


def test_a_folder_of_parts_is_not_filled_with_images_of_train(tmp_path: Path) -> None:
    (tmp_path / "Val" / "cat").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"contains parts of a split \(Val/\) .* name one part, for example .*train"):
        Album(tmp_path)
    assert Album(tmp_path / "Val").counts == {"cat": 0}


def test_a_disk_that_takes_nothing_is_a_sentence(tmp_path: Path) -> None:
    album = Album(tmp_path, ["cat"])
    (tmp_path / "cat").write_text("a file", "utf-8")
    with pytest.raises(SinkError, match=r"cat/.*: (Not a directory|File exists)\. Nothing was written"):
        album.write("cat", PIXELS, 0.0)
    with pytest.raises(SinkError, match=r"video: (Not a directory|File exists)"):
        Album(tmp_path / "cat" / "video")


def test_a_full_disk_leaves_no_half_image(video: Path, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("mounting a small disk needs root and unshare")
    (tmp_path / "photos").mkdir()
    words = [*COMMAND, f"{tmp_path}/photos", "--source", str(video), "--every", "0.05", "--label", "grey"]
    script = f"mount -t tmpfs -o size=16k none {tmp_path}/photos && {' '.join(words)}; ls -A {tmp_path}/photos/grey"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert line.endswith("No space left on device. Nothing was written.")
    assert done.stdout.splitlines()
    assert all(name.endswith(".jpg") and not name.startswith(".") for name in done.stdout.splitlines())


def test_a_button_that_is_held() -> None:
    shutter = Shutter()
    assert shutter.due(10.0) == ("", "")
    shutter.hold("cat", "a", 10.0)
    taken = [number for number in range(100) if shutter.due(10 + number / 30)[0]]
    assert 7 <= len(taken) <= 9  # five a second until its last message is 1.5 s old
    assert taken[-1] <= 45
    shutter.hold("dog", "b", 20.0)  # a short press
    shutter.release("b")
    assert shutter.due(20.1) == ("dog", "b")
    assert shutter.due(20.4) == ("", "")
    shutter.hold("dog", "c", 21.0)
    assert shutter.due(21.0) == ("dog", "c")
    shutter.hold("dog", "c", 21.4)
    assert shutter.due(21.4) == ("dog", "c")
    shutter.hold("dog", "c", 24.0)  # late, but the same press: undone together with the first ones
    assert shutter.due(24.0) == ("dog", "c")


def test_a_press_before_a_camera_that_stands_still_is_forgotten() -> None:
    shutter = Shutter()
    shutter.hold("paper", "a", 10.0)
    shutter.release("a")
    assert shutter.due(14.0) == ("", "")
    shutter.hold("paper", "b", 20.0)
    shutter.hold("glass", "c", 20.1)  # on another page
    shutter.release("b")  # which does not release it
    assert shutter.due(20.5) == ("glass", "c")
    shutter.hold("paper", "b", 20.6)  # a message that was delayed
    assert shutter.due(21.0) == ("glass", "c")


def test_a_press_that_outlasts_a_camera_that_stands_still_is_taken_back_alone() -> None:
    shutter = Shutter()
    shutter.hold("paper", "a", 10.0)
    assert shutter.due(10.0) == ("paper", "a")
    shutter.release("a")
    for moment in range(20, 25):
        shutter.hold("glass", "b", float(moment))
    assert shutter.due(24.5) == ("glass", "b")
    assert shutter.due(24.8) == ("glass", "b")


def test_take_back_removes_the_folders_it_made_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    album = Album(tmp_path, ["new"])
    for name in ("mine", "new"):
        album.write(name, PIXELS, 0.0, press=name)
        assert album.take_back(name) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert album.counts == {"mine": 0, "new": 0}


def test_images_of_two_presses_at_once_are_taken_back_apart(tmp_path: Path) -> None:
    album = Album(tmp_path, ["cat", "dog"])
    for number in range(3):
        album.write("cat", PIXELS, float(number), press="a camera's")
        album.write("dog", PIXELS, float(number), press="a phone's")
    assert album.last == ("a phone's", 3)
    assert album.take_back("a phone's") == 3
    assert album.counts == {"cat": 3, "dog": 0}
    assert album.take_back("a camera's") == 0  # a second click on the button removes no others


def test_counts_follow_what_others_do_to_the_folder(tmp_path: Path) -> None:
    album = Album(tmp_path, ["cat", "dog"])
    paths = [album.write("cat", PIXELS, float(number), press="a") for number in range(4)]
    paths[0].unlink()
    album.refresh()
    assert (album.counts, album.last) == ({"cat": 3, "dog": 0}, ("a", 3))
    paths[1].unlink()  # which the page does not know yet
    assert album.take_back("a") == 2
    album.refresh()
    assert album.counts == {"cat": 0, "dog": 0}
    for folder in ("bird/deep", "bird/.hidden", "train"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.PNG").write_bytes(b"")
    (tmp_path / "bird" / "link.jpg").symlink_to(tmp_path / "bird" / "deep" / "a.PNG")
    (tmp_path / "bird" / "note.txt").write_bytes(b"")
    album.refresh()
    assert album.counts == {"cat": 0, "dog": 0, "bird": len(find_images(tmp_path / "bird"))}
    assert album.counts["bird"] == 2
    (tmp_path / "bird" / "deep" / "b.jpg").write_bytes(b"")  # only its own folder's modification time changes
    album.refresh()
    assert album.counts["bird"] == 3
    shutil.rmtree(tmp_path / "bird")
    album.refresh()
    assert album.counts == {"cat": 0, "dog": 0}


def test_counts_are_right_whoever_adds(tmp_path: Path) -> None:
    album = Album(tmp_path, ["a"])
    adding = threading.Thread(target=lambda: [album.add(f"class {number}") for number in range(50)])
    adding.start()
    for number in range(50):
        album.write("a", PIXELS, float(number))
    adding.join()
    assert album.counts["a"] == 50
    assert len(album.counts) == 51


def test_without_a_page_by_the_clock(video: Path, tmp_path: Path) -> None:
    from edgeclf.data.folders import scan  # what edgeclf train reads

    for name in ("light", "dark grey"):
        words = ["photos", "--source", video.name, "--every", "0.1", "--label", name, "--count", "5"]
        done = subprocess.run([*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert len(done.stderr.splitlines()) == 5
    assert done.stdout == "photos: light 5, dark grey 5\n"
    dataset, skipped = scan(tmp_path / "photos")
    assert (dataset.labels, len(dataset.files), skipped) == (("dark grey", "light"), 10, [])


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["--every", "1"], "Give --every and --label together", 2),
        (["--classes", "a/b"], "a class's name is that of a folder", 2),
        (["--source", "nowhere.avi"], "nowhere.avi: no such camera", 1),
        (["--source", "nowhere.avi"], "To use only phones' cameras: --source none.", 1),
        (["--web", "x"], "expected [HOST:]PORT", 1),
        (["--size", "12"], "expected WIDTHxHEIGHT", 2),
        (["--source", "none", "--rotate", "90"], "--source none: photographs from phones are taken on the page", 2),
        (["--tls", "none.pem", "none.key"], "TLS certificate none.pem: no such file", 1),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str, code: int, tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "photos", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
