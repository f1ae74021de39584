"""Models that no device may serve: at the end, each of its answers is checked."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fleet_device.box import Box
from tests.fleet_device.speaking import speaking
from tests.model_files import crashing, slow
from tests.signing import key_pairs, sign_model

ALLOWED_MS = 2  # an image of 512 pixels takes no machine that little, however idle it is


def test_no_bad_model_is_ever_served(box: Box, models: dict[str, Path], model: Path, tmp_path: Path) -> None:
    keys = key_pairs(tmp_path)
    mine, other = keys / "mine", keys / "other"
    good = sign_model(models["one"], mine, tmp_path / "good.tflite")
    ended = box.deploy(good, "--key", f"{mine}.pub")
    assert ended.status == 0, ended.printed

    spoken = speaking(model, tmp_path / "named.tflite", "bad")
    bad = {
        "crashes": sign_model(crashing(spoken, tmp_path / "crash"), mine, tmp_path / "crashes"),
        "lies": sign_model(models["lies"], mine, tmp_path / "lies"),
        "slow": sign_model(slow(spoken, tmp_path / "large", 512), mine, tmp_path / "slow"),
        "forged": sign_model(models["two"], other, tmp_path / "forged"),
        "cut": tmp_path / "cut",
    }
    bad["cut"].write_bytes(bad["lies"].read_bytes()[:-1000])
    reasons = {
        "crashes": "the model fails its check on the device: .*",
        "lies": "the model fails its check on the device: .*differs on this device",
        "slow": r"an image takes [0-9.]+ ms on the device, but [0-9.]+ ms are allowed\.",
        "forged": "is not signed|signed by another key",
        "cut": "is not signed|cut|end",
    }
    there, process = box.settled(), box.health()["process"]
    for name, reason in reasons.items():
        ended = box.deploy(bad[name], "--latency-ms", ALLOWED_MS)
        print(f"\n{name}: {ended.text}")
        assert ended.status != 0
        assert len(ended.text.splitlines()) == 1, ended.text
        assert re.search(reason, ended.text), ended.text
        assert (box.settled(), box.health()["process"]) == (there, process)
    assert {answer["answer"].split()[0] for answer in box.answers()} == {"one"}
