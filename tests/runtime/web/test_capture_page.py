"""The page of ``edgeclf capture`` in a real browser, with the real command."""

from __future__ import annotations

import time
from pathlib import Path

from tests.runtime.browser import Browser
from tests.runtime.page_server import running
from tests.runtime.web.pages import assert_fits, files, settled_count, until


def test_a_held_button_takes_images(browser: Browser, video: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with running("capture", photos, "--source", video, "--web", "0", "--classes", "cat,dog", cwd=tmp_path) as url:
        browser.size(1200)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.press('.class[data-name="cat"]')
        browser.wait("parseInt(document.querySelector('.class[data-name=cat] .count').textContent) >= 3")
        assert browser.value("document.querySelector('.class[data-name=cat]').classList.contains('held')")
        browser.release('.class[data-name="cat"]')
        taken = settled_count(photos / "cat")
        assert taken >= 3
        assert str(taken) == browser.value("document.querySelector('.class[data-name=cat] .count').textContent")
        assert {path.suffix for path in files(photos / "cat")} == {".jpg"}
        browser.value("document.activeElement.blur()")
        browser.key("2", down=True)
        until((photos / "dog").is_dir)
        until(lambda: len(files(photos / "dog")) >= 2)
        browser.key("2", down=False)
        dogs = settled_count(photos / "dog")
        browser.wait(f"document.getElementById('undo').textContent === 'Undo {dogs}'")
        assert browser.value("document.querySelectorAll('#strip img').length") == min(12, taken + dogs)
        files(photos / "dog")[0].unlink()  # by somebody else, who opened the folder
        browser.wait(f"document.getElementById('undo').textContent === 'Undo {dogs - 1}'")
        browser.wait(f"document.querySelector('.class[data-name=dog] .count').textContent === '{dogs - 1}'")
        browser.click("#undo")
        until(lambda: not (photos / "dog").exists())  # an empty folder would be a class
        browser.wait("document.querySelector('.class[data-name=dog] .count').textContent === '0'")
        assert len(files(photos / "cat")) == taken
        assert_fits(browser)
        assert not browser.errors


def test_a_button_is_let_go_whatever_else_happens(browser: Browser, video: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    classes = ",".join(["cat", "dog", *(f"class {number}" for number in range(12))])
    with running("capture", photos, "--source", video, "--web", "0", "--classes", classes, cwd=tmp_path) as url:
        browser.size(420, 700)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.keyed("1", "Digit1", down=True)
        until(lambda: len(files(photos / "cat")) >= 2)
        browser.keyed("Shift", "ShiftLeft", down=True)
        browser.keyed("!", "Digit1", down=False)
        browser.wait("!document.querySelector('.held')")
        browser.keyed("Shift", "ShiftLeft", down=False)
        cats = settled_count(photos / "cat")
        browser.keyed("2", "Digit2", down=True)
        until(lambda: len(files(photos / "dog")) >= 2)
        browser.value("document.getElementById('name').focus()")
        browser.wait("!document.querySelector('.held')")
        dogs = settled_count(photos / "dog")
        browser.keyed("2", "Digit2", down=False)
        browser.value("document.querySelector('.class[data-name=dog]').click()")  # as a screen reader does
        assert settled_count(photos / "dog") == dogs + 1
        assert settled_count(photos / "cat") == cats
        assert not browser.errors


def test_a_finger_takes_images_and_a_swipe_none(browser: Browser, video: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    classes = ",".join(f"class {number}" for number in range(14))
    with running("capture", photos, "--source", video, "--web", "0", "--classes", classes, cwd=tmp_path) as url:
        browser.size(420, 700)
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.wait("document.querySelectorAll('.class').length === 14")
        browser.swipe('.class[data-name="class 1"]', 300)
        assert browser.value("window.scrollY") > 50
        assert not [path for path in photos.rglob("*.jpg")]
        time.sleep(1.5)  # it continues by itself
        browser.value("window.scrollTo(0, 0)")
        browser.touch('.class[data-name="class 0"]', 0.02)
        until(lambda: len(files(photos / "class 0")) >= 1)  # on a busy machine it takes longer
        taken = settled_count(photos / "class 0")
        with browser.touching('.class[data-name="class 1"]'):
            until(lambda: len(files(photos / "class 1")) >= 3)
        settled_count(photos / "class 1")
        assert settled_count(photos / "class 0") == taken
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        assert not browser.errors


def test_classes_are_named_on_the_page_and_troubles_are_told(browser: Browser, video: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with running("capture", photos, "--source", video, "--web", "0", cwd=tmp_path) as url:
        browser.size(420)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.type("#name", "../evil")
        browser.click("#adding button")
        browser.wait("document.getElementById('problem').textContent.includes('name is that of a folder')")
        browser.value("document.getElementById('name').value = ''")
        browser.type("#name", "coffee cup")
        browser.click("#adding button")
        browser.wait("document.querySelector('.class .name')?.textContent === 'coffee cup'")
        (photos / "coffee cup").write_text("in the way", "utf-8")
        browser.press(".class")
        browser.wait("/Nothing was written/.test(document.getElementById('notice').textContent)")
        (photos / "coffee cup").unlink()
        browser.wait("document.getElementById('notice').hidden")
        browser.release(".class")
        assert files(photos / "coffee cup")
    browser.wait("/Trying again/.test(document.getElementById('notice').textContent)")
