"""``edgeclf background``: a model file learns what the empty scene of a camera looks like, without training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgeclf_runtime import Classifier
from edgeclf_runtime.commands.background import background
from edgeclf_runtime.learning import background as module
from edgeclf_runtime.learning.background import learn_background
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.rewrite import network_of, with_files
from edgeclf_runtime.verification import verify
from tests.model_files import bare
from tests.videos import write_video

FPS = 4


def _scene(image: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Return twelve seconds of a scene without motion, with camera noise."""
    rng = np.random.default_rng(seed)
    for _ in range(12 * FPS):
        yield np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


def _later(poster: Path) -> np.ndarray:
    """Return another frame of the scene, RGB."""
    return next(_scene(cv2.imread(str(poster)), 99))[:, :, ::-1]


def _learn(model: Path, video: Path, *words: object) -> Result:
    return CliRunner().invoke(background, [str(model), "--source", str(video), *map(str, words)])


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(model.read_bytes())
    return path


def test_the_empty_scene_is_unfamiliar_afterwards(copied: Path, digits: Path, tmp_path: Path) -> None:
    """The scene has a familiar digit in it: only what was learned makes it unfamiliar."""
    poster, other = (sorted((digits / name).iterdir())[0] for name in "01")
    write_video(tmp_path / "empty.avi", FPS, _scene(cv2.imread(str(poster)), 0))
    with Classifier.load(copied) as classifier:
        before = classifier.classify(_later(poster)).familiarity
        known = classifier.classify(other).familiarity
    result = _learn(copied, tmp_path / "empty.avi")
    assert result.exit_code == 0, result.output
    assert "knows the empty scene from" in result.output
    with Classifier.load(copied) as classifier:
        assert classifier.classify(_later(poster)).familiarity == 0
        assert before is not None
        assert before > 0
        assert classifier.classify(other).familiarity == known
        assert verify(classifier).passed
    assert network_of(copied.read_bytes()) == bare(copied)


def test_scenes_are_replaced_or_added(copied: Path, digits: Path, tmp_path: Path) -> None:
    posters = [sorted((digits / name).iterdir())[0] for name in "01"]
    for number, poster in enumerate(posters):
        write_video(tmp_path / f"{number}.avi", FPS, _scene(cv2.imread(str(poster)), number))
    for words, zero in ((["--add"], [True, True]), ([], [False, True])):
        out = tmp_path / f"{len(words)}.tflite"
        assert _learn(copied, tmp_path / "0.avi", "--out", out).exit_code == 0
        assert _learn(out, tmp_path / "1.avi", *words).exit_code == 0
        with Classifier.load(out) as classifier:
            assert [classifier.classify(_later(poster)).familiarity == 0 for poster in posters] == zero


def test_a_scene_in_which_something_moves_is_refused(copied: Path, tmp_path: Path) -> None:
    rng, before = np.random.default_rng(0), copied.read_bytes()
    moving = (cv2.resize(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), (64, 48)) for _ in range(40))
    write_video(tmp_path / "busy.avi", FPS, moving)
    result = _learn(copied, tmp_path / "busy.avi")
    assert "of the scene without motion, expected at least 10" in str(result.exception)
    assert copied.read_bytes() == before


def test_a_model_without_familiarity_says_what_to_do(model: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(bare(model))
    (tmp_path / "labels.txt").write_text("0\n1\n2\n")
    result = _learn(plain, tmp_path, "--labels", tmp_path / "labels.txt")
    assert "has no familiarity" in str(result.exception)
    assert "edgeclf export" in str(result.exception)


def test_a_folder_of_images_of_the_empty_scene_will_do(copied: Path, digits: Path, tmp_path: Path) -> None:
    poster = sorted((digits / "2").iterdir())[0]
    (tmp_path / "empty").mkdir()
    for number, image in enumerate(_scene(cv2.imread(str(poster)), 0)):
        cv2.imwrite(str(tmp_path / "empty" / f"{number}.png"), image)
    assert _learn(copied, tmp_path / "empty").exit_code == 0
    with Classifier.load(copied) as classifier:
        assert classifier.classify(_later(poster)).familiarity == 0


def test_an_output_that_cannot_be_written_is_refused_before_the_scene_is_watched(copied: Path, tmp_path: Path) -> None:
    for out, reason in ((tmp_path, "is a folder"), (tmp_path / "none" / "m.tflite", "its folder does not exist")):
        result = _learn(copied, tmp_path / "no-camera.avi", "--out", out)
        assert reason in str(result.exception)
        assert str(out) in str(result.exception)


def test_a_model_that_was_replaced_meanwhile_stays(
    copied: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a deployment, during the minutes of watching."""

    def replaced(*given: Any, **options: Any) -> Any:
        copied.write_bytes(b"a new model")
        return learn_background(*given, **options)

    monkeypatch.setattr(module, "learn_background", replaced)
    result = _learn(copied, digits / "0")
    assert "was replaced while the scene was watched" in str(result.exception)
    assert copied.read_bytes() == b"a new model"
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_too_few_images_say_what_to_do(copied: Path, digits: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for number, file in enumerate(sorted((digits / "0").iterdir())[:1]):
        (tmp_path / "few" / f"{number}.png").write_bytes(file.read_bytes())
    text = str(_learn(copied, tmp_path / "few").exception)
    assert text.startswith("1 frame of the scene without motion, expected at least 10: ")
    assert "more images" in text


def test_packed_files_are_replaced_and_the_others_kept(model: Path, tmp_path: Path) -> None:
    changed = with_files(model.read_bytes(), {"labels.txt": b"a\nb\nc\n"})
    (tmp_path / "m.tflite").write_bytes(changed)
    before, after = read_model(model), read_model(tmp_path / "m.tflite")
    assert after.card.labels == ("a", "b", "c")
    assert len(after.golden) == len(before.golden) > 0
    assert after.familiarity is not None
    assert with_files(changed, {"labels.txt": b"a\nb\nc\n"}) == changed
