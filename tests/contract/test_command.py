"""The commands as a user types them, each in its own process."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import cv2
import pytest

import edgeclf_runtime
from edgeclf import Run
from edgeclf_runtime.cli import _OWN, cli
from tests.model_files import bare

COMMAND = [sys.executable, "-m", "edgeclf_runtime"]


def _edgeclf(*words: object, code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_help_lists_the_commands_of_both_packages() -> None:
    text = _edgeclf("--help").stdout
    names = ("run", "classify", "inspect", "verify", "doctor", "bench", "train", "data", "search", "export", "demo")
    assert all(name in text for name in (*names, "report", "compare", "capture"))


def test_the_commands_of_the_runtime_are_its_entry_points() -> None:
    entries = [entry for entry in entry_points(group="edgeclf.commands") if entry.value.startswith("edgeclf_runtime.")]
    assert {entry.name for entry in entries} == _OWN
    for entry in entries:
        assert cli.get_command(click.Context(cli), entry.name) is entry.load()


def test_a_run_loads_only_what_it_uses(model: Path, digits: Path) -> None:
    heavy = {"csv", "hashlib", "importlib.metadata", "ssl", "statistics", "urllib.request"}
    code = (
        "import sys; from edgeclf_runtime.cli import main\n"
        f"try: main()\nfinally: print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    image = next(digits.rglob("*.png"))
    command = [sys.executable, "-S", "-c", code, "run", model, "--source", image]
    # Without the finder of editable installs, which imports more.
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(edgeclf_runtime.__file__).parents[1]), *sys.path])}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, env=paths)
    assert done.stderr.splitlines()[-1] == "[]"
    assert "backend litert (" in done.stderr  # one interpreter is enough for one image


def test_no_summary_is_cut_and_each_option_begins_with_a_verb() -> None:
    for group in ([], ["data"], ["service"], ["fleet"]):
        assert "..." not in _edgeclf(*group, "--help").stdout.replace("[ARGS]...", ""), group
    wrong = {"Of", "At", "The", "By", "That", "So", "With", "In", "Its", "See", "For"}
    commands = [cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))]
    for command in [*commands, *(sub for group in commands for sub in getattr(group, "commands", {}).values())]:
        for option in command.params:
            words = str(getattr(option, "help", None) or "Verb").split()
            assert words[0] not in wrong, (command.name, option.name, option.help)


def test_run_prints_one_json_object_per_line(model: Path, digits: Path) -> None:
    lines = _edgeclf("run", model, "--source", digits, "--json", "--max-frames", 3).stdout.splitlines()
    assert len(lines) == 3
    first = json.loads(lines[0])
    assert set(first) == {
        "answer",
        "age",
        "changed",
        "frame",
        "time",
        "source",
        "label",
        "score",
        "scores",
        "milliseconds",
        "familiarity",
        "reason",
    }
    assert (first["frame"], first["scores"][0]["label"]) == (0, first["label"])


def test_classify_reports_unreadable_files_and_continues(model: Path, digits: Path) -> None:
    done = _edgeclf("classify", model, "none.jpg", digits / "1", code=1)
    assert "none.jpg" in done.stderr
    assert len(done.stdout.splitlines()) == 20


def test_inspect_and_verify(model: Path) -> None:
    content, text = json.loads(_edgeclf("inspect", model, "--json").stdout), _edgeclf("inspect", model).stdout
    assert content["labels"] == ["0", "1", "2"]
    assert "validation_int8" in text
    assert "McNemar p" in text
    assert ("below a score of" in text) == (content["threshold"] is not None)
    assert (content["reject"], content["familiarity"]["of_empty_scene"]) == (0.05, 0)
    assert f"below a familiarity of 0.05; {content['familiarity']['prototypes']} prototypes" in text
    assert "as exported" in _edgeclf("verify", model).stdout


def test_bench_and_inspect_accept_what_a_foreign_file_lacks(model: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign.tflite").write_bytes(bare(model))
    (tmp_path / "names.txt").write_text("a\nb\nc\n", "utf-8")
    words = ("foreign.tflite", "--labels", "names.txt", "--json")
    timed = json.loads(_edgeclf("bench", *words, "--seconds", 0.05, "--threads", "1", cwd=tmp_path).stdout)
    assert timed["timings"][0]["stage"] == "invoke"
    assert json.loads(_edgeclf("inspect", *words, cwd=tmp_path).stdout)["labels"] == ["a", "b", "c"]


def test_inspect_needs_no_interpreter(model: Path) -> None:
    code = "import sys; sys.modules.update(dict.fromkeys(['ai_edge_litert', 'tflite_runtime', 'tensorflow'])); "
    code += "from edgeclf_runtime.cli import main; main()"
    words = [sys.executable, "-c", code, "inspect", str(model)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "uint8 [1, 64, 64, 3]" in done.stdout


def test_evaluate_prints_the_accuracy(model: Path, digits: Path) -> None:
    assert json.loads(_edgeclf("evaluate", model, digits, "--json").stdout)["count"] == 60


def test_train_and_export_are_two_commands(digits: Path, tmp_path: Path) -> None:
    _edgeclf("train", digits, "--out", "run", "--size", 64, "--tune", "head", cwd=tmp_path)
    done = _edgeclf("export", "--float16", "run", "-o", "model.tflite", cwd=tmp_path)
    assert "float16 file" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.tflite",
        "model.unfamiliar.html",
        "model.unfamiliar.json",
        "run",
    ]
    assert "as exported" in _edgeclf("verify", "model.tflite", cwd=tmp_path).stdout


@pytest.mark.slow
def test_train_reads_a_config_file_and_the_run_stores_it(digits: Path, tmp_path: Path) -> None:
    options = f"[train]\ndata = '{digits}'\nsize = 32\ntune = 'head'\nseed = 3\n[export]\nmode = 'float16'\n"
    (tmp_path / "edgeclf.toml").write_text(options, "utf-8")
    done = _edgeclf("train", "--out", "one", "--seed", 4, cwd=tmp_path)
    assert "Options of [train] from edgeclf.toml: data, size, tune, seed." in done.stderr
    again = _edgeclf("train", "--config", "one/config.toml", "--out", "two", cwd=tmp_path)
    assert "edgeclf.toml" not in again.stderr
    one, two = Run.open(tmp_path / "one"), Run.open(tmp_path / "two")
    assert (one.config.seed, one.config) == (4, two.config)
    mine, first = two.read_arrays("weights"), one.read_arrays("weights")
    assert all((mine[name] == first[name]).all() for name in first)
    assert "float16 file" in _edgeclf("export", "one", cwd=tmp_path).stdout
    (tmp_path / "edgeclf.toml").write_text("[train]\nepoch = 3\n[export]\nmethod = 1\n", "utf-8")
    wrong = _edgeclf("train", digits, "--out", "three", "--ema", 2, code=1, cwd=tmp_path).stderr
    assert all(part in wrong for part in ("train.epoch: no such option; did you mean", "export.method: ", "--ema: "))
    assert not (tmp_path / "three").exists()


def test_report_prints_the_path_of_its_page(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    done = _edgeclf("report", "run", "--tensorboard", "events", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "Wrote events/run. View it with: tensorboard --logdir events",
        "Report: run/report.html",
    ]
    assert (tmp_path / "run" / "report.html").is_file()
    assert len(list((tmp_path / "events" / "run").iterdir())) == 1


def test_compare_prints_its_table(digits: Path, tmp_path: Path) -> None:
    words = ["compare", digits, "--methods", "hog-svm", "--percentages", "50,100", "--out", "c"]
    lines = _edgeclf(*words, cwd=tmp_path).stdout.splitlines()
    assert [line.split()[:5] for line in lines[1:3]] == [
        ["HOG,", "colours,", "SVM", share, "100.0%"] for share in ("50%", "100%")
    ]
    assert lines[3] == "Page: c/compare.html"
    written = json.loads((tmp_path / "c/environment.json").read_text("utf-8"))
    assert written["command"] == shlex.join(["edgeclf", *map(str, words)])
    assert _edgeclf(*words, cwd=tmp_path).stdout.splitlines() == lines


@pytest.mark.slow
def test_an_exceeded_max_drop_exits_with_status_3(
    run: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "m.tflite").write_bytes(b"old")
    copied = shutil.copytree(run.path, tmp_path_factory.mktemp("copied") / "run")  # the test changes its report
    words = ["export", "--int8", "--method", "qat", "--max-drop", "-100", copied, "-o", "m.tflite"]
    done = _edgeclf(*words, code=3, cwd=tmp_path)
    assert "no method stays within --max-drop -100" in done.stderr
    assert (tmp_path / "m.tflite").read_bytes() == b"old"
    inside = json.loads(_edgeclf("inspect", "m.over-max-drop.tflite", "--json", cwd=tmp_path).stdout)
    assert inside["provenance"]["int8 method"].startswith("qat epoch")
    assert "qat epoch 2" in inside["provenance"]["int8 route"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m.over-max-drop.parity.html",
        "m.over-max-drop.parity.json",
        "m.over-max-drop.tflite",
        "m.over-max-drop.unfamiliar.html",
        "m.over-max-drop.unfamiliar.json",
        "m.tflite",
    ]


def test_max_drop_is_refused_for_a_float_export(tmp_path: Path) -> None:
    (tmp_path / "edgeclf.toml").write_text('[export]\nmode = "float16"\n', "utf-8")
    errors = _edgeclf("export", "nowhere", "--max-drop", "0.1", code=2, cwd=tmp_path).stderr
    assert "--method and --max-drop need --int8; the config file sets mode = float16" in errors


def test_an_export_is_refused_if_validation_images_are_missing(run: Run, tmp_path: Path) -> None:
    data, images = run.read_split(), tmp_path / "pictures"
    config = shutil.copytree(run.path, tmp_path / "run") / "config.toml"
    config.write_text(config.read_text("utf-8").replace(str(run.data), str(images)), "utf-8")
    shutil.copytree(run.data, images)
    gone = images / data.files[int(data.rows("validation")[-1])]
    gone.unlink()
    done = _edgeclf("export", "--float16", "run", code=1, cwd=tmp_path)
    assert gone.name in done.stderr
    assert not list(tmp_path.glob("run/*.tflite"))


@pytest.mark.slow
def test_folders_named_by_wordnet_ids_evaluate_the_published_classifier(tmp_path: Path) -> None:
    from sklearn.datasets import load_sample_image

    for name, image in (("n11939491", "flower.jpg"), ("n03877845", "china.jpg")):  # daisy, palace
        (tmp_path / "photos" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "photos" / name / image), load_sample_image(image)[:, :, ::-1])
    _edgeclf("export", "--float16", "--pretrained", "efficientnet-lite0", "-o", "imagenet.tflite", cwd=tmp_path)
    figures = json.loads(_edgeclf("evaluate", "imagenet.tflite", "photos", "--json", cwd=tmp_path).stdout)
    assert (figures["correct"], figures["count"]) == (2, 2)


@pytest.mark.slow
def test_ctrl_c_leaves_a_usable_run(digits: Path, tmp_path: Path) -> None:
    words = ["train", str(digits), "--out", "run", "--size", "64", "--epochs", "500", "--patience", "500"]
    # A test started from a background job inherits that SIGINT is ignored.
    listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *words], cwd=tmp_path, preexec_fn=listens, **pipes) as process:
        assert process.stderr is not None
        while b"Epoch 1/500" not in (line := process.stderr.readline()):
            assert line, "ended before its first epoch"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert b"edgeclf train --resume run" in output
    assert "float16 file" in _edgeclf("export", "--float16", "run", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["train", "nowhere"], "nowhere: no such folder", 1),
        (["train"], "Give DATA, the folder of photographs", 2),
        (["train", "--config", "nowhere.toml"], "nowhere.toml: no such config file", 1),
        (["train", "--resume", "nowhere", "--config", "nowhere.toml"], "give it alone", 2),
        (["search"], "Give DATA, the folder of photographs", 2),
        (["search", "nowhere", "--tune", "tail"], "'tail' is not one of 'full', 'batch-norm', 'head'", 2),
        (["export", "nowhere"], "not a run folder", 1),
        (["export", "nowhere", "--float32", "--max-drop", "1"], "apply to the int8 file of a run", 2),
        (["export", "nowhere", "--float16", "--edgetpu"], "computes in integers only", 2),
        (
            ["export", "nowhere", "--float16", "--distribute", "mirrored"],
            "--distribute applies to the int8 file of a run only",
            2,
        ),
        (["export", "photos", "--pretrained", "resnet50"], "photos: --pretrained takes no RUN", 2),
        (["export", "--pretrained", "resnet50"], "expected one of efficientnet-lite0", 1),
        (["run", "nowhere.tflite"], "nowhere.tflite: No such file", 1),
        (["report", "nowhere"], "not a run folder", 1),
        (["compare", "nowhere"], "nowhere: no such folder", 1),
        (["compare", "nowhere", "--percentages", "0,50"], "0,50: expected whole numbers from 1 to 100", 2),
        (["ruin"], "Did you mean 'run'", 2),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str, code: int, tmp_path: Path) -> None:
    errors = _edgeclf(*words, code=code, cwd=tmp_path).stderr
    assert message in errors
    assert len([line for line in errors.splitlines() if line.startswith("Error")]) == 1


def test_a_full_disk_is_one_line(digits: Path, run: Run, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("mounting a small disk needs root and unshare")
    script = f"mount -t tmpfs -o size=300k none {tmp_path} && cd {tmp_path} && exec " + " ".join(
        [*COMMAND, "train", str(digits), "--out", f"{tmp_path}/run", "--size", "64", "--tune", "head"]
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
