"""Zones drawn on the page, with the real command: in a real browser, and by requests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tomllib

from tests.runtime.browser import Browser
from tests.runtime.page_server import running
from tests.runtime.web.pages import assert_fits, until
from tests.runtime.web_client import TOKEN, Served, ask, sentence
from tests.videos import write_video

FILE = "zones.toml"
REGION = [0.1, 0.2, 0.3, 0.4]


def _config(folder: Path, video: Path, zones: str = "") -> Path:
    config = folder / "run.toml"
    config.write_text(
        f'page_zones = "{FILE}"\n[[camera]]\nname = "yard"\nsource = "{video}"\nrealtime = true\n'
        f'[[camera]]\nname = "belt"\nsource = "{video}"\nrealtime = true\n{zones}'
        f'[sinks]\nweb_token = "{TOKEN}"\n',
        "utf-8",
    )
    return config


GATE = f'[[zone]]\nname = "gate"\ncamera = "yard"\nregion = {REGION}\n[zone.decision]\nthreshold = 0\n'


@contextmanager
def _running(model: Path, config: Path, *words: object) -> Iterator[str]:
    """Run the command, and yield the page's address once zones can be changed."""
    with running("run", model, "--config", config, "--web", "0", *words, cwd=config.parent) as url:
        until(lambda: any(zone["frames"] for zone in _ask(url, "/state.json")[1]["cameras"][0]["zones"]))
        yield url


def _ask(url: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, Any]:
    status, _, content = ask(Served(url), path, body, {"Authorization": f"Bearer {token}"})
    return status, json.loads(content)


def _zones(url: str) -> list[dict[str, Any]]:
    return list(_ask(url, "/state.json")[1]["editing"]["zones"])


def _mouse(browser: Browser, kind: str, x: float, y: float) -> None:
    browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def _at(browser: Browser, left: float, top: float) -> tuple[float, float]:
    """Return the position on the screen of a share of the first camera's image."""
    box = browser.value(
        "(() => { const b = document.querySelector('.scene').getBoundingClientRect();"
        " return [b.x, b.y, b.width, b.height]; })()"
    )
    return box[0] + left * box[2], box[1] + top * box[3]


def _drag(browser: Browser, start: tuple[float, float], end: tuple[float, float], finger: bool = False) -> None:
    (x1, y1), (x2, y2) = _at(browser, *start), _at(browser, *end)
    steps = [(x1 + (x2 - x1) * step / 4, y1 + (y2 - y1) * step / 4) for step in range(1, 5)]
    if finger:
        browser.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x1, "y": y1}])
        for x, y in steps:
            browser.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": x, "y": y}])
        browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        return
    _mouse(browser, "mousePressed", x1, y1)
    for x, y in steps:
        _mouse(browser, "mouseMoved", x, y)
    _mouse(browser, "mouseReleased", x2, y2)


def _opened(browser: Browser, url: str, width: int) -> None:
    browser.size(width)
    browser.open(f"{url}?token={TOKEN}")
    browser.wait("document.querySelector('[data-camera=yard] img')?.naturalWidth > 0")
    browser.wait("!document.getElementById('edit').hidden")
    browser.click("#edit")


def _save(browser: Browser) -> None:
    browser.click("#save")
    browser.wait("document.getElementById('editor').hidden")


