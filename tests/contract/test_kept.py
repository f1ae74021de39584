"""What version 0.1 wrote is read for ever: a run, its config, a run.toml and a model file; and 0.1 reads today's files.

``tests/kept/0.1`` was made by 0.1 itself, before anything after it: a training of ten images a class at 32 pixels
(without its 13 MB of weights), a model file by ``examples/convert_own_network.py``, and the runtime's wheel.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edgeclf import Run
from edgeclf.config.file import configure
from edgeclf.config.tables import SearchConfig, TrainTable
from edgeclf_runtime import Classifier, ModelCard
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.view import View
from tests.runtime.replaced_model import variant

KEPT = Path(__file__).parents[1] / "kept" / "0.1"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A copy that may be written to, with the photographs where the run says they are."""
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


def test_its_config_trains_the_same(kept: Path) -> None:
    table = configure(TrainTable, {}, kept / "run" / "config.toml")
    assert table.data == kept / "photos"
    assert table.config() == Run.open(kept / "run").config
    assert configure(TrainTable, {}, kept / "edgeclf.toml").config().epochs == 1
    assert configure(SearchConfig, {}, kept / "edgeclf.toml").sizes == (32,)


def test_a_model_file_and_a_run_toml_still_run(kept: Path) -> None:
    expected = json.loads((kept / "answers.json").read_text("utf-8"))  # as 0.1 gave them
    with Classifier.load(kept / "model.tflite") as classifier:
        for file, (label, score) in expected.items():
            answer = classifier.classify(read_image(kept / "photos" / file))
            assert (answer.label, answer.score) == (label, pytest.approx(score, abs=0.02)), file
    command = [sys.executable, "-m", "edgeclf_runtime", "run", "model.tflite", "--config", "run.toml"]
    done = subprocess.run(command, cwd=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len((kept / "seen.jsonl").read_text("utf-8").splitlines()) == 20


def _by_the_old_runtime(kept: Path, *words: object) -> subprocess.CompletedProcess[str]:
    old = kept / "old"
    with zipfile.ZipFile(next(kept.glob("*.whl"))) as wheel:
        wheel.extractall(old)
    script = f"import sys; sys.path.insert(0, {str(old)!r}); from edgeclf_runtime.cli import main; main()"
    return subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, check=False)


def test_its_runtime_reads_the_files_of_today(kept: Path, model: Path) -> None:
    done = _by_the_old_runtime(kept, "verify", model)
    assert done.returncode == 0, done.stderr
    assert "as exported" in done.stdout


def test_its_runtime_refuses_a_file_with_a_view_which_it_would_not_heed(kept: Path, model: Path) -> None:
    def with_region(text: str) -> str:
        card = ModelCard.from_json(text, ("0", "1", "2"))
        return replace(card, view=View((0.25, 0.0, 0.5, 1.0))).to_json()

    seeing = variant(model, kept / "seeing.tflite", card=with_region)
    done = _by_the_old_runtime(kept, "classify", seeing, next((kept / "photos").rglob("*.*")))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().endswith("seeing.tflite: Its card has another format: update edgeclf-runtime.")
    with Classifier.load(seeing) as classifier:
        assert classifier.card.view.region == (0.25, 0.0, 0.5, 1.0)
