"""The live page in a real browser, with the real command."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgeclf_runtime import Classifier, Frame
from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink
from edgeclf_runtime.web.live_page import WebSink
from tests.runtime.browser import Browser
from tests.runtime.observations import LABELS, seen
from tests.runtime.page_server import running
from tests.runtime.web.pages import assert_fits, until
from tests.runtime.web_client import ask


@pytest.fixture
def preview(model: Path, video: Path, tmp_path: Path) -> Iterator[str]:
    config = tmp_path / "run.toml"
    config.write_text('[sinks]\nsnapshots = "kept"\nsnapshot_every = 0.5\nsnapshot_uncertain = 0.99\n', "utf-8")
    words = ["run", model, "--source", video, "--realtime", "--threshold", "0", "--config", config, "--web", "0"]
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
    assert_fits(browser)
    assert not browser.errors


def test_a_click_sorts_an_uncertain_image_and_another_takes_it_back(
    browser: Browser, preview: str, tmp_path: Path
) -> None:
    browser.size(420)
    browser.open(preview)
    browser.wait("document.querySelector('#pictures img')?.naturalWidth > 0")
    name = browser.value("document.querySelector('#pictures figure:last-child').dataset.name")
    own = f'#pictures figure[data-name="{name}"]'
    browser.click(f"{own} .chip:nth-child(2)")
    browser.away()
    until((tmp_path / "kept" / "1" / name).is_file)
    assert not (tmp_path / "kept" / "__unsorted" / name).exists()
    browser.wait(f"!document.querySelector({own!r})")
    browser.click("#undo")
    until((tmp_path / "kept" / "__unsorted" / name).is_file)
    browser.wait(f"document.querySelector({own!r})")
    browser.type(f"{own} input", "another")
    browser.key("Enter", down=True)
    browser.key("Enter", down=False)
    until((tmp_path / "kept" / "another" / name).is_file)
    assert not browser.errors


def test_a_button_moves_an_image_of_none_of_the_classes_to_none(browser: Browser, sink: WebSink, folder: Path) -> None:
    browser.size(420)
    browser.open(sink.invitation)
    browser.wait("document.querySelectorAll('#pictures img').length === 3")
    chips = "[...document.querySelectorAll('#pictures figure:first-child .chip')]"
    assert browser.value(f"{chips}.map((chip) => chip.textContent)") == [*LABELS, "None of these"]
    assert "_none" in browser.value(f"{chips}.at(-1).title")
    assert_fits(browser)
    name = browser.value("document.querySelector('#pictures figure:first-child').dataset.name")
    browser.click("#pictures figure:first-child .chip:nth-of-type(3)")
    until((folder / "_none" / name).is_file)
    browser.wait("document.getElementById('said').textContent === 'Moved to _none.'")
    browser.click("#undo")
    until((folder / "__unsorted" / name).is_file)
    assert not browser.errors


def test_images_are_discarded_alone_and_together_and_taken_back(browser: Browser, sink: WebSink, folder: Path) -> None:
    unsorted = folder / "__unsorted"
    names = sorted((path.name for path in unsorted.iterdir()), reverse=True)
    browser.size(420)
    browser.open(sink.invitation)
    browser.wait("document.querySelectorAll('#pictures img').length === 3")
    own = f'#pictures figure[data-name="{names[0]}"]'
    assert browser.value("document.getElementById('discard').hidden")
    browser.click(f"{own} .discard")
    until(lambda: not (unsorted / names[0]).exists())
    assert (folder / "__discarded" / names[0]).is_file()
    browser.wait("document.getElementById('said').textContent === 'Discarded.'")
    browser.click("#undo")
    until((unsorted / names[0]).is_file)
    browser.wait("document.getElementById('said').textContent === 'Moved back.'")
    browser.wait("document.querySelectorAll('#pictures figure:not(.leaving)').length === 3")
    for name in names[1:]:
        browser.click(f'#pictures figure[data-name="{name}"] .select')
    browser.wait("document.getElementById('discard').textContent === 'Discard 2'")
    assert_fits(browser)
    browser.click("#discard")
    until(lambda: [path.name for path in unsorted.iterdir()] == names[:1])
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
    browser.wait(f"{waiting} > {count + 2}")  # this many arrived meanwhile
    assert browser.value(names) == before
    assert browser.value("document.activeElement.value") == "ca"
    browser.click(f'#pictures figure[data-name="{before[1]}"] .chip:nth-child(2)')
    until((tmp_path / "kept" / "1" / before[1]).is_file)
    assert not (tmp_path / "kept" / "ca").exists()
    assert browser.value(names) == before  # the sorted one keeps its place, too, until the mouse leaves
    browser.wait(f"{names}[0] !== {before[0]!r} || document.activeElement.value")
    browser.value("document.querySelector('#pictures input').value = ''; document.activeElement.blur()")
    browser.away()
    browser.wait(f"!{names}.includes({before[1]!r})")
    first, second = browser.value(names)[:2]
    browser.value(f"document.querySelector('figure[data-name=\"{first}\"] .chip:nth-child(2)').focus()")
    for _ in range(5):  # held down
        browser.key("Enter", down=True)
    browser.key("Enter", down=False)
    until((tmp_path / "kept" / "1" / first).is_file)
    assert browser.value("document.activeElement.dataset.name") == second  # and it was not sorted
    assert (tmp_path / "kept" / "__unsorted" / second).is_file()
    assert not browser.errors


def test_the_token_is_asked_for_once(browser: Browser, model: Path, video: Path, tmp_path: Path) -> None:
    words = ["run", model, "--source", video, "--realtime", "--web", "0.0.0.0:0"]
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


def test_the_page_shows_all_labels(browser: Browser) -> None:
    sink = WebSink("0", "", "several.tflite", LABELS)
    try:
        browser.open(sink.invitation)
        for number, (labels, shown) in enumerate(((("cat", "dog"), "cat, dog"), ((), "none"), (("dog",), "dog"))):
            item = seen(number=number)
            decision = Decision("|".join(labels) or "_none", 0.9, True, 0.0, labels=labels)
            prediction = replace(item.prediction, label_thresholds=(0.5, 0.5))
            sink.take(replace(item, prediction=prediction, decision=decision, time=time.time()))
            browser.wait(f"document.getElementById('answer')?.textContent === {shown!r}")
        assert not browser.errors
    finally:
        sink.close()


def test_the_page_shows_familiarity_and_why_there_is_no_answer(browser: Browser, tmp_path: Path) -> None:
    sink = WebSink("0", "", "new.tflite", LABELS, tmp_path)
    SnapshotSink(tmp_path, every=0).take(seen("cat", 0.9, familiarity=0.001))
    try:
        browser.open(sink.invitation)
        shown = [
            (0.4, "cat", "", "40.0%"),
            (0.0012, "unknown", "Unfamiliar: unlike the images of the training", "0.1%"),
        ]
        for number, (familiarity, answer, why, share) in enumerate(shown):
            sink.take(replace(seen("cat", 0.9, familiarity=familiarity), time=time.time() - 10 + 2 * number))
            browser.wait(f"document.getElementById('familiarity')?.textContent === {share!r}")
            assert browser.value("document.getElementById('answer').textContent") == answer
            assert browser.value("document.getElementById('why').innerText") == why
            state = json.loads(ask(sink, "/state.json")[2])
            assert (state["familiarity"], state["reason"]) == (familiarity, "unfamiliar" if why else None)
        conditions = Conditions(40, 0.871, 0.03, is_unlike=True)
        sink.take(replace(seen("cat", 0.9, familiarity=0.01, conditions=conditions), time=time.time() - 1))
        browser.wait("document.getElementById('expected')?.textContent === '87% ± 3'")
        assert browser.value("document.getElementById('notice').innerText").startswith("The images are unlike those")
        state = json.loads(ask(sink, "/state.json")[2])
        assert state["conditions"] == {"views": 40, "is_unlike": True, "accuracy": 0.871, "error": 0.03}
        assert_fits(browser)
        sink.take(replace(seen("dog"), time=time.time()))  # a model without familiarity
        browser.wait("document.getElementById('answer').textContent === 'dog'")
        assert browser.value("document.getElementById('familiar').hidden")
        assert browser.value("document.getElementById('expecting').hidden")
        assert browser.value("document.getElementById('notice').hidden")
        assert browser.value("document.getElementById('why').hidden")
        state = json.loads(ask(sink, "/state.json")[2])
        assert "familiarity" not in state
        browser.wait("document.querySelector('#pictures figcaption span')?.textContent === 'unfamiliar · 90%'")
        chips = "[...document.querySelectorAll('#pictures .chip')].map((chip) => chip.textContent)"
        assert browser.value(chips) == ["cat", "dog", "None of these"]
        browser.click("#pictures .chip:nth-child(3)")
        until((tmp_path / "_none").is_dir)
        assert not browser.errors
    finally:
        sink.close()


def test_the_page_shows_the_training_image_that_a_frame_is_most_like(
    browser: Browser, model: Path, digits: Path, tmp_path: Path
) -> None:
    with Classifier.load(model) as classifier:
        examples, known = classifier.examples, sorted((digits / "1").iterdir())[0]
        assert examples is not None
        prediction = classifier.classify(Frame(read_image(known), time.monotonic(), 0, "/dev/video0"))
        sink = WebSink("0", "", model.name, classifier.card.labels, examples=examples)
        plain = WebSink("0", "", "plain.tflite", classifier.card.labels)
    item = replace(seen("1", 0.9, familiarity=0.4), prediction=prediction, time=time.time())
    try:
        browser.open(sink.invitation)
        sink.take(item)
        assert prediction.features is not None
        number, likeness = examples.nearest(prediction.features)
        browser.wait("document.getElementById('example')?.naturalWidth > 0")
        assert browser.value("document.getElementById('example-label').textContent") == "1"
        assert browser.value("document.getElementById('likeness').textContent") == f"{likeness:.0%}"
        assert ask(sink, f"/examples/{number}.jpg")[2] == examples.images[number]
        assert ask(sink, "/examples/999.jpg")[0] == 404
        assert_fits(browser)
        sink.take(ModelState("adopted", "new.tflite", LABELS))  # a model without examples
        sink.take(replace(seen("dog"), time=time.time()))
        browser.wait("document.getElementById('answer')?.textContent === 'dog'")
        assert browser.value("document.getElementById('like').hidden")
        plain.take(item)
        assert "like" not in json.loads(ask(plain, "/state.json")[2])
        assert not browser.errors
    finally:
        sink.close()
        plain.close()
