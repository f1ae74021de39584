"""Searches resume after an interruption, keep their time limits, record failures, and write correct files."""

from __future__ import annotations

import csv
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeclf import ConfigError, DataError, Quiet, Run, TrainConfig, make_config
from edgeclf.config.tables import SearchConfig
from edgeclf.data.dataset import Dataset
from edgeclf.runs.split import divide
from edgeclf.searching.forecast import predicted_seconds
from edgeclf.searching.latency import untrained_milliseconds
from edgeclf.searching.page import search_table, write_search
from edgeclf.searching.result import OVER_BOUND, SearchResult
from edgeclf.searching.search import search
from edgeclf.searching.space import Candidate, candidates, multiplications, train_config
from edgeclf.searching.study import Outcome, SearchLog
from edgeclf_runtime import Classifier
from tests.listening import Interrupting, Listening

pytestmark = pytest.mark.slow

LITE0 = "efficientnet-lite0"
BASE = make_config({"epochs": 2, "batch_size": 16, "flip": False, "validation": 0.3})
HEAD, FULL = Candidate(LITE0, 32, "head"), Candidate(LITE0, 32, "full")


@pytest.fixture(scope="module")
def settings() -> SearchConfig:
    bound = 4 * untrained_milliseconds(train_config(HEAD, BASE))  # an image of 256 pixels has 64 times as many pixels
    return SearchConfig(
        backbones=(LITE0,), sizes=(32, 256), tunes=("head", "full"), budget_minutes=9000, latency_ms=bound
    )


DIVISIONS: list[str] = []


