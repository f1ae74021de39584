"""Support for the Edge TPU, through the interpreters' real load_delegate; a stand-in in C replaces libedgetpu.

No Coral was available: what the stand-in cannot show is the device itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclf_converters.tflite.pack import pack
from edgeclf_runtime import BackendError, Classifier, Frame, UsageError
from edgeclf_runtime.backends import probe as probing
from edgeclf_runtime.backends.edgetpu import LIBRARY_VARIABLE, edgetpu_devices, is_compiled
from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.doctor import Machine, hardware
from tests.runtime.edgetpu_files import CARD, Build, image, small_flatbuffer


def _refused(path: Path, backend: str = "auto") -> str:
    with pytest.raises(BackendError) as caught:
        Classifier.load(path, backend=backend)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_compiled_model_takes_the_edge_tpu_by_itself_and_says_so(build: Build, compiled: Path, record: Path) -> None:
    build()
    with Classifier.load(compiled) as classifier:
        assert classifier.backend.name == "edgetpu"
        assert classifier.backend.reason.startswith("the model is compiled for it; with litert 2.")
        assert "tried in another process in" in classifier.backend.reason
        assert classifier.classify(image(77)).scores[0] == 77 / 256
    processes = [int(line) for line in record.read_text().split()]  # no options for any device
    assert len(processes) == 2
    assert processes[0] != processes[1] == os.getpid()
    with Classifier.load(compiled):  # probed once per start: a device in use would be busy for another process
        assert len(record.read_text().split()) == 3


@pytest.mark.parametrize("name", ["edgetpu:1", "edgetpu:usb", "edgetpu:usb:1", "edgetpu:pci:0"])
def test_the_chosen_device_reaches_the_library(build: Build, compiled: Path, record: Path, name: str) -> None:
    build()
    with Classifier.load(compiled, backend=name) as classifier:
        assert classifier.backend.name == name
    device = name.partition(":")[2]
    wanted = f"device=:{device}" if device.isdecimal() else f"device={device}"
    assert [line.split(" ")[1] for line in record.read_text().splitlines()] == [wanted, wanted]


TAKING_OVER = """
import sys, numpy
from edgeclf_runtime import Classifier
from edgeclf_runtime.backends import probe
if len(sys.argv) > 2:
    probe._interpreters = lambda: sys.argv[2:]
with Classifier.load(sys.argv[1]) as classifier:
    assert classifier.classify(numpy.full((16, 16, 3), 5, numpy.uint8)).scores[0] == 5 / 256
    print(classifier.backend.reason)
