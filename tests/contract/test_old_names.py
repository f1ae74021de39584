"""Every old name still works, with one line that gives the new name; using both is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from edgeclf import ConfigError, Quiet, TrainConfig, compare, make_config
from edgeclf.commands.compare import compare as compare_command
from edgeclf.commands.search import search as search_command
from edgeclf.commands.train import train as train_command
from edgeclf.config.file import configure
from edgeclf.config.tables import SearchConfig, TrainTable
from edgeclf.renamed import FLAGS, OPTIONS, VALUES
from edgeclf_runtime.cli import cli
from edgeclf_runtime.commands.run import run
from edgeclf_runtime.commands.service import service
from edgeclf_runtime.commands.verify import verify
from edgeclf_runtime.config.settings import TABLES, settings
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.renamed import FLAGS as FLAGS_OF_THE_DEVICE
from edgeclf_runtime.renamed import KEYS

KEPT = Path(__file__).parents[1] / "kept" / "0.1"


@pytest.fixture
def kept_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file of 0.1, next to photographs and a run.toml."""
    folder = tmp_path / "kept"
    shutil.copytree(KEPT, folder)
    (folder / "camera.toml").write_text('source = "0"\n', "utf-8")
    monkeypatch.chdir(folder)
    return folder / "model.tflite"


@pytest.mark.parametrize(
    ("command", "words", "notices"),
    [
        (train_command, ["--adapt", "head"], ["--adapt is called --tune now."]),
        (train_command, ["--adapt=head"], ["--adapt is called --tune now."]),
        (
            train_command,
            ["--adapt", "scale"],
            ["--adapt is called --tune now.", "--tune: scale is called batch-norm now."],
        ),
        (train_command, ["--tune=scale"], ["--tune: scale is called batch-norm now."]),
        (train_command, ["--own-size", "0.5"], ["--own-size is called --full-size-epochs now."]),
        (train_command, ["--fixed-stride", "4"], ["--fixed-stride is called --freeze-stride now."]),
        (train_command, ["--turn"], ["--turn is called --rotate90 now."]),
        (train_command, ["--no-turn"], ["--no-turn is called --no-rotate90 now."]),
        (train_command, ["--out", "scale", "--", "--turn"], []),  # the name of a folder is not an option
        (search_command, ["--adapt", "head", "--adapt", "full"], ["--adapt is called --tune now."]),
        (search_command, ["--adapts", "head"], ["--adapts is called --tunes now."]),
        (
            search_command,
            ["--adapts", "scale", "--adapts", "full"],
            ["--adapts is called --tunes now.", "--tunes: scale is called batch-norm now."],
        ),
        (compare_command, ["--fractions", "5,10"], ["--fractions is called --percentages now."]),
        (compare_command, ["--methods", "head,scale"], ["--methods: scale is called batch-norm now."]),
    ],
)
def test_an_old_option_still_works(
    command: click.Command, words: list[str], notices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["nowhere", *words])
    assert isinstance(done.exception, Exception)
    assert "no such folder" in str(done.exception)  # all options were accepted
    assert [line for line in done.stderr.splitlines() if "is called" in line] == notices


def test_the_value_of_an_old_option_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(compare_command, ["nowhere", "--fractions", "0"])
    assert "Invalid value for '--percentages': 0" in done.stderr
    done = CliRunner().invoke(train_command, ["nowhere", "--own-size", "7", "--adapt", "scale"])
    assert "full-size-epochs: Input should be less than or equal to 1" in str(done.exception)


def test_an_option_by_both_names_is_refused() -> None:
    done = CliRunner().invoke(train_command, ["nowhere", "--adapt", "head", "--tune", "full"])
    assert done.exit_code == 2
    assert "--adapt is the old name of --tune, which is there, too (remove one)." in done.stderr


@pytest.mark.parametrize("command", [train_command, search_command, compare_command])
def test_help_and_suggestions_show_only_the_new_names(command: click.Command) -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    assert not [flag for flag in FLAGS if f"{flag} " in text or f"{flag}\n" in text]
    if command is train_command:
        done = CliRunner().invoke(command, ["nowhere", "--adpat", "head"])
        assert "No such option" in done.stderr
        assert "--tune" in done.stderr
        assert "--adapt" not in done.stderr


