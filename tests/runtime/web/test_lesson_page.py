"""``edgeclf capture --teach`` in a real browser, with the real command: hold, teach, see the answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeclf_runtime import Classifier
from tests.runtime.browser import Browser
from tests.runtime.page_server import running
from tests.runtime.web.pages import assert_fits, files, settled_count, until
from tests.videos import write_video

PHONE, DESK = 390, 1200
_ANSWERED = "document.getElementById('answer')?.textContent"


def _digit(digits: Path, digit: int, number: int) -> Path:
    return sorted((digits / str(digit)).iterdir())[number]


@pytest.fixture
def photos(digits: Path, tmp_path: Path) -> Path:
    """Six images of 0, with one of 1 among them, and five of 1."""
    for digit, name in ((0, "zero"), (1, "one")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            shutil.copy(_digit(digits, digit, number), tmp_path / "photos" / name)
    shutil.copy(_digit(digits, 1, 7), tmp_path / "photos" / "zero" / "wrong.png")
    return tmp_path / "photos"


@pytest.fixture
def still(digits: Path, tmp_path: Path) -> Path:
    """A video of one image of 1."""
    pixels: npt.NDArray[np.uint8] = cv2.imread(str(_digit(digits, 1, 2))).astype(np.uint8)
    write_video(tmp_path / "one.avi", 5, (pixels for _ in range(600)))
    return tmp_path / "one.avi"


def test_hold_teach_and_see_the_answer(
    browser: Browser, model: Path, photos: Path, still: Path, tmp_path: Path
) -> None:
    taught, words = photos / "taught.tflite", ["--source", still, "--web", "0", "--teach", model]
    with running("capture", photos, *words, cwd=tmp_path) as url:
        browser.size(DESK)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.wait("document.querySelectorAll('.class').length === 3")
        assert browser.value("[...document.querySelectorAll('.class .name')].pop().textContent") == "None of these"
        browser.press('.class[data-name="one"]')
        until(lambda: len(files(photos / "one")) >= 7)
        browser.release('.class[data-name="one"]')
        settled_count(photos / "one")
        assert not browser.value("document.getElementById('teach').disabled")
        browser.click("#teach")
        browser.wait(f"{_ANSWERED} === 'one'")
        browser.wait("document.querySelectorAll('#bars .bar').length === 2")
        browser.wait("!document.getElementById('judgement').hidden")
        assert "are right" in browser.value("document.getElementById('sureness').textContent")
        assert "95% interval" in browser.value("document.getElementById('sureness').textContent")
        assert browser.value("document.getElementById('needed').textContent").startswith("Ten more images of ")
        browser.wait("[...document.querySelectorAll('#harmful img')].every((image) => image.naturalWidth > 0)")
        assert browser.value("document.querySelector('#harmful p').textContent").startswith("zero, taken for one (")
        browser.click("#harmful .button")
        until(lambda: not (photos / "zero" / "wrong.png").exists())
        assert (photos / "__discarded" / "zero" / "wrong.png").exists()
        browser.wait("document.querySelector('#harmful .button').textContent === 'Put back'")
        browser.click("#harmful .button")
        until((photos / "zero" / "wrong.png").exists)
        browser.wait("document.querySelector('#harmful .button').textContent === 'Discard'")
        browser.click("#harmful .button")
        until(lambda: not (photos / "zero" / "wrong.png").exists())
        first = taught.read_bytes()
        browser.click("#teach")
        until(lambda: taught.read_bytes() != first)
        browser.wait("document.getElementById('harm').hidden")
        loaded = "fetch('model.tflite').then((answer) => answer.arrayBuffer()).then((bytes) => bytes.byteLength)"
        assert browser.value(loaded) == taught.stat().st_size
        browser.wait("!document.getElementById('undo-teaching').disabled")
        browser.click("#undo-teaching")
        until(lambda: taught.read_bytes() == first)
        browser.wait("document.querySelector('#harmful .gone .button')?.textContent === 'Put back'")
        browser.wait("document.querySelector('#harmful img').naturalWidth")
        assert_fits(browser)
        assert not browser.errors
    with running("capture", photos, *words, cwd=tmp_path) as url:  # the model is loaded again
        browser.open(url)
        browser.wait(f"{_ANSWERED} === 'one'")
        browser.wait("!document.getElementById('undo-teaching').disabled")
        browser.click("#undo-teaching")
        browser.wait("document.getElementById('answering').hidden && document.getElementById('download').hidden")
        assert not taught.exists()


def test_a_phone_holds_and_teaches_with_its_own_camera(
    browser: Browser, model: Path, photos: Path, tmp_path: Path
) -> None:
    browser.call("Browser.setPermission", permission={"name": "camera"}, setting="granted")
    words = ["--source", "none", "--web", "0", "--teach", model]
    with running("capture", photos, *words, cwd=tmp_path) as url:
        browser.size(PHONE, 844)
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        browser.open(url.replace("127.0.0.1", "localhost"))
        browser.wait("document.querySelectorAll('.class').length === 3")
        browser.click("#turn-on")
        browser.wait("document.getElementById('source').textContent === 'this device'")
        browser.value("document.querySelector('.class[data-name=_none]').scrollIntoView({block: 'center'})")
        with browser.touching('.class[data-name="_none"]'):
            until(lambda: len(files(photos / "_none")) >= 2)
        browser.wait("document.getElementById('classes').ariaBusy === 'false'")
        browser.click("#teach")
        browser.wait(f"{_ANSWERED} === 'unknown'")
        assert browser.value("document.getElementById('why').textContent") == (
            "Unlike the images that were taught, or none of these"
        )
        browser.wait("document.querySelectorAll('#bars .bar').length === 3")
        assert browser.value("document.documentElement.scrollWidth") <= PHONE
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        assert not browser.errors
    with Classifier.load(photos / "taught.tflite") as classifier:
        assert set(classifier.card.labels) == {"zero", "one", "_none"}


def test_what_cannot_be_taught_is_one_line_on_the_page(
    browser: Browser, model: Path, photos: Path, still: Path, tmp_path: Path
) -> None:
    (photos / "taught.tflite").write_bytes(model.read_bytes()[:9999])
    with running("capture", photos, "--source", still, "--web", "0", "--teach", model, cwd=tmp_path) as url:
        browser.open(url)
        browser.wait("document.getElementById('lesson-trouble')?.textContent.includes('Teach anew to replace it.')")
        (photos / "zero").rename(photos / "Unknown")
        browser.wait("document.querySelector('.class[data-name=Unknown]')")
        browser.wait("document.getElementById('picture').naturalWidth")  # the buttons are in place
        browser.click("#teach")
        browser.wait("document.getElementById('lesson-trouble')?.textContent.includes('Rename it.')")
        assert (photos / "taught.tflite").stat().st_size == 9999
        (photos / "Unknown").rename(photos / "zero")
        browser.wait("document.querySelector('.class[data-name=zero] .count')?.textContent === '6'")
        browser.click("#teach")
        browser.wait(f"{_ANSWERED} === 'one' && document.getElementById('lesson-trouble').hidden")


def test_a_base_that_cannot_be_taught_is_refused_before_the_page(compiled: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeclf_runtime", "capture", tmp_path / "photos", "--teach", compiled]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Compiled for the Edge TPU" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "photos").exists()
