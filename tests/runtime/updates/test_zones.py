"""The model of zones is updated like that of a single camera, and a damaged file is replaced by its last good copy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf_runtime.cli import cli
from tests.model_files import variant
from tests.runtime.replaced_model import Running
from tests.signing import edgeclf, key_pairs

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
MODEL, IMAGE = KEPT / "model.tflite", next((KEPT / "photos" / "1").glob("*.png"))
ZONES = '[[zone]]\nname = "gate"\non = ["0"]\n[[zone]]\nname = "bay"\nregion = [0.0, 0.0, 0.5, 1.0]\n'
Start = Callable[[str], Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs two zones with these settings until both have answered."""
    begun: list[Running] = []

    def started(text: str) -> Running:
        (tmp_path / "run.toml").write_text(text + ZONES, "utf-8")
        begun.append(Running(MODEL, IMAGE, tmp_path, "--config", "run.toml"))
        _both_answer(begun[-1], 0)
        return begun[-1]

    yield started
    for running in begun:
        running.close()


def _both_answer(running: Running, after: int) -> None:
    for zone in ("gate", "bay"):
        running.wait(lambda line, zone=zone: "frame" in line and line["zone"] == zone, after)


def test_zones_follow_what_is_published_and_go_on_after_a_restart(start: Start, tmp_path: Path) -> None:
    keys, stick = key_pairs(tmp_path), tmp_path / "stick"
    edgeclf("sign", MODEL, "--key", keys / "mine", "-o", tmp_path / "model.tflite")
    better = variant(MODEL, tmp_path / "better", labels=lambda text: text.replace("1\n", "one\n", 1))
    edgeclf("publish", better, stick, "--key", keys / "mine")
    settings = {"update": str(stick), "update_every": 0.2, "trusted_key": f"{keys}/mine.pub"}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    running = start(text)
    adopted = running.wait(lambda line: "model" in line)
    assert (adopted["model"], adopted["labels"][1]) == ("adopted", "one")
    _both_answer(running, len(running.lines))
    running.close()
    running.model.write_bytes(b"damaged")
    refused = start(text).wait(lambda line: "model" in line)
    assert (refused["model"], refused["labels"][1]) == ("refused", "one")
    assert refused["reason"].endswith("Started with the last update.")


def test_a_damaged_file_is_replaced_by_its_last_good_copy(start: Start, tmp_path: Path) -> None:
    first = start("")
    first.close()
    first.model.write_bytes(MODEL.read_bytes()[:5000])
    assert "Started with the last good copy of it." in start("").wait(lambda line: "model" in line)["reason"]


def test_an_update_that_no_zone_would_use_is_refused(tmp_path: Path) -> None:
    keys = key_pairs(tmp_path)
    text = f'update = "stick"\ntrusted_key = "{keys}/mine.pub"\n[[zone]]\nname = "gate"\nmodel = "{MODEL}"\n'
    (tmp_path / "run.toml").write_text(text, "utf-8")
    done = CliRunner().invoke(cli, ["run", "other.tflite", "--config", str(tmp_path / "run.toml")])
    assert (done.exit_code, "update: replaces other.tflite, which no zone uses." in done.output) == (2, True)
