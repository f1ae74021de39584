"""Output pins that follow the answer, with gpiozero and its mock pins."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeclf_runtime.config.settings import SinkSettings, settings
from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.pipeline.sinks import check_labels, open_sinks
from edgeclf_runtime.service.plan import planned
from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.gpio import GpioSink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sources import SourceState
from tests.runtime.observations import LABELS, seen

gpiozero = pytest.importorskip("gpiozero")


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """gpiozero's mock pins by number, with their history."""
    from gpiozero.pins.mock import MockFactory

    factory = MockFactory()
    monkeypatch.setattr(gpiozero.Device, "pin_factory", factory)
    yield factory
    factory.reset()


def _same(label: str) -> Observation:
    return seen(label, changed=False)


def test_the_pins_of_the_answer_are_on_and_all_are_off_at_the_end(pins: Any) -> None:
    asked = SinkSettings(gpio=("17=cat", "GPIO27=dog", "17=unknown"))
    check_labels(asked, LABELS)
    (sink,) = open_sinks(asked, LABELS, "m")
    cat, dog = pins.pin(17), pins.pin(27)
    assert sink.name == "gpio 17, 27"
    assert (cat.state, dog.state) == (0, 0)
    for label, expected in (("cat", (1, 0)), ("dog", (0, 1)), ("unknown", (1, 0))):
        sink.take(seen(label))
        assert (bool(cat.state), bool(dog.state)) == tuple(map(bool, expected)), label
    sink.take(SourceState("lost", 0.0, "unplugged"))
    assert (bool(cat.state), bool(dog.state)) == (False, False)
    sink.take(SourceState("running", 0.0))
    sink.take(_same("dog"))  # the camera is back, and the answer has not changed
    assert bool(dog.state)
    dog.clear_states()
    sink.close()
    assert not dog.states[-1].state
    assert (cat.function, dog.function) == ("input", "input")  # released


def test_relays_that_are_on_at_0_volts(pins: Any) -> None:
    sink = GpioSink(["BOARD11=cat"], active_low=True)  # GPIO17
    pin = pins.pin(17)
    assert bool(pin.state)
    sink.take(seen("cat"))
    assert not pin.state
    sink.take(seen("dog"))
    assert bool(pin.state)
    sink.close()


def test_a_pulse_comes_with_each_change_alone(pins: Any) -> None:
    sink = GpioSink(["17=cat"], pulse=0.05)
    pin = pins.pin(17)
    pin.clear_states()
    outlet = Outlet(sink, lossless=True)
    outlet.put(seen("cat"))
    until = time.monotonic() + 30
    while [bool(state.state) for state in pin.states] != [False, True, False]:
        assert time.monotonic() < until
        time.sleep(0.01)
    for _ in range(5):
        outlet.put(_same("cat"))
    outlet.end()
    assert outlet.wait(30)
    assert sum(bool(state.state) for state in pin.states) == 1


def test_what_cannot_be_switched_is_said_in_one_line(pins: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SinkError, match=r"^GPIO pin 99: .*99"):
        GpioSink(["17=cat", "99=dog"])
    with gpiozero.DigitalOutputDevice(17), pytest.raises(SinkError, match=r"^GPIO pin 17: .*already in use"):
        GpioSink(["17=dog"])  # the first was released
    with pytest.raises(UsageError, match="expected gpio a list of PIN=LABEL"):
        SinkSettings(gpio=("17",))
    with pytest.raises(UsageError, match="gpio_pulse 0 to 60 seconds"):
        SinkSettings(gpio_pulse=-1.0)
    with pytest.raises(SinkError, match="gpio: the model has no label 'dgo', did you mean 'dog'"):
        check_labels(SinkSettings(gpio=("17=dgo",)), LABELS)
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "")
    with pytest.raises(SinkError, match=r"^GPIO: .* cannot be used; on a Raspberry Pi: pip install lgpio"):
        GpioSink(["17=cat"])


def test_without_gpiozero_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    with pytest.raises(SinkError, match=r"pip install 'edgeclf-runtime\[gpio\]'"):
        GpioSink(["17=cat"])


