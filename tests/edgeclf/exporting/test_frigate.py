"""A model file for Frigate, read as Frigate does."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from edgeclf import ConfigError, Run
from edgeclf.commands.export import export
from edgeclf.exporting.frigate import frigate_config, frigate_doubts, frigate_labels, write_for_frigate
from edgeclf_runtime import Classifier
from edgeclf_runtime.model.file import read_model
from tests.interop.frigate_labels import frigate_labels as labels_by_frigates_way


def test_frigates_way_gives_our_labels(sure_model: Path, digits: Path, tmp_path: Path) -> None:
    card = replace(read_model(sure_model).card, name="my digits/1")
    place = write_for_frigate(sure_model, card, tmp_path / "model_cache")
    assert place == tmp_path / "model_cache" / "my_digits_1"
    assert (place / "labelmap.txt").read_bytes() == b"0\n1\n2\n"
    images = sorted(digits.rglob("*.png"))
    theirs = labels_by_frigates_way(place, images, size=64)
    with Classifier.load(sure_model) as classifier:
        ours = [classifier.classify(image) for image in images]
    for prediction, (label, score) in zip(ours, theirs, strict=True):
        assert label == prediction.label
        assert score == pytest.approx(prediction.score, abs=0.05)


def test_export_writes_it_and_says_frigates_config(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "letters-1"
    shutil.copytree(run.path, copy)
    place = tmp_path / "cache" / "letters-1"
    place.mkdir(parents=True)
    (place / "model.tflite").write_bytes(b"of Frigate's own training")
    words = [str(copy), "--method", "ptq", "--frigate", str(tmp_path / "cache")]
    done = CliRunner().invoke(export, words)
    assert done.exit_code == 0, done.output
    assert "images of 224x224 pixels, and this one takes 64x64" in done.stderr
    assert "There is no class none" in done.stderr
    assert (place / "model.tflite").read_bytes() == (copy / "model.tflite").read_bytes()
    assert (place / "model.tflite.before").read_bytes() == b"of Frigate's own training"
    assert (place / "labelmap.txt").read_text("utf-8") == "0\n1\n2\n"
    config = done.stdout[done.stdout.index("classification:\n") :]
    (entry,) = yaml.safe_load(config)["classification"]["custom"].items()
    assert entry == (
        "letters-1",
        {
            "threshold": 0.8,  # Frigate's default: with so few images there is no suggestion
            "object_config": {"objects": ["person"], "classification_type": "sub_label"},
        },
    )
    state = "\n".join(line.replace("# ", "", 1) for line in config.splitlines() if line.startswith("      # "))
    assert yaml.safe_load(state.partition("\n")[2]) == {
        "state_config": {"motion": True, "cameras": {"front_door": {"crop": [0.0, 0.0, 1.0, 1.0]}}}
    }
    assert 'there "none" is a state like the others' in config


def test_nothing_is_frigates_none() -> None:
    assert frigate_labels(["_none", "cat", "dog"]) == ["none", "cat", "dog"]
    assert frigate_doubts(224, ["_none", "cat"], True) == []
    assert frigate_doubts(224, ["none", "cat"], True) == []
    (doubt,) = frigate_doubts(224, ["none", "cat"], False)
    assert "region" in doubt
    with pytest.raises(ConfigError, match="merge the folders"):
        frigate_labels(["_none", "cat", "none"])


def test_the_threshold_is_the_models(model: Path) -> None:
    card = replace(read_model(model).card, threshold=0.456, name="?")
    assert yaml.safe_load(frigate_config(card))["classification"]["custom"]["edgeclf"]["threshold"] == 0.46


@pytest.mark.parametrize("words", [["RUN", "--float32"], ["--pretrained", "efficientnet-lite0"]])
def test_other_files_are_not_for_frigate(words: list[str], run: Run, tmp_path: Path) -> None:
    given = [str(run.path) if word == "RUN" else word for word in words]
    done = CliRunner().invoke(export, [*given, "--frigate", str(tmp_path / "cache")], standalone_mode=False)
    assert "--frigate needs RUN and --int8" in str(done.exception)
    assert not (tmp_path / "cache").exists()
