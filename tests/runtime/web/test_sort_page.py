"""``edgeclf sort`` in a real browser, with the real command: by mouse, keyboard and touch."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.runtime.browser import Browser
from tests.runtime.page_server import running
from tests.runtime.web.pages import assert_fits, files, until

PHONE, DESK = 390, 1200
KEPT = Path(__file__).parents[2] / "kept" / "0.1" / "model.tflite"
_CARDS = "document.querySelectorAll('.group').length"


@pytest.fixture
def new(digits: Path, tmp_path: Path) -> Path:
    """Fifty similar images of one digit, and one image each of two others."""
    (tmp_path / "new").mkdir()
    random = np.random.default_rng(0)
    pixels = cv2.imread(str(sorted((digits / "0").iterdir())[0])).astype(np.float32)
    for number in range(50):
        noisy = np.clip(pixels + random.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "new" / f"yard-20261128-1930{number:02}-000-0-0.90-{number + 1:06}.jpg"), noisy)
    for digit in (1, 2):
        name = f"kitchen-20261128-20000{digit}-000-{digit}-0.5{digit}-00000{digit}.jpg"
        shutil.copy(sorted((digits / str(digit)).iterdir())[0], tmp_path / "new" / name)
    return tmp_path / "new"


def test_fifty_alike_are_one_click(browser: Browser, new: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with running("sort", new, "--into", photos, "--model", KEPT, "--web", "0", cwd=tmp_path) as url:
        browser.size(DESK)
        browser.open(url)
        browser.wait(f"{_CARDS} >= 2")
        assert browser.value("document.getElementById('about').textContent").endswith(f"proposals of {KEPT.name}")
        browser.wait("document.querySelector('.group img')?.naturalWidth")
        fifty = "(card) => card.querySelector('h2').textContent === '50 alike'"
        browser.value(f"[...document.querySelectorAll('.group')].find({fifty}).id = 'fifty'")
        assert browser.value("document.querySelectorAll('#fifty img').length") == 12
        assert (
            browser.value("getComputedStyle(document.querySelector('#fifty img')).objectFit") == "contain"
        )  # all of it
        browser.click("#fifty .enlarge")
        browser.wait("document.getElementById('large').open && document.getElementById('large-image').naturalWidth")
        browser.click("#large-image")
        browser.wait("!document.getElementById('large').open")
        browser.click("#fifty .shot:nth-child(3) .pick")  # this one is excluded
        browser.wait("document.querySelector('#fifty h2').textContent === '50 alike, 1 left out'")
        proposal = browser.value("document.querySelector('#fifty .chip').dataset.label")
        browser.click("#fifty .chip.likely")
        until(lambda: len(files(photos / proposal)) == 49)
        browser.wait("document.querySelector('#fifty h2').textContent === 'One image'")
        browser.wait("document.getElementById('said').textContent.startsWith('49 to ')")
        browser.click("#undo")
        until(lambda: len(files(new)) == 52)
        browser.wait("document.querySelector('#fifty h2').textContent === '50 alike'")
        assert not (photos / proposal).exists()
        assert_fits(browser)
    assert browser.errors == []


def test_keys_sort_discard_and_take_back(browser: Browser, new: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with running("sort", new, "--into", photos, "--web", "0", cwd=tmp_path) as url:
        browser.size(DESK)
        browser.open(url)
        browser.wait(f"{_CARDS} === 3")
        cards = 3
        browser.key("Enter", down=True)
        until(lambda: files(photos / "1"))  # the least confident one is the first
        browser.wait(f"{_CARDS} === {cards - 1}")
        browser.key("d", down=True)
        browser.key("u", down=True)  # undoes this, not an earlier action, however quick it is
        browser.wait("document.getElementById('said').textContent === '1 moved back.'")
        assert (len(files(new / "__discarded")), len(files(photos / "1"))) == (0, 1)
        browser.wait(f"{_CARDS} === {cards - 1}")
        browser.key("0", down=True)
        until(lambda: files(photos / "_none"))
        browser.key("n", down=True)
        browser.wait("document.activeElement.placeholder === 'New class'")
        browser.call("Input.insertText", text="battery")
        browser.key("Enter", down=True)
        until(lambda: files(photos / "battery"))
        browser.wait(
            "[...document.querySelectorAll('.chip')].some((chip) => chip.dataset.label === 'battery')"
            f" || {_CARDS} === 0"
        )
    assert browser.errors == []


def test_a_finger_is_enough(browser: Browser, new: Path, tmp_path: Path) -> None:
    with running("sort", new, "--classes", "one", "--web", "0", cwd=tmp_path) as url:
        browser.size(PHONE)
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        browser.open(url)
        browser.wait(f"{_CARDS} === 3")
        assert browser.value("document.querySelector('.chip').getBoundingClientRect().height") >= 44
        browser.value("document.querySelector('.chip[data-label=\"one\"]').id = 'first'")
        browser.value("document.getElementById('first').scrollIntoView({block: 'center'})")
        browser.touch("#first", 0.05)
        until(lambda: files(new / "one"))
        browser.wait(f"{_CARDS} === 2")
        browser.wait("!document.getElementById('toast').hidden")
        browser.touch("#undo", 0.05)
        browser.wait(f"{_CARDS} === 3")
        assert browser.value("document.documentElement.scrollWidth") <= PHONE
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
    assert browser.errors == []