"""


@pytest.mark.parametrize(
    ("python", "others", "words"),
    [
        # TensorFlow's interpreter is used only if there is no other: here it is chosen.
        (sys.executable, ["litert", "tensorflow"], "with tensorflow 2."),
        (Path(__file__).parents[3] / ".venv-tflite" / "bin" / "python", [], "with tflite-runtime 2.14"),
    ],
    ids=["tensorflow", "tflite-runtime"],
)
def test_an_interpreter_that_fits_takes_over_and_that_is_said(
    build: Build, compiled: Path, python: Path, others: list[str], words: str
) -> None:
    if not Path(python).exists():
        pytest.skip("no .venv-tflite: make test-interop builds it")
    library = build("PICKY")
    done = subprocess.run([python, "-c", TAKING_OVER, compiled, *others], capture_output=True, text=True)
    assert words in done.stdout, done.stderr
    assert f"{library} with litert 2." in done.stdout
    assert "crashes (SIGSEGV)" in done.stdout


def test_several_devices_overlap_and_keep_the_order(build: Build, compiled: Path, record: Path) -> None:
    build()
    with Classifier.load(compiled, backend="edgetpu:0,edgetpu:1") as classifier:
        assert (classifier.backend.name, classifier.backend.lanes) == ("edgetpu:0,edgetpu:1", 2)
        options = [line.split(" ")[1] for line in record.read_text().splitlines()]
        assert options == ["device=:0", "device=:1"] * 2
        seen = [p.scores * 256 for p in in_order(classifier.classify, map(image, range(40)), 2)]
    assert [int(scores[0]) for scores in seen] == list(range(40))
    second = sum(int(scores[1]) for scores in seen)  # the device's own number is the second score
    assert 20 < second < 40  # the faster one did more, and both did some


def test_all_devices_are_those_the_library_lists(build: Build, compiled: Path) -> None:
    build(devices=3)
    with Classifier.load(compiled, backend="edgetpu:all") as classifier:
        assert classifier.backend.name == "edgetpu:0,edgetpu:1,edgetpu:2"
    build("NO_DEVICE", devices=0)
    assert "finds no device for edgetpu:all" in _refused(compiled, "edgetpu:all")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("NO_DEVICE", ["finds no device for edgetpu, or another program uses it", "edgeclf doctor"]),
        ("REASON", ["cannot open edgetpu (the firmware cannot be loaded): unplug the device"]),
        (
            "CRASH_LOADING",
            ["with litert 2.", "crashes (SIGSEGV), while loading", "install a libedgetpu built for"],
        ),
        ("CRASH_INVOKING", ["with litert 2.", "crashes (SIGSEGV), at the first image", "tflite-runtime 'numpy<2'"]),
        ("OLD", ["This model needs a newer", "newer than this one (13)", "edgetpu_compiler -m 13"]),
        ("MISFIT", ["is incompatible with litert 2.", "Unsupported data type", "install a libedgetpu built for"]),
    ],
)
def test_each_fault_of_the_library_has_its_own_sentence(
    build: Build, compiled: Path, mode: str, words: list[str]
) -> None:
    library = build(mode)
    text = _refused(compiled)
    assert text.startswith("This model is compiled for the Edge TPU. ")
    assert str(library) in text
    assert text.endswith("Without an Edge TPU run the file it was compiled from.")
    assert [word for word in words if word not in text] == []


def test_a_library_that_hangs_is_given_up(build: Build, compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("HANGS")
    monkeypatch.setattr(probing, "PATIENCE", 10.0)
    assert "does not end within 10 s, while loading: unplug the device" in _refused(compiled)


def test_a_missing_library_and_one_that_is_none_are_told_apart(
    build: Build, compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.c").write_text("int nothing;\n")
    build("OTHER", source=tmp_path / "other.c")
    assert "a library, but not a TensorFlow Lite delegate" in _refused(compiled)
    assert "cannot list its devices; name them" in _refused(compiled, "edgetpu:all")
    (tmp_path / "text.so").write_text("text")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / "text.so"))
    assert "cannot be loaded (" in _refused(compiled)
    monkeypatch.setenv(LIBRARY_VARIABLE, "libedgetpu.so.9")
    assert "libedgetpu.so.9 is not installed: sudo apt install libedgetpu1-std" in _refused(compiled)


def test_nothing_runs_elsewhere_than_was_asked(compiled: Path, tmp_path: Path) -> None:
    text = _refused(compiled, "litert")
    assert text.startswith(
        "This model is compiled for the Edge TPU, and litert runs on the CPU: take --backend edgetpu."
    )
    plain = tmp_path / "m.tflite"
    plain.write_bytes(pack(small_flatbuffer("other-op"), CARD, (), 0.01))
    assert not is_compiled(plain.read_bytes())
    assert "all of it would run on the CPU: compile it" in _refused(plain, "edgetpu:usb")
    assert "other-op" in _refused(plain)


@pytest.mark.parametrize("name", ["edgetpu:", "edgetpu:x", "edgetpu:usb:", "edgetpux", "edgetpu,litert", "edgetpu:1,"])
def test_other_names_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match="expected edgetpu, edgetpu:0"):
        edgetpu_devices(name)
    with pytest.raises(UsageError, match="each device once"):
        edgetpu_devices("edgetpu:1,edgetpu:1")


def test_a_device_that_fails_during_a_run_ends_it_in_one_line(build: Build, compiled: Path) -> None:
    build("FAILS")
    with (
        Classifier.load(compiled) as classifier,
        pytest.raises(BackendError, match=r"failed to classify an image: .*gone"),
    ):
        classifier.classify(image(13))


def test_the_command_line_runs_it_on_all_devices(build: Build, compiled: Path, tmp_path: Path) -> None:
    import cv2

    build()
    (tmp_path / "in").mkdir()
    for value in range(0, 120, 4):
        cv2.imwrite(str(tmp_path / "in" / f"{value:03}.png"), image(value))
    command = [sys.executable, "-m", "edgeclf_runtime"]

    def edgeclf(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=True)

    done = edgeclf("run", compiled.name, "--source", "in", "--backend", "edgetpu:all", "--json")
    assert "backend edgetpu:0,edgetpu:1 (asked for by name; with litert" in done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["source"]).stem for line in seen] == [f"{value:03}" for value in range(0, 120, 4)]
    scores = [{item["label"]: item["score"] for item in line["scores"]} for line in seen]
    assert [round(each["a"] * 256) for each in scores] == list(range(0, 120, 4))
    assert "as exported, with edgetpu: largest difference 0.0" in edgeclf("verify", compiled.name).stdout
    words = ["bench", compiled.name, "--backend", "edgetpu:all", "--threads", "1", "--seconds", "0.3", "--json"]
    found = {timing["stage"]: timing["median"] for timing in json.loads(edgeclf(*words).stdout)["timings"]}
    assert found["all"] < found["frame"]  # 30 and 10 ms, one after the other or in parallel


def test_the_doctor_asks_the_library(build: Build, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name, text in {"idVendor": "18d1\n", "idProduct": "9302\n"}.items():
        path = root / "sys/bus/usb/devices/1-1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    library = build()
    (found,) = [item for item in hardware.coral(Machine(root)) if str(library) in item.text]
    assert (found.state, found.fix) == ("ok", "")
    assert "answers, with litert 2." in found.text
    build("CRASH_LOADING")
    (found,) = [item for item in hardware.coral(Machine(root)) if "SIGSEGV" in item.text]
    assert found.state == "problem"
    assert found.text.endswith("while loading")
    assert found.fix.startswith("install a libedgetpu built for the interpreter's")
    (path.parent / "busnum").write_text("1\n")
    (path.parent / "devnum").write_text("12\n")
    (root / "proc/77/fd").mkdir(parents=True)
    (root / "proc/77/comm").write_text("edgeclf\n")
    os.symlink("/dev/bus/usb/001/012", root / "proc/77/fd/5")
    (found,) = [item for item in hardware.coral(Machine(root)) if str(tmp_path) in item.text]
    assert (found.state, found.text.partition(";")[0]) == ("note", "in use by edgeclf (77)")


def test_frames_of_a_stream_keep_their_images(build: Build, compiled: Path) -> None:
    class Source:
        description, live = "test", False

        def __iter__(self) -> Iterator[Frame]:
            return (Frame(image(value), time.monotonic(), value, "test") for value in range(12))

        def close(self) -> None: ...

        def __enter__(self) -> Source:
            return self

        def __exit__(self, *_: object) -> None: ...

    build()
    with Classifier.load(compiled, backend="edgetpu:all") as classifier:
        seen = list(classifier.stream(Source()))
    assert [p.frame.pixels[0, 0, 0] for p in seen if p.frame] == list(range(12))
    assert [int(p.scores[0] * 256) for p in seen] == list(range(12))
    assert all(set(p.milliseconds) == {"capture", "resize", "invoke"} for p in seen)
