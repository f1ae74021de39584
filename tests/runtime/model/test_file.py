"""Model files of edgeclf, damaged ones and foreign ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime import Classifier, LabelsError, ModelError
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.model.labels import labels_beside, parse_labels
from edgeclf_runtime.verification import verify
from tests.model_files import bare


def test_our_file_says_everything_of_itself(model: Path) -> None:
    file = read_model(model)
    assert file.card.labels == ("0", "1", "2")
    assert file.card.provenance["backbone"] == "efficientnet-lite0"
    assert {"validation_float", "validation_int8"} <= set(file.card.accuracy)
    assert len(file.golden) == 8


def test_the_int8_file_takes_the_cameras_pixels_as_they_are(model: Path) -> None:
    flat = read_flat_model(model.read_bytes())
    assert (flat.inputs[0].dtype, flat.inputs[0].scale, flat.inputs[0].zero_point) == ("uint8", 1 / 128, 127)
    assert (flat.outputs[0].dtype, flat.inputs[0].shape) == ("uint8", (1, 64, 64, 3))


@pytest.mark.parametrize("backend", ["litert", "tensorflow"])
def test_golden_images_give_their_scores(model: Path, backend: str) -> None:
    with Classifier.load(model, backend=backend) as classifier:
        assert verify(classifier).passed


def test_a_changed_golden_score_is_noticed(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(model.read_bytes())
    with Classifier.load(other) as classifier:
        classifier.golden[0].scores[:] = classifier.golden[0].scores[::-1]
        assert not verify(classifier).passed


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty", b"", "The file is empty"),
        ("text", b"hello, world, this is text", "Not a TensorFlow Lite file"),
        ("zip", b"PK\x03\x04" + bytes(40), "expected a .tflite file"),
        ("hdf", b"\x89HDF\r\n\x1a\n" + bytes(40), "Keras HDF5"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_cut_file_is_refused(model: Path, tmp_path: Path, share: float) -> None:
    content = model.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="copy"):
        read_model(path, labels=["0", "1", "2"])


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.tflite: No such file"):
        read_model(tmp_path / "none.tflite")


def test_fewer_labels_than_outputs_are_refused(model: Path) -> None:
    with pytest.raises(LabelsError, match="2 labels for 3 outputs"):
        read_model(model, labels=["a", "b"])


_COLLECTION = (*(f"{row}  bird{row}" for row in range(18)), "18  crane", "19  crane")  # as Coral writes ImageNet's


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (("0 fingers", "1 fingers", "2 fingers"), None),
        (("0 eggs", "1 egg", "2 eggs"), None),
        (("0: fingers", "1: fingers"), None),
        (("1 fingers", "2 fingers"), None),
        (("0 cat", "2 dog"), None),
        (("1 dog", "0 cat"), ("cat", "dog")),
        (_COLLECTION, (*(f"bird{row}" for row in range(18)), "crane", "crane")),
    ],
)
def test_a_number_stays_with_its_label_where_labels_would_be_equal_without(
    lines: tuple[str, ...], labels: tuple[str, ...] | None
) -> None:
    assert parse_labels("\n".join(lines).encode(), "labels.txt") == (labels or lines)


def test_missing_labels_can_be_written_beside_the_file(tmp_path: Path) -> None:
    """`promote` and `deploy` have no --labels."""
    with pytest.raises(LabelsError, match=f"write them to {tmp_path}/net.txt, one per line"):
        labels_beside(tmp_path / "net.tflite")
    (tmp_path / "net.txt").write_text("a\nb\n")
    assert labels_beside(tmp_path / "net.tflite") == ("a", "b")


def test_a_file_without_our_archive_is_completed_by_labels_beside_it(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "foreign.tflite"
    path.write_bytes(bare(model))
    with pytest.raises(LabelsError, match="--labels"):
        read_model(path)
    (tmp_path / "labels.txt").write_text("0  zero\n1  one\n2  two\n", "utf-8")
    card = read_model(path).card
    assert card.labels == ("zero", "one", "two")
    assert card.preprocessing.mean == (127.0,) * 3


def test_a_foreign_file_gives_the_same_scores(model: Path, float_model: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3)).astype(np.uint8)
    for number, ours in enumerate((model, float_model)):
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(bare(ours))
        with Classifier.load(ours) as first, Classifier.load(path, labels=["a", "b", "c"]) as second:
            assert (first.classify(image).scores == second.classify(image).scores).all()


def test_float_and_int8_agree(model: Path, float_model: Path) -> None:
    with Classifier.load(model) as small, Classifier.load(float_model) as large:
        same = [small.classify(g.pixels).label == large.classify(g.pixels).label for g in large.golden]
    assert sum(same) >= len(same) - 1