def test_a_pin_obeys_the_next_zone_once_the_one_before_is_closed(pins: Any) -> None:
    before, refused, after = GpioSink(["17=cat", "4=dog"]), GpioSink(["17=dog"]), GpioSink(["17=dog", "22=cat"])
    pin = pins.pin(17)
    for sink, label in ((before, "cat"), (after, "cat"), (refused, "cat")):
        sink.take(seen(label))
    assert bool(pin.state)
    after.take(SourceState("lost", 0.0))
    refused.close()
    assert bool(pin.state)
    before.close()
    assert (bool(pin.state), pin.function, pins.pin(4).function) == (False, "output", "input")
    after.take(_same("dog"))
    assert bool(pin.state)
    after.close()
    assert pin.function == "input"


ZONES = """
[[camera]]
name = "yard"
source = "0"
[[zone]]
name = "gate"
gpio = ["17=open"]
[[zone]]
name = "bay"
gpio = ["GPIO17=car", "22=vann"]
[[zone]]
name = "path"
gpio = ["5"]
"""


def test_zones_have_pins_of_their_own() -> None:
    import tomllib

    def labels(path: Path) -> tuple[str, ...]:
        return ("open", "car", "van")

    with pytest.raises(UsageError) as caught:
        settings(tomllib.loads(ZONES), {}, "run.toml", Path("m.tflite"), labels)
    text = str(caught.value)
    assert "zone bay.gpio: pin 17 is already of zone gate" in text
    assert "zone bay.gpio: its model has no label 'vann', did you mean 'van'?" in text
    assert 'zone path: gpio: expected PIN=LABEL, such as "17=open"' in text


@pytest.mark.parametrize("text", ['[sinks]\ngpio = ["17=cat"]\n', '[[zone]]\nname = "a"\ngpio = ["17=cat"]\n'])
def test_a_service_may_open_the_pins_if_it_uses_them(text: str, tmp_path: Path) -> None:
    import tomllib

    from edgeclf_runtime.service.permissions import person

    def unit(text: str) -> str:
        chosen = settings(tomllib.loads(f'source = "0"\n{text}'), {}, "run.toml")
        return planned(tmp_path / "m.tflite", tmp_path / "run.toml", (), chosen, person("")).text()

    assert "DeviceAllow=char-gpiochip rw" in unit(text)
    assert "gpiochip" not in unit("[sinks]\njsonl = 'a'\n")


def test_a_whole_run_switches_pins_and_leaves_them_off(tmp_path: Path) -> None:
    """In a separate process, which records the changes of its mock pins until its end."""
    kept = Path(__file__).parents[2] / "kept" / "0.1"
    (tmp_path / "in").mkdir()
    for number, label in enumerate("101"):  # the model answers 0, 3, 0
        image = min((kept / "photos" / label).iterdir())
        (tmp_path / "in" / f"{number}{image.suffix}").write_bytes(image.read_bytes())
    (tmp_path / "run.toml").write_text('source = "in"\n[sinks]\ngpio = ["17=0", "27=3"]\n', "utf-8")
    (tmp_path / "main.py").write_text(
        "import json, sys\n"
        "from gpiozero import Device\n"
        "from edgeclf_runtime.cli import cli\n"
        "from gpiozero.pins.mock import MockFactory\n"
        "Device.pin_factory = factory = MockFactory()\n"
        "pins = [factory.pin(number) for number in (17, 27)]\n"
        "cli(sys.argv[1:], standalone_mode=False)\n"
        "json.dump([[bool(state.state) for state in pin.states] for pin in pins], open('pins.json', 'w'))\n",
        "utf-8",
    )
    words = ["run", str(kept / "model.tflite"), "--config", "run.toml", "--threshold", "0"]
    run = subprocess.run([sys.executable, "main.py", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    of_0, of_3 = json.loads((tmp_path / "pins.json").read_text("utf-8"))
    assert (of_0.count(True), of_3.count(True)) == (2, 1)
    assert (of_0[-1], of_3[-1]) == (False, False)


def test_an_answer_that_stays_does_not_switch_again(pins: Any) -> None:
    sink = GpioSink(["17=cat"])
    pin = pins.pin(17)
    pin.clear_states()
    for number in range(20):
        sink.take(replace(_same("cat"), time=float(number)))
    assert [bool(state.state) for state in pin.states] == [False, True]
    sink.close()
