"""``edgeclf run --reload --trusted-key``: only newer files of the trusted key replace the model in use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model_files import variant
from tests.runtime.replaced_model import Running
from tests.signing import key_pairs, sign_model

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
MODEL, IMAGE = KEPT / "model.tflite", next((KEPT / "photos" / "1").glob("*.png"))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_pairs(tmp_path) / "mine"


def test_only_newer_files_of_the_key_are_adopted(tmp_path: Path, key: Path) -> None:
    old = sign_model(MODEL, key, tmp_path / "old")
    config = tmp_path / "run.toml"
    config.write_text(f'trusted_key = "{key}.pub"\nreload = true\n', "utf-8")
    words = ["--config", str(config)]
    present = sign_model(old, key, tmp_path / "present")  # newer, even in the same millisecond
    running = Running(present, IMAGE, tmp_path, *words)
    try:
        running.wait(lambda line: "frame" in line)
        newer = sign_model(
            variant(MODEL, tmp_path / "v", labels=lambda text: text.replace("1", "one")), key, tmp_path / "n"
        )
        content = newer.read_bytes()
        (tmp_path / "forged").write_bytes(content[:3000] + bytes([content[3000] ^ 1]) + content[3001:])
        (tmp_path / "cut").write_bytes(content[:-1])
        sign_model(MODEL, tmp_path / "other", tmp_path / "by another")
        for name, reason in (
            ("forged", "was changed after it was signed"),
            ("cut", "is not signed, but"),
            ("by another", "signed by another key"),
            ("old", "older than the model that was in use"),
        ):
            state = running.put(Path(shutil.copy(tmp_path / name, tmp_path / "put")))
            assert (state["model"], reason in state["reason"]) == ("refused", True), state
        assert (state := running.put(newer))["model"] == "adopted", state
        running.stop()
    finally:
        running.close()
    shutil.copy(old, running.model)  # after a start, too, the newest version used counts
    again = Running(MODEL, IMAGE, tmp_path, *words)
    try:
        state = again.wait(lambda line: "model" in line)
        assert state["model"] == "refused"
        assert "older than the model that was in use" in state["reason"]
        assert state["reason"].endswith("Started with the last good copy of it.")
        assert "one" in state["labels"]
        back = again.put(sign_model(old, key, tmp_path / "signed anew"))
        assert (back["model"], back["labels"]) == ("adopted", [str(number) for number in range(10)])
        again.stop()
    finally:
        again.close()


def test_a_zones_model_must_be_signed_too(tmp_path: Path, key: Path) -> None:
    signed, config = sign_model(MODEL, key, tmp_path / "signed"), tmp_path / "run.toml"
    models = {"a": signed, "b": MODEL}
    zones = [f'[[zone]]\nname = "{name}"\ncamera = "yard"\nmodel = "{file}"\n' for name, file in models.items()]
    config.write_text(
        f'trusted_key = "{key}.pub"\n[[camera]]\nname = "yard"\nsource = "{IMAGE.parent}"\n{"".join(zones)}', "utf-8"
    )
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(signed), "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {MODEL}: is not signed, but"), done.stderr


def test_a_start_with_a_file_that_is_not_signed_is_one_line(key: Path) -> None:
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(MODEL), "--source", str(IMAGE.parent)]
    done = subprocess.run(
        [*command, "--trusted-key", f"{key}.pub"], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {MODEL}: is not signed, but {key}.pub requires a signature. Sign it:")
    assert (len(done.stderr.splitlines()), done.stdout) == (1, "")
