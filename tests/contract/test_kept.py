"""Runs, configs, run.toml files and model files of version 0.1 are still read, and 0.1 reads current files.

``tests/kept/0.1`` was made by 0.1 itself: a training of ten images per class at 32 pixels (without its 13 MB of
weights), a model file by ``examples/convert_own_network.py``, and the runtime's wheel. ``tests/kept/old-names`` was
made later, by the last version that wrote ``adapt``, ``turn`` and the like: the config of a run, a search and a
comparison of the same images, complete except for their runs, and that model file with a region.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import ConfigError, Quiet, Run, compare, make_config
from edgeclf.config.file import configure
from edgeclf.config.grown import grown
from edgeclf.config.tables import SearchConfig, TrainTable
from edgeclf.config.train import preprocessing
from edgeclf.data.fingerprints import content_digest
from edgeclf.renamed import OPTIONS as OLD
from edgeclf.runs.before import keep_split, open_before
from edgeclf.searching.search import search
from edgeclf.searching.space import Candidate
from edgeclf.searching.study import Outcome, SearchLog
from edgeclf.training.growing import Start
from edgeclf_runtime import Classifier, ModelCard
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.renamed import KEYS
from edgeclf_runtime.verification import verify
from tests.model_files import variant
from tests.version_0_1 import unpacked, with_card

KEPT = Path(__file__).parents[1] / "kept" / "0.1"
OLD_NAMES = KEPT.parent / "old-names"
OPTIONS = {
    "full_size_epochs": 0.2,
    "freeze_stride": 4,
    "rotate90": True,
    "flip": False,
    "epochs": 1,
    "batch_size": 8,
    "test": 0.2,
}
"""Of the search and the comparison."""


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A writable copy, with the photographs at the path named in the run."""
    folder = tmp_path / "kept"
    shutil.copytree(KEPT, folder)
    config = folder / "run" / "config.toml"
    config.write_text(config.read_text("utf-8").replace('"/photos"', f'"{folder / "photos"}"'), "utf-8")
    return folder


def test_a_run_is_opened(kept: Path) -> None:
    run = Run.open(kept / "run")
    split = run.read_split()
    assert (len(split.files), split.labels) == (20, ("0", "1"))
    assert {part: len(split.rows(part)) for part in ("train", "validation", "test")} == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert split.picture(split.files[0]).shape[2] == 3
    assert run.read_skipped() == []
    assert run.config.input_size == 32


def test_the_config_of_0_1_trains_the_same(kept: Path) -> None:
    table = configure(TrainTable, {}, kept / "run" / "config.toml")
    assert table.data == kept / "photos"
    assert table.config() == Run.open(kept / "run").config
    assert configure(TrainTable, {}, kept / "edgeclf.toml").config().epochs == 1
    assert configure(SearchConfig, {}, kept / "edgeclf.toml").sizes == (32,)


def test_a_training_can_begin_from_it(kept: Path, tmp_path: Path) -> None:
    Run.open(kept / "run").write_arrays("weights", {"logits/kernel:0": np.ones((3, 2), np.float32)})  # not kept here
    before = open_before(kept / "run")
    config = grown(make_config({"from_run": before.path}), before.config, before.sources, [tmp_path])
    assert (config.jpeg, config.input_size, config.from_run) == ("full", 32, before.path)
    start = Start.of(Run.create(tmp_path / "after", config, kept / "photos"))
    assert start is not None
    assert (start.labels, start.temperature) == (("0", "1"), pytest.approx(2.076, abs=1e-3))
    split = before.read_split()
    listed = split.with_parts([""] * len(split.files))
    digests = np.array([content_digest(listed.content(file)) for file in listed.files], np.uint64)
    assert keep_split(before.path, listed, digests, Quiet()).parts == split.parts


