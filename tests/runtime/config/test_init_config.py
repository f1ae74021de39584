"""``edgeclf init-config`` writes a commented settings file with every key, which works unchanged."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgeclf_runtime.commands.init_config import init_config
from edgeclf_runtime.config.settings import TABLES, RunSettings, read_settings, settings
from edgeclf_runtime.config.template import settings_text
from edgeclf_runtime.errors import EdgeclfError, UsageError


def _written(folder: Path, *words: str) -> Path:
    done = CliRunner().invoke(init_config, [str(folder / "run.toml"), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"--config {folder / 'run.toml'}" in done.output
    return folder / "run.toml"


def test_it_holds_what_was_asked_for_and_the_defaults(tmp_path: Path) -> None:
    path = _written(tmp_path, "--source", "1", "--web", "8080", "--mqtt", "mqtt://host", "--snapshots", "kept")
    found = settings(read_settings(path), {}, str(path))
    assert (found.source, found.reload, found.camera.reopen, found.camera.wait) == ("1", True, True, True)
    assert (found.sinks.web, found.sinks.mqtt, found.sinks.snapshots) == ("8080", "mqtt://host", "kept")
    assert found.decision == RunSettings().decision
    assert found.gate == RunSettings().gate
    assert os.stat(path).st_mode & 0o077 == 0


def test_every_setting_stands_there_with_its_default(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#(?=\w+ = )", "", settings_text({}))
    (tmp_path / "all.toml").write_text(text, "utf-8")
    found = read_settings(tmp_path / "all.toml")
    for table, kind in TABLES.items():
        assert list(found[table]) == [item.name for item in fields(kind)], table
        known: dict[str, Any] = {item.name: item.default for item in fields(kind) if item.default is not None}
        assert {key: tuple(value) if isinstance(value, list) else value for key, value in found[table].items()} == {
            **{key: tuple(value) if isinstance(value, list) else value for key, value in found[table].items()},
            **known,
        }
    settings(found, {}, "all.toml")


def test_a_folder_is_watched_and_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = _written(tmp_path, "--source", str(tmp_path))
    assert settings(read_settings(path), {}, "").camera.watch
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        CliRunner().invoke(init_config, [str(path)], catch_exceptions=False)
    assert path.read_bytes() == before
    with pytest.raises(EdgeclfError, match="MQTT address"):
        CliRunner().invoke(init_config, [str(tmp_path / "b.toml"), "--mqtt", "host"], catch_exceptions=False)
    assert not (tmp_path / "b.toml").exists()
