"""``edgeclf teach``: what it prints, and what it refuses with one line."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf_runtime import Classifier
from edgeclf_runtime.commands.teach import _kept, teach
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.learning.teaching import Kept
from edgeclf_runtime.model.flatbuffer import Table
from tests.model_files import bare, without_familiarity

FILES = Path(__file__).parents[1] / "files"


@pytest.fixture
def photos(digits: Path, tmp_path: Path) -> Path:
    """Five images each of 0 and 1."""
    for digit, name in (("0", "zero"), ("1", "one")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for file in sorted((digits / digit).iterdir())[:5]:
            shutil.copy(file, tmp_path / "photos" / name)
    return tmp_path / "photos"


def _teach(base: Path, photos: Path, *words: object) -> tuple[int, str]:
    """Return the exit status and all that is printed."""
    output = photos.parent / "new.tflite"
    done = CliRunner().invoke(teach, [str(base), str(photos), "-o", str(output), *map(str, words)])
    return done.exit_code, done.output


def _refused(base: Path, photos: Path, *words: object) -> str:
    """Return the line with which it is refused; check that nothing is written."""
    before = sorted(photos.parent.rglob("*"))
    output = photos.parent / "new.tflite"
    done = CliRunner().invoke(teach, [str(base), str(photos), "-o", str(output), *map(str, words)])
    assert isinstance(done.exception, EdgeclfError), done.output
    assert "\n" not in str(done.exception)
    assert not done.stdout
    assert sorted(photos.parent.rglob("*")) == before
    return str(done.exception)


def test_it_says_how_sure_it_is(model: Path, photos: Path, digits: Path) -> None:
    wrong = sorted((digits / "1").iterdir())[7]
    shutil.copy(wrong, photos / "zero" / "wrong.png")
    status, text = _teach(model, photos)
    assert status == 0, text
    assert "11 images of 2 classes." in text
    assert "Left out in turn (in 6 parts), " in text
    assert "95% interval" in text
    assert "zero/wrong.png: answered one (" in text
    assert "Ten more images of zero would help most." in text
    assert "last layer" in text
    with Classifier.load(photos.parent / "new.tflite") as classifier:
        assert classifier.card.labels == ("one", "zero")


def test_unreadable_and_loose_images_are_left_out_with_a_line_each(model: Path, photos: Path) -> None:
    whole = next((photos / "one").iterdir()).read_bytes()
    (photos / "one" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "one" / "empty.jpg").write_bytes(b"")
    (photos / "loose.png").write_bytes(whole)
    status, text = _teach(model, photos)
    assert status == 0, text
    lines = [line for line in text.splitlines() if line.startswith("Left out")]
    assert "1 image next to the classes' folders" in lines[0]
    assert [name for name in ("cut.png", "empty.jpg") if name in "".join(lines[1:3])] == ["cut.png", "empty.jpg"]
    assert all("Replace or remove it." in line for line in lines[1:3])
    assert "10 images of 2 classes." in text


def test_near_duplicates_are_counted(model: Path, photos: Path) -> None:
    file = next((photos / "one").iterdir())
    pixels = cv2.imread(str(file))
    cv2.imwrite(str(photos / "one" / "smaller.png"), cv2.resize(pixels, None, fx=0.8, fy=0.8))
    assert "1 near-duplicate left out with the original" in _teach(model, photos)[1]


def test_folders_that_cannot_be_taught_are_refused(model: Path, photos: Path, tmp_path: Path) -> None:
    assert "no such folder; expected a folder with one sub-folder" in _refused(model, tmp_path / "phots")
    assert "5 images but no sub-folder" in _refused(model, photos / "one")
    (tmp_path / "empty").mkdir()
    assert "no sub-folder; expected" in (text := _refused(model, tmp_path / "empty"))
    assert "edgeclf capture" in text
    (photos / "two").mkdir()
    assert "photos/two: contains no images; add some, or remove the folder." in _refused(model, photos)
    (photos / "two" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert "No image of two can be read; replace them." in _refused(model, photos)
    shutil.rmtree(photos / "two")
    (photos / "Unknown").mkdir()
    assert "has the name of the answer for uncertain images" in _refused(model, photos)
    (photos / "Unknown").rename(photos / "caf\u00e9")
    (photos / "cafe\u0301").mkdir()
    assert "appears twice, in two Unicode spellings. Merge the folders." in _refused(model, photos)
    shutil.rmtree(photos / "caf\u00e9")
    (photos / "cafe\u0301").rename(photos / "a\nb")
    assert "cannot be a label. Rename the folder." in _refused(model, photos)
    shutil.rmtree(photos / "a\nb")
    (photos / "train").mkdir()
    assert f"Give {photos / 'train'} instead." in _refused(model, photos)
    shutil.rmtree(photos / "train")
    shutil.rmtree(photos / "one")
    assert "has only one class (zero); add a folder of another, or of images of nothing (_none/), or" in (
        text := _refused(model, photos)
    )
    assert "--keep" in text
    (photos / "zero").rename(photos / "_none")
    assert "has only one class (_none); add a folder of another, or add the class" in _refused(model, photos)


def test_one_image_beyond_the_range_is_singular() -> None:
    lines = [list(_kept(Kept(3, 30, 30, 30, number)))[1] for number in (1, 2)]
    assert lines[0].startswith("1 image of the new classes exceeds the range")
    assert lines[1].startswith("2 images of the new classes exceed the range")


def _ending_in_a_convolution(model: Path, path: Path) -> Path:
    content = bytearray(bare(model))
    root = Table.root(bytes(content), b"TFL3")
    (dense,) = (code for code in root.tables(1) if max(code.scalar(0, "b"), code.scalar(3, "i")) == 9)
    for field in (0, 3):
        if (position := dense.offset_position(field)) is not None:
            content[position] = 3
    path.write_bytes(bytes(content))
    return path


def test_networks_that_cannot_be_taught_are_refused(model: Path, compiled: Path, photos: Path, tmp_path: Path) -> None:
    assert "Compiled for the Edge TPU" in (text := _refused(compiled, photos))
    assert "Teach the file that it was compiled from" in text
    assert "Ends with a sigmoid" in (text := _refused(FILES / "binary_sigmoid.tflite", photos))
    assert "edgeclf export --pretrained efficientnet-lite0" in text
    assert "Does not end with a dense layer and a softmax" in _refused(FILES / "logits_int8.tflite", photos)
    assert "Does not end with a dense layer and a softmax" in _refused(FILES / "shares.tflite", photos)
    convolution = _ending_in_a_convolution(model, tmp_path / "photos" / "conv.tflite")
    assert "Ends with a convolution" in _refused(convolution, photos)
    assert "No such file" in _refused(tmp_path / "missing.tflite", photos)
    (tmp_path / "cut.tflite").write_bytes(model.read_bytes()[:9999])
    assert "cut short or damaged" in _refused(tmp_path / "cut.tflite", photos)


def test_a_foreign_file_needs_its_normalization(float_model: Path, photos: Path, tmp_path: Path) -> None:
    """A float file without card and TFLITE_METADATA does not say how pixels are normalized."""
    foreign = tmp_path / "photos" / "foreign.tflite"
    foreign.write_bytes(bare(float_model).replace(b"TFLITE_METADATA", b"TFLITE_METADATB"))
    labels = tmp_path / "photos" / "foreign.txt"
    labels.write_text("a\nb\nc\n")
    assert "give --mean and --std" in _refused(foreign, photos)
    status, text = _teach(foreign, photos, "--mean", 127, "--std", 128)
    assert status == 0, text
    with Classifier.load(photos.parent / "new.tflite") as classifier:
        assert classifier.card.preprocessing.mean == (127, 127, 127)
        assert classifier.classify(next((photos / "one").iterdir())).label == "one"


def test_an_output_that_cannot_be_written_is_refused_first(model: Path, photos: Path) -> None:
    for output, reason in ((photos, "is a folder"), (photos / "none" / "m.tflite", "its folder does not exist")):
        assert reason in _refused(model, photos, "-o", output)


def test_where_the_disk_is_full_the_old_file_stays(model: Path, photos: Path, tmp_path: Path) -> None:
    base = tmp_path / "new.tflite"
    base.write_bytes(model.read_bytes())
    words = shlex.join([sys.executable, "-m", "edgeclf_runtime", "teach", str(base), str(photos), "-o", str(base)])
    done = subprocess.run(["bash", "-c", f"ulimit -f 1000; {words}"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"Error: {base}: File too large.\n"
    assert base.read_bytes() == model.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.tflite", "photos"]


def test_the_base_can_be_replaced(model: Path, photos: Path, tmp_path: Path) -> None:
    base = tmp_path / "new.tflite"
    base.write_bytes(model.read_bytes())
    assert _teach(base, photos)[0] == 0
    with Classifier.load(base) as classifier:
        assert classifier.card.labels == ("one", "zero")
        assert classifier.classify(np.zeros((64, 64, 3), np.uint8)).scores.shape == (2,)


def test_classes_are_added_or_it_says_why_not(model: Path, photos: Path, tmp_path: Path) -> None:
    shutil.rmtree(photos / "zero")
    status, text = _teach(model, photos, "--keep")
    assert status == 0, text
    assert "Kept 3 classes of BASE: " in text
    assert "typical images are right (" in text
    with Classifier.load(tmp_path / "new.tflite") as classifier:
        assert classifier.card.labels == ("0", "1", "2", "one")
    for number in (1, 2):
        base = tmp_path / f"base{number}.tflite"
        shutil.copy(tmp_path / "new.tflite", base)
    (tmp_path / "new.tflite").unlink()
    assert "is already a class, which --keep-exact leaves untouched. Use --keep." in _refused(
        base, photos, "--keep-exact"
    )
    (photos / "one").rename(photos / "One")
    assert "the model has a class 'one'. Rename the folder" in _refused(base, photos, "--keep")
    old = without_familiarity(model, tmp_path / "old.tflite")
    assert "has no prototypes of its classes" in (text := _refused(old, photos, "--keep"))
    assert "edgeclf export" in text
