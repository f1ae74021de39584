"""Both pages in a real browser, before the real commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.web.live_page import WebSink
from tests.films import write_film
from tests.runtime.browser import Browser, running
from tests.runtime.observations import seen

SECONDS = 240


@pytest.fixture(scope="module")
def film(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits that turn into one another, for longer than a test takes; no two pictures of half a minute look alike."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    pictures = [cv2.resize(cv2.imread(str(next((digits / str(digit)).iterdir()))), (320, 240)) for digit in (0, 1, 2)]
    steps = ((number // 10, number % 10 / 10) for number in range(10 * SECONDS))
    blends = (cv2.addWeighted(pictures[i % 3], 1 - s, pictures[(i + 1) % 3], s, 0) for i, s in steps)
    write_film(path, 10, (_marked(picture, number) for number, picture in enumerate(blends)))
    return path


def _marked(picture: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.uint8]:
    row, column = divmod(number // 5 % 48, 8)
    picture[row * 40 : row * 40 + 20, column * 40 : column * 40 + 20] = 255 - 20 * (number // 240)
    return picture


def _fits(browser: Browser) -> None:
    for width in (420, 1200):
        browser.size(width)
        assert browser.value("document.documentElement.scrollWidth") <= width


def _until(true: Any) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if not path.name.startswith(".")]


@pytest.fixture
def preview(model: Path, film: Path, tmp_path: Path) -> Iterator[str]:
    config = tmp_path / "run.toml"
    config.write_text('[sinks]\nsnapshots = "kept"\nsnapshot_every = 0.5\nsnapshot_uncertain = 0.99\n', "utf-8")
    words = ["run", model, "--source", film, "--realtime", "--threshold", "0", "--config", config, "--web", "0"]
    with running(*words, "--region", "0.1,0,0.8,1", cwd=tmp_path) as url:
        yield url


def test_the_preview_shows_what_a_run_sees(browser: Browser, preview: str) -> None:
    browser.open(preview)
    assert browser.wait("document.getElementById('picture')?.naturalWidth") == 320
    assert browser.wait("['0', '1', '2'].includes(document.getElementById('answer').textContent)")
    bars = "[...document.querySelectorAll('#bars .bar')]"
    assert browser.value(f"{bars}.map((bar) => bar.firstChild.textContent)") == ["0", "1", "2"]
    shares = browser.value(f"{bars}.map((bar) => parseFloat(bar.querySelector('i').style.width))")
    assert 90 < sum(shares) < 110
    browser.wait("parseFloat(document.getElementById('fps').textContent) > 1")
    assert browser.value("document.getElementById('source').textContent") == "running"
    assert "network" in browser.value("document.getElementById('stages').textContent")
    assert browser.value("document.getElementById('seen').innerText").endswith("region 0.1,0,0.8,1")
    browser.wait("document.querySelectorAll('#history .curve').length > 1")
    before = browser.value("document.getElementById('picture').src")
    browser.wait(f"document.getElementById('picture').src !== {before!r}")
    _fits(browser)
    assert not browser.errors


def test_a_click_sorts_an_uncertain_picture_and_another_takes_it_back(
    browser: Browser, preview: str, tmp_path: Path
) -> None:
    browser.size(420)
    browser.open(preview)
    browser.wait("document.querySelector('#pictures img')?.naturalWidth > 0")
    name = browser.value("document.querySelector('#pictures figure:last-child').dataset.name")
    own = f'#pictures figure[data-name="{name}"]'
    browser.click(f"{own} .chip:nth-child(2)")
    browser.away()
    _until((tmp_path / "kept" / "1" / name).is_file)
    assert not (tmp_path / "kept" / "__unsorted" / name).exists()
    browser.wait(f"!document.querySelector({own!r})")
    browser.click("#undo")
    _until((tmp_path / "kept" / "__unsorted" / name).is_file)
    browser.wait(f"document.querySelector({own!r})")
    browser.type(f"{own} input", "none of these")
    browser.key("Enter", down=True)
    browser.key("Enter", down=False)
    _until((tmp_path / "kept" / "none of these" / name).is_file)
    assert not browser.errors


def test_pictures_are_discarded_alone_and_together_and_taken_back(
    browser: Browser, sink: WebSink, folder: Path
) -> None:
    unsorted = folder / "__unsorted"
    names = sorted((path.name for path in unsorted.iterdir()), reverse=True)
    browser.size(420)
    browser.open(sink.invitation)
    browser.wait("document.querySelectorAll('#pictures img').length === 3")
    own = f'#pictures figure[data-name="{names[0]}"]'
    assert browser.value("document.getElementById('discard').hidden")
    browser.click(f"{own} .discard")
    _until(lambda: not (unsorted / names[0]).exists())
    assert (folder / "__discarded" / names[0]).is_file()
    browser.wait("document.getElementById('said').textContent === 'Discarded.'")
    browser.click("#undo")
    _until((unsorted / names[0]).is_file)
    browser.wait("document.getElementById('said').textContent === 'Moved back.'")
    browser.wait("document.querySelectorAll('#pictures figure:not(.leaving)').length === 3")
    for name in names[1:]:
        browser.click(f'#pictures figure[data-name="{name}"] .select')
    browser.wait("document.getElementById('discard').textContent === 'Discard 2'")
    _fits(browser)
    browser.click("#discard")
    _until(lambda: [path.name for path in unsorted.iterdir()] == names[:1])
    browser.away()
    browser.wait("document.querySelectorAll('#pictures figure').length === 1")
    browser.wait("document.getElementById('said').textContent === '2 discarded.'")
    browser.click("#undo")
    browser.wait("document.querySelectorAll('#pictures figure').length === 3")
    browser.click("#select-all")
    browser.wait("document.getElementById('select-all').textContent === 'Select none'")
    browser.click("#discard")
    browser.wait("document.getElementById('none').hidden === false")
    assert sorted((path.name for path in (folder / "__discarded").iterdir()), reverse=True) == names
    assert not browser.errors


def test_nothing_moves_and_nothing_is_sorted_while_a_label_is_typed(
    browser: Browser, preview: str, tmp_path: Path
) -> None:
    browser.size(1200)
    browser.open(preview)
    browser.wait("document.querySelectorAll('#pictures figure').length >= 2")
    names = "[...document.querySelectorAll('#pictures figure')].map((figure) => figure.dataset.name)"
    before = browser.value(names)
    browser.type(f'#pictures figure[data-name="{before[0]}"] input', "ca")
    waiting = "parseInt(document.getElementById('waiting').textContent)"
    count = browser.value(waiting)
    browser.wait(f"{waiting} > {count + 2}")  # so many came meanwhile
    assert browser.value(names) == before
    assert browser.value("document.activeElement.value") == "ca"
    browser.click(f'#pictures figure[data-name="{before[1]}"] .chip:nth-child(2)')
    _until((tmp_path / "kept" / "1" / before[1]).is_file)
    assert not (tmp_path / "kept" / "ca").exists()
    assert browser.value(names) == before  # the sorted one keeps its place, too, until nobody points
    browser.wait(f"{names}[0] !== {before[0]!r} || document.activeElement.value")
    browser.value("document.querySelector('#pictures input').value = ''; document.activeElement.blur()")
    browser.away()
    browser.wait(f"!{names}.includes({before[1]!r})")
    first, second = browser.value(names)[:2]
    browser.value(f"document.querySelector('figure[data-name=\"{first}\"] .chip:nth-child(2)').focus()")
    for _ in range(5):  # held down
        browser.key("Enter", down=True)
    browser.key("Enter", down=False)
    _until((tmp_path / "kept" / "1" / first).is_file)
    assert browser.value("document.activeElement.dataset.name") == second  # nor was it sorted
    assert (tmp_path / "kept" / "__unsorted" / second).is_file()
    assert not browser.errors


def test_the_token_is_asked_for_once(browser: Browser, model: Path, film: Path, tmp_path: Path) -> None:
    words = ["run", model, "--source", film, "--realtime", "--web", "0.0.0.0:0"]
    with running(*words, cwd=tmp_path) as url:
        token = url.partition("?token=")[2]
        page = f"http://127.0.0.1:{url.rpartition(':')[2].partition('/')[0]}/"
        browser.open(page)
        browser.wait("document.querySelector('form input[name=token]')")
        browser.type("input[name=token]", token)
        browser.click("form button")
        browser.wait("document.getElementById('picture')?.naturalWidth")
        assert browser.value("location.href") == page
        assert token not in browser.value("document.cookie + document.documentElement.outerHTML")
        browser.open(page)
        browser.wait("document.getElementById('picture')?.naturalWidth")


def test_the_tokens_button_stays_when_the_icon_comes_late(browser: Browser, guarded: WebSink) -> None:
    page = f"http://127.0.0.1:{guarded.invitation.partition('?')[0].rpartition(':')[2]}"
    heights = []
    browser.call("Network.enable")
    for blocked in (["*icon.svg"], []):
        browser.call("Network.setBlockedURLs", urls=blocked)
        browser.open("about:blank")
        browser.wait("location.href === 'about:blank'")
        browser.open(page)
        browser.wait("document.readyState === 'complete' && document.querySelector('form button')")
        heights.append(browser.value("document.querySelector('form button').getBoundingClientRect().y"))
    browser.call("Network.disable")
    assert heights[0] == heights[1] > 0


def test_a_held_button_takes_pictures(browser: Browser, film: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with running("capture", photos, "--source", film, "--web", "0", "--classes", "cat,dog", cwd=tmp_path) as url:
        browser.size(1200)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.press('.class[data-name="cat"]')
        browser.wait("parseInt(document.querySelector('.class[data-name=cat] .count').textContent) >= 3")
        assert browser.value("document.querySelector('.class[data-name=cat]').classList.contains('held')")
        browser.release('.class[data-name="cat"]')
        taken = _taken(photos / "cat")
        assert taken >= 3
        assert str(taken) == browser.value("document.querySelector('.class[data-name=cat] .count').textContent")
        assert {path.suffix for path in _files(photos / "cat")} == {".jpg"}
        browser.value("document.activeElement.blur()")
        browser.key("2", down=True)
        _until((photos / "dog").is_dir)
        _until(lambda: len(_files(photos / "dog")) >= 2)
        browser.key("2", down=False)
        dogs = _taken(photos / "dog")
        browser.wait(f"document.getElementById('undo').textContent === 'Take back {dogs}'")
        assert browser.value("document.querySelectorAll('#strip img').length") == min(12, taken + dogs)
        _files(photos / "dog")[0].unlink()  # by somebody else, who looks at the folder
        browser.wait(f"document.getElementById('undo').textContent === 'Take back {dogs - 1}'")
        browser.wait(f"document.querySelector('.class[data-name=dog] .count').textContent === '{dogs - 1}'")
        browser.click("#undo")
        _until(lambda: not (photos / "dog").exists())  # an empty one would be a class
        browser.wait("document.querySelector('.class[data-name=dog] .count').textContent === '0'")
        assert len(_files(photos / "cat")) == taken
        _fits(browser)
        assert not browser.errors


def _taken(folder: Path) -> int:
    """Pictures in it, when no more come."""
    counts = [-1]
    while len(_files(folder)) != counts[-1]:
        counts.append(len(_files(folder)))
        assert len(counts) < 20
        time.sleep(1)
    return counts[-1]


def test_a_button_is_let_go_whatever_else_happens(browser: Browser, film: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    classes = ",".join(["cat", "dog", *(f"class {number}" for number in range(12))])
    with running("capture", photos, "--source", film, "--web", "0", "--classes", classes, cwd=tmp_path) as url:
        browser.size(420, 700)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.keyed("1", "Digit1", down=True)
        _until(lambda: len(_files(photos / "cat")) >= 2)
        browser.keyed("Shift", "ShiftLeft", down=True)
        browser.keyed("!", "Digit1", down=False)
        browser.wait("!document.querySelector('.held')")
        browser.keyed("Shift", "ShiftLeft", down=False)
        cats = _taken(photos / "cat")
        browser.keyed("2", "Digit2", down=True)
        _until(lambda: len(_files(photos / "dog")) >= 2)
        browser.value("document.getElementById('name').focus()")
        browser.wait("!document.querySelector('.held')")
        dogs = _taken(photos / "dog")
        browser.keyed("2", "Digit2", down=False)
        browser.value("document.querySelector('.class[data-name=dog]').click()")  # as a screen reader does
        assert _taken(photos / "dog") == dogs + 1
        assert _taken(photos / "cat") == cats
        assert not browser.errors


def test_a_finger_takes_pictures_and_a_swipe_none(browser: Browser, film: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    classes = ",".join(f"class {number}" for number in range(14))
    with running("capture", photos, "--source", film, "--web", "0", "--classes", classes, cwd=tmp_path) as url:
        browser.size(420, 700)
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.wait("document.querySelectorAll('.class').length === 14")
        browser.swipe('.class[data-name="class 1"]', 300)
        assert browser.value("window.scrollY") > 50
        assert not [path for path in photos.rglob("*.jpg")]
        time.sleep(1.5)  # it goes on of itself
        browser.value("window.scrollTo(0, 0)")
        browser.touch('.class[data-name="class 0"]', 0.02)
        _until(lambda: len(_files(photos / "class 0")) == 1)
        browser.touch('.class[data-name="class 1"]', 1.5)
        assert _taken(photos / "class 1") >= 3
        assert _taken(photos / "class 0") == 1
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        assert not browser.errors


def test_classes_are_named_on_the_page_and_troubles_are_told(browser: Browser, film: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with running("capture", photos, "--source", film, "--web", "0", cwd=tmp_path) as url:
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
        assert _files(photos / "coffee cup")
    browser.wait("/Trying again/.test(document.getElementById('notice').textContent)")


def test_a_class_called_unknown_is_no_refusal(browser: Browser) -> None:
    labels, decisions = ("unknown", "dog"), [Decision("unknown", 0.9, True, 0.0, refused) for refused in (False, True)]
    sink = WebSink("0", "", "old.tflite", labels)
    try:
        browser.open(sink.invitation)
        for number, (decision, shown) in enumerate(zip(decisions, ("90%", "unknown? 90%"), strict=True)):
            item = seen("unknown", 0.9)
            prediction = replace(item.prediction, labels=labels)
            moment = time.time() - 10 + 2 * number
            sink.take(replace(item, prediction=prediction, decision=decision, time=moment))
            browser.wait(f"document.getElementById('score')?.textContent === {shown!r}")
            dim = browser.value("document.getElementById('headline').classList.contains('unknown')")
            assert dim == decision.refused
        browser.wait("document.querySelectorAll('#legend li').length === 2")
        kinds = "[...document.querySelectorAll('#legend i')].map((mark) => mark.className)"
        assert browser.value(kinds) == ["kind-0", "kind-none"]
        assert not browser.errors
    finally:
        sink.close()