def test_old_keys_and_values_of_a_config_file_are_reported_once() -> None:
    messages: list[str] = []
    file = KEPT / "edgeclf.toml"
    table, space = configure(TrainTable, {}, file, messages.append), configure(SearchConfig, {}, file, messages.append)
    assert (table.tune, table.full_size_epochs, table.freeze_stride, table.rotate90) == ("batch-norm", 0.2, 4, True)
    assert space.tunes == ("head", "batch-norm")
    assert sorted(line for line in messages if "is called" in line) == [
        f"{file}: search.adapts is called tunes now: rename it.",
        f"{file}: search.tunes: scale is called batch-norm now: rename it.",
        f"{file}: train.adapt is called tune now: rename it.",
        f"{file}: train.fixed_stride is called freeze_stride now: rename it.",
        f"{file}: train.own_size is called full_size_epochs now: rename it.",
        f"{file}: train.tune: scale is called batch-norm now: rename it.",
        f"{file}: train.turn is called rotate90 now: rename it.",
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[train]\nadapt = 'head'\ntune = 'head'", "train.adapt is the old name of tune, which is there, too"),
        (
            "[search]\nadapts = ['head']\ntunes = ['head']",
            "search.adapts is the old name of tunes, which is there, too",
        ),
        ("[train]\nadpat = 'head'", r"train.adpat: no such option; did you mean tune\?"),
        ("[train]\nown_siz = 0.1", r"train.own_siz: no such option; did you mean full_size_epochs\?"),
        ("[train]\nadapts = ['head']", r"train.adapts: no such option; did you mean tune\?"),
        ("[train]\nadapt = 'tail'", "train.tune: Input should be 'full', 'batch-norm' or 'head'"),
        ("[export]\nfixed_stride = 4", r"export.fixed_stride: no such option; it belongs in \[train\]"),
        ("turn = true", r"turn: is outside any table; move it under \[train\]"),
    ],
)
def test_errors_in_a_config_file_suggest_the_new_name(text: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "edgeclf.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=wrong):
        configure(TrainTable, {}, file)


@pytest.mark.parametrize(("old", "value"), [("adapt", "head"), ("own_size", 0.5), ("fixed_stride", 8), ("turn", True)])
def test_python_accepts_options_by_their_old_names(old: str, value: object) -> None:
    new = OPTIONS[old]
    with pytest.warns(DeprecationWarning, match=f"^{old} is called {new} now\\.$") as caught:
        made = [TrainConfig(**{old: value}), make_config({old: value}), TrainConfig.model_validate({old: value})]
    assert len(caught) == 3
    assert {item.filename for item in caught} == {__file__}
    assert [getattr(config, new) for config in made] == [value] * 3
    with pytest.warns(DeprecationWarning, match=f"^{old} is called {new} now"):
        assert getattr(made[0], old) == value
    with pytest.raises(ConfigError, match=f"{old} is the old name of {new}, which is there, too"):
        make_config({old: value, new: value})


def test_python_accepts_old_values_and_returns_them_under_the_old_name() -> None:
    with pytest.warns(DeprecationWarning, match="^tune: scale is called batch-norm now"):
        config = make_config({"tune": "scale"})
    assert config.tune == "batch-norm"
    with pytest.warns(DeprecationWarning, match="^adapt is called tune now"):
        assert config.adapt == "scale"
    with pytest.warns(DeprecationWarning, match="now") as caught:
        space = SearchConfig(adapts=("head", "scale"))
    assert [str(item.message) for item in caught] == [
        "adapts is called tunes now.",
        "tunes: scale is called batch-norm now.",
    ]
    assert space.tunes == ("head", "batch-norm")
    with pytest.raises(AttributeError):
        config.adapts  # noqa: B018  it never had that


def test_compare_accepts_its_old_keyword_and_value(tmp_path: Path) -> None:
    def begun(**options: Any) -> None:
        with pytest.raises(ValueError, match="no such folder"):
            compare(tmp_path / "nowhere", tmp_path / "out", make_config({}), Quiet(), **options)

    with pytest.warns(DeprecationWarning, match="^percents is called percentages now"):
        begun(percents=(50,))
    with pytest.warns(DeprecationWarning, match="^methods: scale is called batch-norm now"):
        begun(methods=("head", "scale"))
    with pytest.raises(TypeError, match="percents is the old name of percentages"):
        begun(percents=(50,), percentages=(50,))


@pytest.mark.parametrize(
    ("command", "words", "notices"),
    [
        (
            run,
            ["--fast", "--smooth", "0.5"],
            ["--fast is called --fast-decode now.", "--smooth is called --smoothing now."],
        ),
        (verify, ["--if-any"], ["--if-any is called --allow-no-golden now."]),
        (
            service,
            ["--print", "--memory=512M"],
            ["--print is called --dry-run now.", "--memory is called --memory-limit now."],
        ),
    ],
)
def test_an_old_option_of_the_device_still_works(
    command: click.Command, words: list[str], notices: list[str], kept_model: Path
) -> None:
    given = {
        run: [kept_model, "--source", kept_model.parent / "photos" / "0", "--max-frames", 1],
        verify: [kept_model],
        service: ["install", kept_model, "--config", kept_model.parent / "camera.toml", "--run-as", "root"],
    }
    done = CliRunner().invoke(command, [*map(str, given[command]), *words])
    assert done.exit_code == 0, done.output
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("--")] == notices
    if command is service:
        assert "MemoryMax=512M" in done.stdout


