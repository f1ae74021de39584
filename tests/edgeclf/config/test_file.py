"""edgeclf.toml: flags override it, all its mistakes are reported at once, and a run stores its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from edgeclf import ConfigError, Run, RunError, TrainConfig, make_config
from edgeclf.commands.export import export
from edgeclf.commands.search import search
from edgeclf.commands.train import train
from edgeclf.config.file import TABLES, config_text, configure
from edgeclf.config.tables import ExportConfig, SearchConfig, TrainTable
from edgeclf.model.backbones.registry import BACKBONES

COMMANDS: dict[str, click.Command] = {"train": train, "export": export, "search": search}
SAMPLES: tuple[Any, ...] = (True, False, 7, 64, 0.25, "none", "head", ["efficientnet-lite1"], [64], ["full"])
SAMPLES += ("qat", "float16", "train", "mobilenet-v2", "mixed", "scratch", "mixed_float16", "pretrained", 8)
SAMPLES += ([0.25, 0.0, 0.5, 1.0], 180, "horizontal", "full")


def _file(folder: Path, text: str) -> Path:
    path = folder / "options.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("table", TABLES)
def test_every_option_of_a_table_has_a_flag(table: str) -> None:
    flags = {parameter.name for parameter in COMMANDS[table].params}
    assert set(TABLES[table].model_fields) <= flags


@pytest.mark.parametrize(
    ("table", "option"), [(table, option) for table, kind in TABLES.items() for option in kind.model_fields]
)
def test_every_option_is_taken_from_the_file(table: str, option: str, tmp_path: Path) -> None:
    kind, taken = TABLES[table], []
    for sample in SAMPLES:
        try:
            done = configure(kind, {}, _file(tmp_path, f"[{table}]\n{option} = {json.dumps(sample)}\n"))
        except ConfigError:
            continue
        taken.append(getattr(done, option))
    assert any(value != kind.model_fields[option].default for value in taken)


def test_a_flag_beats_the_file_and_the_file_the_default(tmp_path: Path) -> None:
    path, messages = _file(tmp_path, "[train]\nepochs = 3\nseed = 4\n[export]\nmax_drop = 1\n"), list[str]()
    done = configure(TrainTable, {"seed": 5}, path, messages.append)
    assert (done.epochs, done.seed, done.batch_size) == (3, 5, TrainConfig().batch_size)
    assert messages == [f"Options of [train] from {path}: epochs, seed."]
    assert configure(ExportConfig, {}, path).max_drop == 1.0


def test_the_config_file_of_the_current_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert configure(SearchConfig, {}, None) == SearchConfig()
    (tmp_path / "edgeclf.toml").write_text("[search]\nsizes = [96, 64, 96]\n", "utf-8")
    assert configure(SearchConfig, {}, None).sizes == (64, 96)


def test_all_mistakes_are_reported_at_once_with_file_and_option(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        epochs = 3
        [train]
        batch-size = 3
        learning_rate = "0.1"
        size = 8
        max_drop = 1
        backbone = "resnet"
        [exports]
        method = "ptq"
        [search]
        sizes = [64, "96"]
        """,
    )
    with pytest.raises(ConfigError) as caught:
        configure(ExportConfig, {"method": "best"}, path)
    text = str(caught.value)
    for part in (
        "epochs: is outside any table; move it under [train]",
        "train.batch-size: no such option; did you mean batch_size?",
        "train.learning_rate: Input should be a valid number",
        "train.size: Input should be greater than or equal to 32",
        "train.max_drop: no such option; it belongs in [export]",
        "train.backbone: Backbone 'resnet': expected one of efficientnet-lite0",
        "exports: no such table; did you mean export?",
        "search.sizes.1: Input should be a valid integer",
    ):
        assert f"{path}: {part}" in text
    assert "--method: Input should be" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nepochs = ", "cannot be read as TOML"),
        ("train = 3", "write \\[train\\]"),
        ("[train]\nvalidation = 0.5\ntest = 0.5", "options.toml: train: validation and test together"),
        ("[train]\nlearning_rate = nan", "train.learning_rate"),
        ("[train]\nweights = 2026-01-01\nepochs = 1.0", "train.epochs: Input should be a valid integer"),
    ],
)
def test_a_bad_file_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        configure(TrainTable, {}, _file(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "[train]\nvalidation = 0.5\n")
    with pytest.raises(ConfigError, match="validation and test together"):
        configure(TrainTable, {"test": 0.5}, path)
    with pytest.raises(ConfigError, match=r"none.toml: no such config file"):
        configure(TrainTable, {}, tmp_path / "none.toml")


def test_flags_and_file_are_validated_together(tmp_path: Path) -> None:
    path = _file(tmp_path, "[train]\nvalidation = 0.05\n")
    assert configure(TrainTable, {"test": 0.8}, path).config().test == 0.8
    with pytest.raises(ConfigError, match=r"^Options: validation and test together leave too few"):
        configure(TrainTable, {"test": 0.8}, None)


def test_a_path_in_the_file_is_relative_to_it(tmp_path: Path) -> None:
    done = configure(TrainTable, {}, _file(tmp_path, '[train]\ndata = "photos"\nweights = "w.h5"\n'))
    assert (done.data, done.weights) == (tmp_path / "photos", tmp_path / "w.h5")


def test_the_config_of_a_run_reads_back_unchanged(run: Run, tmp_path: Path) -> None:
    done = configure(TrainTable, {}, run.path / "config.toml")
    assert (done.config(), done.data) == (run.config, run.data)
    full: dict[str, Any] = {"weights": tmp_path / "w", "learning_rate": 1e-3, "size": 96, "train_size": 64}
    config = make_config(full)
    assert configure(TrainTable, {}, _file(tmp_path, config_text(tmp_path, config))).config() == config


def test_runs_of_older_versions_are_opened(run: Run, tmp_path: Path) -> None:
    content = {"data": str(run.data), "options": run.config.model_dump(mode="json")}
    (tmp_path / "config.json").write_text(json.dumps(content), "utf-8")
    assert Run.open(tmp_path).config == run.config
    content["options"] = {"head_only": True, "epochs": 2}
    (tmp_path / "config.json").write_text(json.dumps(content), "utf-8")
    assert Run.open(tmp_path).config == make_config({"tune": "head", "epochs": 2, "jpeg": "full"})
    (tmp_path / "config.toml").write_text("[train]\nepochs = 2\n", "utf-8")
    with pytest.raises(RunError, match=r"config.toml: cannot be read \(train.data is missing"):
        Run.open(tmp_path)


def test_the_tables_are_models_that_refuse_unknown_options() -> None:
    assert all(issubclass(kind, BaseModel) and kind.model_config["extra"] == "forbid" for kind in TABLES.values())


def _said(default: Any) -> str:
    if isinstance(default, bool):
        return "default: on" if default else "default: off"
    return f"default: {default:g}" if isinstance(default, (int, float)) else default or "default"


def test_the_help_of_train_shows_the_defaults() -> None:
    helps = {parameter.name: getattr(parameter, "help", "") for parameter in train.params}
    for name, field in TrainConfig.model_fields.items():
        if name not in ("weights", "region"):  # these have no default
            assert _said(field.default) in helps[name], name


def test_flags_show_the_choices_of_their_options() -> None:
    for option in train.params:
        if isinstance(option, click.Option) and isinstance(option.type, click.Choice) and option.name != "distribute":
            name = option.name or ""
            for choice in option.type.choices:
                value = int(choice) if str(choice).isdecimal() else choice
                assert getattr(make_config({name: value}), name) == value
    backbones = next(option for option in train.params if option.name == "backbone")
    assert isinstance(backbones.type, click.Choice)
    assert tuple(backbones.type.choices) == tuple(BACKBONES)
