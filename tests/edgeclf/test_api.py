"""The public functions, called as in the documentation and as in version 0.1."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import edgeclf
from edgeclf import DataError, Quiet, Run, RunError
from edgeclf_runtime import Classifier
from tests.conftest import SMALL
from tests.listening import Listening

HEAD = edgeclf.make_config({**SMALL, "tune": "head"})


@pytest.fixture(scope="module")
def trained(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return edgeclf.train(str(digits), str(tmp_path_factory.mktemp("api") / "run"), HEAD)


def test_from_photographs_to_a_measured_model(trained: Run, digits: Path) -> None:
    listening = Listening()
    done = edgeclf.export(str(trained.path), reporter=listening)
    assert done.path == trained.path / "model.tflite"
    assert done.path.is_file()
    assert listening.lines
    own = edgeclf.evaluate(trained)
    assert own.score.count == len(trained.read_split().rows("test"))
    everything = edgeclf.evaluate(str(done.path), str(digits))
    assert everything.score.count == 60
    with Classifier.load(done.path) as classifier:
        assert edgeclf.evaluate(classifier, digits, Quiet()).score == everything.score


def test_a_run_gets_the_next_free_folder(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="missing"):
        edgeclf.train("missing", config=HEAD)
    assert edgeclf.train([digits], config=HEAD).path == Path("runs") / f"{digits.name}-1"


def test_a_finished_run_is_not_resumed(trained: Run) -> None:
    with pytest.raises(RunError, match="is finished"):
        edgeclf.resume(trained)


def test_check_data_writes_its_report(digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits, tmp_path / "photos")
    (tmp_path / "photos" / "0" / "torn.png").write_bytes(b"not an image")
    check = edgeclf.check_data(tmp_path / "photos", tmp_path / "check")
    assert sum(check.counts.values()) == 60
    assert any("torn.png" in str(finding) for finding in check.findings)
    assert {"check.html", "check.json"} <= {path.name for path in (tmp_path / "check").iterdir()}


def test_methods_are_compared(digits: Path, tmp_path: Path) -> None:
    cells = edgeclf.compare(digits, tmp_path / "compare", HEAD, methods=["hog-svm"], percentages=[50])
    assert [(cell.method, cell.percent) for cell in cells] == [("hog-svm", 50)]
    assert (tmp_path / "compare" / "compare.html").is_file()


def test_an_open_model_has_no_images_of_its_own(model: Path) -> None:
    with Classifier.load(model) as classifier, pytest.raises(DataError, match="Give data"):
        edgeclf.evaluate(classifier)


def test_names_of_version_0_1_still_work(trained: Run, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="export_run is now called export"):
        done = edgeclf.export_run(trained, tmp_path / "model.tflite", "float32", Quiet(), method="auto")
    assert done.path.is_file()
    page = edgeclf.write_report(trained, Quiet())
    assert page == trained.path / "report.html"