def test_the_devices_help_shows_only_the_new_names() -> None:
    for name, names in FLAGS_OF_THE_DEVICE.items():
        text = CliRunner().invoke(cli, [*name.split(), "--help"]).output
        assert [new for new in names.values() if f"{new} " not in text] == []
        assert [old for old in names if f"{old} " in text or f"{old}\n" in text] == []


@pytest.mark.parametrize(
    ("table", "old", "value"),
    [
        ("camera", "stall", 2.0),
        ("camera", "frozen", 9.0),
        ("camera", "fast", True),
        ("camera", "least", 24),
        ("sinks", "rotate", 5000),
        ("sinks", "keep", 2),
    ],
)
def test_python_accepts_the_devices_settings_by_their_old_names(table: str, old: str, value: object) -> None:
    kind, new = TABLES[table], KEYS[table][old]
    with pytest.warns(DeprecationWarning, match=f"^{old} is called {new} now") as caught:
        made = kind(**{old: value})
    assert [item.filename for item in caught] == [__file__]
    assert getattr(made, new) == value
    with pytest.warns(DeprecationWarning, match=f"^{old} is called {new} now"):
        assert getattr(made, old) == value
    with pytest.raises(TypeError, match=f"{old} is the old name of {new}, which is there, too"):
        kind(**{old: value, new: value})


def test_a_misspelt_key_of_run_toml_suggests_the_new_name() -> None:
    with pytest.raises(UsageError, match=r"run.toml: camera.stal: unknown, did you mean stalled_after\?"):
        settings({"camera": {"stal": 1.0}}, {}, "run.toml")
    with pytest.raises(UsageError, match=r"camera.frozen is the old name of frozen_after, which is there, too"):
        settings({"camera": {"frozen": 1.0, "frozen_after": 2.0}}, {}, "run.toml")


def test_the_table_of_names_is_complete() -> None:
    rows = (Path(__file__).parents[2] / "docs" / "names.md").read_text("utf-8").splitlines()
    pairs = [(old, new) for names in (OPTIONS, *VALUES.values(), *KEYS.values()) for old, new in names.items()]
    pairs += [(old, new) for names in FLAGS_OF_THE_DEVICE.values() for old, new in names.items()]
    words = [set(re.findall(r"`-{0,2}([\w-]+)`", row.replace("-", "_").replace("`__", "`--"))) for row in rows]
    written = [tuple(name.lstrip("-").replace("-", "_") for name in pair) for pair in pairs]
    assert [pair for pair in written if not any(set(pair) <= row for row in words)] == []