def test_a_zone_is_drawn_moved_named_and_deleted_and_answers_without_a_restart(
    browser: Browser, model: Path, video: Path, tmp_path: Path
) -> None:
    config = _config(tmp_path, video, GATE)
    lines = tmp_path / "all.jsonl"
    with _running(model, config, "--jsonl", lines) as url:
        _opened(browser, url, 1200)
        _drag(browser, (0.5, 0.5), (0.9, 0.9))  # a new one
        browser.value("document.querySelector('li.selected input').value = ''")
        browser.type("li.selected input", "bay")
        browser.key("Enter", down=True)
        _drag(browser, (0.2, 0.3), (0.4, 0.3))  # run.toml's zone: moved, then undone
        browser.click("#undo")
        _drag(browser, (0.2, 0.3), (0.2, 0.2))
        _save(browser)
        browser.wait("document.querySelector('[data-zone=bay] .says')?.textContent.includes('%')")
        gate, bay = _zones(url)
        assert gate["region"] == pytest.approx([0.1, 0.1, 0.3, 0.4], abs=0.01)
        assert (bay["name"], bay["camera"], bay["written"]) == ("bay", "yard", False)
        assert bay["region"] == pytest.approx([0.5, 0.5, 0.4, 0.4], abs=0.01)

        browser.click("#edit")  # drag its lower right corner, and then a side, which becomes a corner
        _drag(browser, (0.7, 0.7), (0.7, 0.65))
        _drag(browser, (0.9, 0.85), (0.8, 0.75))
        _drag(browser, (0.65, 0.45), (0.65, 0.3))
        _save(browser)
        kept = tomllib.loads((tmp_path / FILE).read_text("utf-8"))["zone"]
        assert [zone["name"] for zone in kept] == ["gate", "bay"]
        assert [share for point in kept[1]["polygon"] for share in point] == pytest.approx(
            [0.5, 0.45, 0.65, 0.3, 0.8, 0.45, 0.8, 0.75, 0.5, 0.75], abs=0.015
        )
        browser.wait(
            "fetch('state.json').then((a) => a.json()).then((s) => s.cameras[0].zones[1].view?.polygon.length === 5)"
        )
        browser.click("#edit")
        browser.click("[data-zone=bay] button")
        _save(browser)
        assert [zone["name"] for zone in _zones(url)] == ["gate"]
        assert_fits(browser)
        assert browser.errors == []
    seen = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    assert {line["zone"] for line in seen} == {"gate", "bay"}
    frames = [line["frame"] for line in seen if line["zone"] == "gate"]
    assert frames == sorted(set(frames))  # the video was not restarted


def test_a_finger_draws_a_zone_on_a_phone(browser: Browser, model: Path, video: Path, tmp_path: Path) -> None:
    with _running(model, _config(tmp_path, video)) as url:
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        _opened(browser, url, 390)
        browser.click("[data-zone=yard] button")  # the zone of the whole image
        _drag(browser, (0.2, 0.2), (0.6, 0.8), finger=True)
        assert_fits(browser)
        browser.size(390)
        _save(browser)
        belt, drawn = _zones(url)
        assert (belt["name"], belt["region"], drawn["camera"]) == ("belt", None, "yard")
        assert drawn["region"] == pytest.approx([0.2, 0.2, 0.4, 0.6], abs=0.02)
        browser.wait(f"document.querySelector('[data-zone={drawn['name']}] .says')?.textContent.includes('%')")
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        assert browser.errors == []


def test_a_zone_that_is_dragged_to_another_digit_gives_its_answer(
    browser: Browser, sure_model: Path, digits: Path, tmp_path: Path
) -> None:
    pictures = [cv2.resize(cv2.imread(str(next((digits / digit).iterdir()))), (160, 160)) for digit in "02"]
    write_video(tmp_path / "two.avi", 10, [np.hstack(pictures)] * 600)
    rules = "[decision]\nthreshold = 0\nreject = 0\n"
    zone = '[[zone]]\nname = "digit"\ncamera = "yard"\nregion = [0.0, 0.0, 0.5, 1.0]\n'
    config = _config(tmp_path, tmp_path / "two.avi", zone + rules)
    answer = "document.querySelector('[data-zone=digit] .says')?.textContent"
    with _running(sure_model, config) as url:
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        for width, start, end in ((1200, 0.25, 0.75), (390, 0.75, 0.25)):
            _opened(browser, url, width)
            browser.wait(f"{answer}.startsWith('{'0' if start == 0.25 else '2'} ')")
            _drag(browser, (start, 0.5), (end, 0.5), finger=width == 390)
            _save(browser)
            browser.wait(f"{answer}.startsWith('{'2' if start == 0.25 else '0'} ')")
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        assert browser.errors == []