@pytest.fixture(scope="module")
def stopped(digits: Path, settings: SearchConfig, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    def counted(run: Run, *words: Any) -> Dataset:
        DIVISIONS.append(run.path.name)
        return divide(run, *words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeclf.training.fit.divide", counted)
        return search(digits, tmp_path_factory.mktemp("search") / "s<i>&", settings, BASE, Interrupting("Fine-tuning"))


@pytest.fixture(scope="module")
def finished(digits: Path, settings: SearchConfig, stopped: SearchResult) -> SearchResult:
    reporter = Listening()
    result = search(digits, stopped.folder, settings, BASE, reporter)
    assert any(line.startswith("Resuming after epoch 0 of 2") for line in reporter.lines)
    return result


def test_ctrl_c_keeps_finished_trials(stopped: SearchResult) -> None:
    assert stopped.interrupted
    assert [outcome.candidate for outcome in stopped.outcomes] == [HEAD]
    assert Run.open(stopped.folder / FULL.name).read_json("metrics")["status"] == "interrupted"
    assert stopped.best == stopped.outcomes[0]


def test_a_search_splits_the_photographs_once(stopped: SearchResult) -> None:
    assert [HEAD.name] == DIVISIONS
    first, second = ((stopped.folder / trial.name / "split.csv").read_bytes() for trial in (HEAD, FULL))
    assert first == second


def test_a_stopped_search_resumes(finished: SearchResult, stopped: SearchResult) -> None:
    assert not finished.interrupted
    assert [outcome.candidate for outcome in finished.outcomes] == [HEAD, FULL]
    assert finished.outcomes[0] == stopped.outcomes[0]


def test_a_candidate_above_the_latency_limit_is_not_trained(finished: SearchResult, settings: SearchConfig) -> None:
    assert set(finished.skipped) == {f"{LITE0}-256-head", f"{LITE0}-256-full"}
    assert all(f"over the bound of {settings.latency_ms:g} ms" in reason for reason in finished.skipped.values())
    assert not (finished.folder / f"{LITE0}-256-head").exists()


def test_every_trial_is_a_run_with_its_measured_file(finished: SearchResult) -> None:
    splits = set()
    for outcome in finished.outcomes:
        run = Run.open(finished.folder / outcome.candidate.name)
        splits.add((run.path / "split.csv").read_text("utf-8"))
        assert run.config == train_config(outcome.candidate, BASE)
        assert finished.model(outcome).stat().st_size == outcome.bytes
        with Classifier.load(finished.model(outcome)) as classifier:
            assert classifier.card.accuracy["validation_int8"] == outcome.accuracy
            assert classifier.card.preprocessing.width == outcome.candidate.size
        assert outcome.low <= outcome.accuracy <= outcome.high
        assert outcome.multiplications == pytest.approx(multiplications(LITE0, 32), rel=0.03)
        assert outcome.milliseconds == finished.outcomes[0].milliseconds
    assert len(splits) == 1
    assert finished.best is not None
    assert finished.best.accuracy == max(outcome.accuracy for outcome in finished.outcomes)


def test_other_options_or_another_folder_are_refused(
    digits: Path, finished: SearchResult, settings: SearchConfig, tmp_path: Path
) -> None:
    before = (finished.folder / "search.journal").read_bytes()
    with pytest.raises(ConfigError, match="started with other options"):
        search(digits, finished.folder, settings, make_config({"epochs": 3, "flip": False}), Quiet())
    with pytest.raises(ConfigError, match="started with other size"):
        search(digits, finished.folder, settings.model_copy(update={"sizes": (32,)}), BASE, Quiet())
    assert (finished.folder / "search.journal").read_bytes().startswith(before)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ConfigError, match="already exists and is not a search"):
        search(digits, tmp_path, settings, BASE, Quiet())
    with pytest.raises(DataError, match="no such folder"):
        search(tmp_path / "none", tmp_path / "new", settings, BASE, Quiet())
    with pytest.raises(ConfigError, match="init is scratch"):
        search(digits, tmp_path / "new", settings, make_config({"init": "scratch"}), Quiet())
    assert not (tmp_path / "new").exists()


def test_the_page_needs_no_other_file_and_escapes_names(finished: SearchResult) -> None:
    html = write_search(finished).read_text("utf-8")
    assert "s&lt;i&gt;&amp;" in html
    assert "<i>" not in html
    assert "<svg" in html
    assert "currentColor" in html
    assert not [word for word in ("<script", "<link", "src=", "<!DOCTYPE svg", "#010203") if word in html]
    with (finished.folder / "search.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["trial"]: row for row in csv.DictReader(file)}
    assert [rows[name]["state"] for name in (HEAD.name, FULL.name, f"{LITE0}-256-full")] == ["done", "done", "skipped"]
    assert float(rows[HEAD.name]["accuracy"]) == finished.outcomes[0].accuracy
    table = search_table(finished)
    assert len(table.splitlines()) == 3
    assert f"* {finished.best.candidate.name} " in table if finished.best else False


def test_failures_are_recorded_and_trials_beyond_the_budget_not_started(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    settings = SearchConfig(backbones=(LITE0,), sizes=(32, 48, 64), tunes=("head",), budget_minutes=0.001)
    (out / HEAD.name).mkdir(parents=True)
    (out / HEAD.name / "mine.txt").touch()
    (out / "search.journal").touch()
    result = search(digits, out, settings, BASE, Quiet())
    assert [(item.candidate.size, bool(item.reason)) for item in result.outcomes] == [(32, True)]
    assert "already exists" in result.failed[0].reason
    assert result.skipped == dict.fromkeys((f"{LITE0}-48-head", f"{LITE0}-64-head"), "no time was left")
    page = write_search(result).read_text("utf-8")
    assert "already exists" in page
    assert "No trial has finished." in page
    assert HEAD.name not in search_table(result)  # it was reported when it failed
    assert result.not_tried == "Not tried: 2 candidates (2 without enough time left); search.csv lists them all."
    (out / HEAD.name / "mine.txt").unlink()
    again = search(digits, out, settings, BASE, Quiet())  # the failed candidate is tried again, first as before
    assert [(item.candidate.size, bool(item.reason)) for item in again.outcomes] == [(32, False)]
    assert not again.failed
    shutil.copytree(digits, moved := tmp_path / "digits")
    search(moved, tmp_path / "other", settings, BASE, Quiet())
    next((moved / "1").iterdir()).unlink()
    with pytest.raises(ConfigError, match="started with other pictures"):
        search(moved, tmp_path / "other", settings, BASE, Quiet())


def test_time_is_predicted_by_multiplications() -> None:
    base, small, large = TrainConfig(), Candidate(LITE0, 96, "head"), Candidate(LITE0, 192, "full")
    one = Outcome(small, train_seconds=10.0, export_seconds=20.0)
    assert predicted_seconds(small, [one], base) == pytest.approx(10 + 20)
    assert predicted_seconds(Candidate(LITE0, 192, "head"), [one], base) == pytest.approx(5 + 5 * 4 + 20)
    two = Outcome(large, train_seconds=300.0, export_seconds=30.0)
    assert predicted_seconds(large, [one, two], base) == pytest.approx(330)
    assert 30 + 75 < predicted_seconds(Candidate(LITE0, 96, "full"), [one, two], base) < 30 + 115
    odd = Outcome(large, train_seconds=5.0, export_seconds=30.0)  # faster than the smaller: the fixed part is all
    assert predicted_seconds(Candidate(LITE0, 224, "full"), [one, odd], base) < 30 + 11


def test_the_study_proposes_only_remaining_candidates_and_knows_the_frontier(tmp_path: Path) -> None:
    space = {"backbone": (LITE0,), "size": (32, 64, 96), "tune": ("head", "full")}
    log, left = SearchLog(tmp_path / "s", space, {}, 0), candidates((LITE0,), (32, 64, 96), ("head", "full"))
    while left:
        candidate = log.propose(left)
        left.remove(candidate)
        reason = "no" if candidate.size == 64 else ""
        accuracy = candidate.size / 100 - (0.1 if candidate.tune == "head" else 0)
        log.finish(Outcome(candidate, accuracy, milliseconds=float(candidate.size), reason=reason))
    assert len(log.outcomes) == 6
    assert [item.candidate for item in log.frontier] == [Candidate(LITE0, 32, "full"), Candidate(LITE0, 96, "full")]
    assert SearchLog(tmp_path / "s", space, {}, 0).outcomes == log.outcomes


def test_the_latency_limit_is_named_only_if_it_was_the_reason() -> None:
    failed = SearchResult(Path("s"), (Outcome(HEAD, reason="No space left on device"),), (), {}, 8.0, 9, False)
    slow = replace(failed, skipped={FULL.name: f"9.00 ms per image of 32 pixels, {OVER_BOUND} 8 ms"})
    assert not failed.none_within_bound
    assert slow.none_within_bound


def test_without_optuna_the_command_says_what_to_install(digits: Path) -> None:
    code = "import sys; sys.modules['optuna'] = None; from edgeclf_runtime.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "search", digits], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: edgeclf search needs optuna: pip install 'edgeclf[search]'\n"


def test_the_command_names_the_best_and_the_next_step(
    finished: SearchResult, digits: Path, settings: SearchConfig
) -> None:
    options = "epochs = 2\nbatch_size = 16\nflip = false\nvalidation = 0.3"
    spaces = "sizes = [32, 256]\ntunes = ['head', 'full']"
    (finished.folder.parent / "edgeclf.toml").write_text(f"[train]\n{options}\n[search]\n{spaces}\n", "utf-8")
    words = ["search", digits, "--out", finished.folder.name, "--backbone", LITE0, "--latency-ms", settings.latency_ms]
    words += ["--budget-minutes", 9000]
    done = subprocess.run(
        [sys.executable, "-m", "edgeclf_runtime", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=finished.folder.parent,
        check=True,
    )
    assert "Options of [search] from edgeclf.toml: sizes, tunes." in done.stderr
    assert "Best within" in done.stdout
    words = shlex.split(done.stdout.splitlines()[-1])
    assert words[:3] == ["Next:", "edgeclf", "run"]
    assert words[3].startswith(f"{finished.folder.name}/{LITE0}-32-")


class _Clock(Quiet):
    """A clock that jumps by an hour when the second epoch is finished."""

    passed = 0.0

    def say(self, line: str) -> None:
        self.passed += 3600 if line.startswith("Epoch 2/400") else 0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


def test_a_training_stopped_by_the_budget_resumes(digits: Path, tmp_path: Path) -> None:
    base = make_config({"epochs": 400, "patience": 400, "batch_size": 16, "flip": False, "validation": 0.3})
    settings = SearchConfig(backbones=(LITE0,), sizes=(32,), tunes=("head", "full"), budget_minutes=60)
    clock = _Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeclf.searching.search.predicted_seconds", lambda *_: 0.0)  # a wrong forecast
        patch.setattr("edgeclf.searching.budget.time", clock)
        result = search(digits, tmp_path / "s", settings, base, clock)
    assert not result.interrupted
    assert result.skipped == {FULL.name: "its time was up; the same command resumes it"}
    assert [item.candidate for item in result.measured] == [HEAD]
    assert clock.passed == 3600  # it was stopped before the third epoch's end
    assert Run.open(tmp_path / "s" / FULL.name).read_json("metrics")["status"] == "interrupted"