def test_a_model_file_and_a_run_toml_still_run(kept: Path) -> None:
    expected = json.loads((kept / "answers.json").read_text("utf-8"))  # as 0.1 computed them
    with Classifier.load(kept / "model.tflite") as classifier:
        for file, (label, score) in expected.items():
            answer = classifier.classify(read_image(kept / "photos" / file))
            assert (answer.label, answer.score) == (label, pytest.approx(score, abs=0.02)), file
    command = [sys.executable, "-m", "edgeclf_runtime", "run", "model.tflite", "--config", "run.toml"]
    done = subprocess.run(command, cwd=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(line for line in done.stderr.splitlines() if "is called" in line) == [
        f"run.toml: {table}.{old} is called {new} now: rename it."
        for table, names in sorted(KEYS.items())
        for old, new in sorted(names.items())
    ]
    assert len((kept / "seen.jsonl").read_text("utf-8").splitlines()) == 20


@pytest.fixture
def old_names(kept: Path) -> Path:
    """A copy of the files with old names, for the photographs of ``kept``."""
    folder = kept / "old-names"
    shutil.copytree(OLD_NAMES, folder)
    for file in folder.glob("*/*"):
        file.write_text(file.read_text("utf-8").replace("/photos", str(kept / "photos")), "utf-8")
    return folder


def test_old_names_in_a_run_are_read_silently(kept: Path, old_names: Path) -> None:
    today, first = Run.open(old_names / "run").config, Run.open(kept / "run").config
    for config in (today, first):
        options = config.model_dump()
        assert {name: options[name] for name in ("tune", "full_size_epochs", "freeze_stride", "rotate90")} == {
            "tune": "batch-norm",
            "full_size_epochs": 0.2,
            "freeze_stride": 4,
            "rotate90": True,
        }
    messages: list[str] = []
    configure(TrainTable, {}, old_names / "run" / "config.toml", messages.append)
    assert [line for line in messages if "is called" in line] == []
    run = Run.create(kept / "again", first, kept / "photos")
    text = (run.path / "config.toml").read_text("utf-8")
    assert not [name for name in (*OLD, "scale") if name in text]
    assert Run.open(run.path).config == first


def test_a_search_with_old_names_resumes(kept: Path, old_names: Path) -> None:
    (old_names / "search" / "efficientnet-lite0-32-scale").mkdir()
    space = SearchConfig(backbones=("efficientnet-lite0",), sizes=(32,), tunes=("head", "batch-norm"))
    result = search(kept / "photos", old_names / "search", space, make_config(OPTIONS), Quiet())
    tried = {item.candidate.tune: item for item in result.outcomes}
    assert list(tried) == ["head", "batch-norm"]
    assert (len(result.measured), tried["batch-norm"].float_accuracy, result.skipped) == (2, 1.0, {})
    assert result.model(tried["batch-norm"]).parent.name == "efficientnet-lite0-32-scale"
    assert result.model(tried["head"]).parent.name == "efficientnet-lite0-32-head"
    with pytest.raises(ConfigError, match=r"started with other options\."):
        search(kept / "photos", old_names / "search", space, make_config({**OPTIONS, "rotate90": False}), Quiet())


def test_the_sampler_knows_the_earlier_trials(kept: Path, old_names: Path) -> None:
    file = old_names / "search" / "search.journal"
    params = next(
        json.loads(line)["user_attr"]["told"] for line in file.read_text("utf-8").splitlines() if '"told"' in line
    )
    space = {"backbone": ("efficientnet-lite0",), "size": (32,), "tune": ("head", "batch-norm")}
    log = SearchLog(
        old_names / "search", space, {name: params[name] for name in params if name not in (*space, "adapt")}, 0
    )
    candidate = Candidate("efficientnet-lite0", 32, "batch-norm")
    assert log.take(candidate) == candidate
    log.finish(Outcome(candidate, 0.5, milliseconds=2.0, count=4))
    assert [item.accuracy for item in log.outcomes if item.candidate == candidate] == [0.5]
    names = [json.loads(line).get("param_name") for line in file.read_text("utf-8").splitlines()]
    assert names[-5:].count("adapt") == 1  # one name for all its trials, or optuna would not compare them
    assert "tune" not in names


def test_a_comparison_with_old_names_resumes(kept: Path, old_names: Path) -> None:
    config = make_config({**OPTIONS, "size": 32, "train_size": 32})
    methods, folder = ("hog-svm", "batch-norm"), old_names / "comparison"
    cells = compare(kept / "photos", folder, config, Quiet(), methods=methods, percentages=(50, 100))
    assert [(cell.method, cell.percent) for cell in cells] == [(name, part) for part in (50, 100) for name in methods]
    rows = (folder / "compare.csv").read_text("utf-8").splitlines()[1:]
    assert {row.partition(",")[0] for row in rows} == set(methods)


def test_an_old_model_file_uses_its_region(old_names: Path) -> None:
    with Classifier.load(old_names / "model.tflite") as classifier:
        assert (classifier.card.view.region, classifier.card.view.rotate) == ((0.25, 0.0, 0.5, 1.0), 180)
        assert classifier.card.provenance["adapt"] == "scale"  # provenance keeps the names of its time
        verify(classifier)


def _by_the_old_runtime(kept: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeclf_runtime", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(unpacked(kept / "old"))}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_runtime_0_1_reads_current_files_with_full_decoding(kept: Path, model: Path) -> None:
    done = _by_the_old_runtime(kept, "verify", with_card(model, kept / "plain.tflite"))
    assert done.returncode == 0, done.stderr
    assert "as exported" in done.stdout


@pytest.mark.parametrize(("jpeg", "view"), [("full", View((0.25, 0.0, 0.5, 1.0))), ("reduced", View())])
def test_runtime_0_1_refuses_files_with_reduced_decoding(kept: Path, model: Path, jpeg: str, view: View) -> None:
    seeing = with_card(model, kept / "seeing.tflite", jpeg, view)
    done = _by_the_old_runtime(kept, "classify", seeing, next((kept / "photos").rglob("*.*")))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().endswith("seeing.tflite: Its card has another format: update edgeclf-runtime.")
    with Classifier.load(seeing) as classifier:
        assert (classifier.card.view, classifier.card.preprocessing.jpeg) == (view, jpeg)


def test_runtime_0_1_refuses_files_of_several_labels(kept: Path, model: Path) -> None:
    def changed(text: str) -> str:
        return replace(ModelCard.from_json(text, ("0", "1", "2")), label_thresholds=(0.5, 0.5, 0.5)).to_json()

    several = variant(model, kept / "several.tflite", card=changed)
    done = _by_the_old_runtime(kept, "classify", several, next((kept / "photos").rglob("*.*")))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().endswith("several.tflite: Its card has another format: update edgeclf-runtime.")


def test_runs_and_model_files_of_0_1_decode_jpegs_in_full(kept: Path) -> None:
    config = Run.open(kept / "run").config
    assert (config.jpeg, preprocessing(config).min_decoded_size) == ("full", (0, 0))
    with Classifier.load(kept / "model.tflite") as classifier:
        assert classifier.card.preprocessing.min_decoded_size == (0, 0)
        assert '"format": 1' in classifier.card.to_json()
        assert "jpeg" not in classifier.card.to_json()
        photograph = kept / "large.jpg"
        pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
        photograph.write_bytes(cv2.imencode(".jpg", cv2.resize(pixels, (640, 480)))[1].tobytes())
        whole = cv2.cvtColor(cv2.imread(str(photograph)), cv2.COLOR_BGR2RGB)
        expected = classifier.classify(whole).scores
        assert np.array_equal(classifier.classify(photograph).scores, expected)
        assert np.array_equal(next(classifier.stream(photograph)).scores, expected)