def test_a_bad_request_changes_nothing_and_says_why(model: Path, video: Path, tmp_path: Path) -> None:
    gate = {"name": "gate", "camera": "yard", "region": REGION}
    bad: list[tuple[object, str]] = [
        ([gate, {"name": "Gate", "camera": "yard"}], "zone Gate: named twice"),
        (
            [gate, {"name": "../x", "camera": "moon", "region": [0, 0, 2, 1]}],
            "region (0.0, 0.0, 2.0, 1.0): expected left, top, width, height as shares within 0 to 1",
        ),
        ([gate, {"name": "a", "camera": "yard", "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}], "its sides cross"),
        ([gate, {"name": "a", "camera": "yard", "polygon": [[0, 0]] * 65}], "at most 64 points"),
        ([gate, {"name": "a", "camera": "yard", "command": "reboot"}], "zone a.command: expected name, camera"),
        ([gate, *({"name": f"z{n}", "camera": "yard"} for n in range(64))], "at most 64 zones, got 65"),
        ([{"name": "a", "camera": "yard"}], "zone gate: written in run.toml"),
        ([gate, {"name": "a", "camera": "yard", "region": [0, 0, 10**400, 1]}], "a.region: expected a smaller number"),
        ([gate, {"name": ["a"], "camera": {}, "polygon": [[0]]}], "zone 2.name: expected a text"),
        ("gate", "expected a list of zones"),
    ]
    config = _config(tmp_path, video, GATE)
    with _running(model, config) as url:
        before = _zones(url)
        for zones, why in bad:
            status, told = _ask(url, "/zones", {"version": 0, "zones": zones})
            assert status == 400
            assert why in told["error"]
            assert "\n" not in told["error"]
        both = _ask(url, "/zones", {"version": 0, "zones": bad[1][0]})[1]["error"]
        assert "'moon' is no [[camera]]" in both
        assert "name '../x'" in both
        assert _ask(url, "/zones", {"version": 7, "zones": [gate]})[0] == 409
        assert _ask(url, "/zones", {"zones": [gate]})[0] == 400
        assert ask(Served(url), "/zones", b"x" * (1 << 18), {"Authorization": f"Bearer {TOKEN}"})[0] == 413
        for token in ("wrong-wrong-wrong", ""):
            assert _ask(url, "/zones", {"version": 0, "zones": [gate]}, token)[0] == 401
        assert _zones(url) == before
    assert not (tmp_path / FILE).exists()


def test_killed_while_saving_the_old_zones_stay(model: Path, video: Path, tmp_path: Path) -> None:
    config, file = _config(tmp_path, video, GATE), tmp_path / FILE
    old = '[[zone]]\nname = "old"\ncamera = "belt"\n'
    file.write_text(old, "utf-8")
    os.mkfifo(tmp_path / f".{FILE}.part")  # writing to it waits for a reader
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(model), "--config", str(config), "--web", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        url = next(line for line in run.stderr if "Web page: " in line).split()[-1]
        zones = [{"name": "gate", "camera": "yard", "region": REGION}, {"name": "new", "camera": "belt"}]
        answered = threading.Event()

        def save() -> None:
            with suppress(OSError):
                _ask(url, "/zones", {"version": 0, "zones": zones})
                answered.set()

        until(lambda: _ask(url, "/state.json")[1]["cameras"][0]["zones"][0]["frames"])  # it is running
        saving = threading.Thread(target=save)
        saving.start()
        assert not answered.wait(1)  # it is still hanging
        run.send_signal(signal.SIGKILL)
        saving.join(20)
    (tmp_path / f".{FILE}.part").unlink()
    assert file.read_text("utf-8") == old
    with _running(model, config) as url:
        assert [zone["name"] for zone in _zones(url)] == ["gate", "old"]


def test_the_page_needs_a_token_also_on_this_machine(model: Path, video: Path, tmp_path: Path) -> None:
    config = _config(tmp_path, video, GATE)
    config.write_text(config.read_text("utf-8").replace(f'web_token = "{TOKEN}"', ""), "utf-8")
    with running("run", model, "--config", config, "--web", "0", cwd=tmp_path) as url:
        address, _, token = url.partition("?token=")
        assert len(token) >= 12
        until(lambda: _ask(address, "/state.json", token=token)[1]["cameras"][0]["zones"][0]["frames"])
        assert ask(Served(address), "/state.json")[0] == 401
        assert "token" in sentence(ask(Served(address), "/zones", {"version": 0, "zones": []}))
