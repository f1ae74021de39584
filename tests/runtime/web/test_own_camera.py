"""The capture page with a phone's own camera, in a real browser with a fake one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime.pictures.images import read_image
from tests.runtime.browser import Browser
from tests.runtime.page_server import running
from tests.runtime.still_camera import certificate
from tests.videos import write_video

PHONE = (390, 844)


def _named(url: str) -> str:
    """Return the same page under a name other than localhost."""
    return re.sub(r"//[^/]+:", "//camera.test:", url)


def _may_use_camera(browser: Browser, setting: str) -> None:
    browser.call("Browser.setPermission", permission={"name": "camera"}, setting=setting)


def _count(browser: Browser, name: str) -> int:
    return int(browser.value(f"document.querySelector('.class[data-name={name}] .count').textContent"))


@pytest.mark.skipif(not shutil.which("openssl"), reason="apt-get install openssl")
def test_a_phone_takes_images_with_its_own_camera(browser: Browser, tmp_path: Path) -> None:
    video, photos = tmp_path / "video.avi", tmp_path / "photos"
    write_video(video, 2, (np.full((48, 64, 3), number, np.uint8) for number in range(240)))
    files = certificate(tmp_path, "camera.test")
    browser.call("Security.setIgnoreCertificateErrors", ignore=True)
    _may_use_camera(browser, "granted")
    words = ["--source", video, "--classes", "cat,dog", "--web", "0.0.0.0:0", "--tls", *files, "--region", "0,0,0.5,1"]
    with running("capture", photos, *words, cwd=tmp_path) as url:
        assert url.startswith("https://")
        browser.size(*PHONE)
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        browser.open(_named(url))
        browser.wait("document.getElementById('picture')?.naturalWidth")
        browser.wait("!document.getElementById('cameras').hidden")
        assert "are not cropped: region 0,0,0.5,1" in browser.value(
            "document.getElementById('about-cameras').innerText"
        )
        browser.click("#use-own")
        browser.wait("document.getElementById('own').videoWidth")
        width, height = browser.value(
            "[document.getElementById('own').videoWidth, document.getElementById('own').videoHeight]"
        )
        assert browser.value("getComputedStyle(document.getElementById('picture')).display") == "none"
        browser.wait("document.getElementById('source').textContent === 'this device'")
        browser.touch('.class[data-name="cat"]', 0.02)
        browser.wait("document.getElementById('total').textContent === '1 image'")
        (path,) = (photos / "cat").iterdir()
        assert read_image(path).shape == (height, width, 3)
        assert read_image(path)[..., 1].mean() > 2 * read_image(path)[..., 0].mean()  # the browser's camera is green
        browser.press('.class[data-name="dog"]')
        browser.wait("parseInt(document.querySelector('.class[data-name=dog] .count').textContent) >= 2")
        browser.release('.class[data-name="dog"]')
        browser.wait("document.getElementById('classes').ariaBusy === 'false'")  # the last one has arrived
        browser.click("#use-theirs")
        browser.wait("document.getElementById('source').textContent === 'running'")
        assert browser.value("document.getElementById('own').srcObject") is None  # the camera is off
        dogs = len(list((photos / "dog").iterdir()))
        browser.wait(f"document.querySelector('.class[data-name=dog] .count').textContent === '{dogs}'")
        assert browser.value("document.getElementById('undo').textContent") == f"Undo {dogs}"
        browser.wait(f"document.querySelectorAll('#strip img').length === {dogs + 1}")
        browser.click("#undo")
        browser.wait("document.getElementById('undo').disabled && document.querySelectorAll('#strip img').length === 1")
        assert (_count(browser, "dog"), list((photos).iterdir())) == (0, [photos / "cat"])
        assert browser.value("document.documentElement.scrollWidth") <= PHONE[0]
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        assert not browser.errors


def test_without_a_camera_at_the_server_and_a_browser_that_refuses(browser: Browser, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with running("capture", photos, "--source", "none", "--classes", "cat", "--web", "0", cwd=tmp_path) as url:
        browser.size(*PHONE)
        _may_use_camera(browser, "denied")
        browser.open(url.replace("127.0.0.1", "localhost"))
        browser.wait("document.querySelector('.class')")
        assert browser.value("document.getElementById('cameras').hidden")
        browser.click("#turn-on")
        browser.wait(
            "document.getElementById('own-empty').textContent.startsWith('The browser may not use the camera.')"
        )
        browser.click(".class")
        browser.wait("document.getElementById('problem').textContent === 'The camera of this device is off.'")
        _may_use_camera(browser, "granted")
        browser.click("#turn-on")
        browser.wait("document.getElementById('source').textContent === 'this device'")
        browser.key("1", down=True)
        browser.key("1", down=False)
        browser.wait("document.querySelector('.count').textContent !== '0'")
        browser.wait("document.getElementById('problem').hidden")  # the answer may come after the count
        assert _count(browser, "cat") == len(list((photos / "cat").iterdir())) == 1
        assert not browser.errors


def test_the_camera_is_off_while_nobody_sees_the_page(browser: Browser, tmp_path: Path) -> None:
    _may_use_camera(browser, "granted")
    with running("capture", "photos", "--source", "none", "--classes", "cat", "--web", "0", cwd=tmp_path) as url:
        browser.open(url)
        browser.wait("document.querySelector('.class')")
        browser.click("#turn-on")
        browser.wait("document.getElementById('source').textContent === 'this device'")
        browser.value("window.track = document.getElementById('own').srcObject.getVideoTracks()[0]")
        _hide(browser, True)
        assert browser.value("track.readyState") == "ended"
        _hide(browser, False)
        browser.wait("document.getElementById('source').textContent === 'this device'")
        browser.value("document.getElementById('own').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
        assert browser.value("document.getElementById('own-empty').textContent") == "The camera was disconnected."
        assert not browser.value("document.getElementById('turn-on').hidden")
        assert not browser.errors


def _hide(browser: Browser, hidden: bool) -> None:
    value = "true" if hidden else "false"
    browser.value(f"Object.defineProperty(document, 'hidden', {{ value: {value}, configurable: true }})")
    browser.value("document.dispatchEvent(new Event('visibilitychange'))")


def test_where_it_is_not_offered_the_page_says_why(browser: Browser, tmp_path: Path) -> None:
    for source in ("video.avi", "none"):
        write_video(tmp_path / "video.avi", 2, (np.full((48, 64, 3), number, np.uint8) for number in range(60)))
        with running("capture", "photos", "--source", source, "--web", "0.0.0.0:0", cwd=tmp_path) as url:
            browser.size(*PHONE)
            browser.open(_named(url))
            place = "own-empty" if source == "none" else "about-cameras"
            browser.wait(f"document.getElementById('{place}')?.innerText")
            text = browser.value(f"document.getElementById('{place}').innerText")
            port = url.partition("/?")[0].rpartition(":")[2]
            assert "only over HTTPS or from localhost" in text
            assert "--tls CERT KEY" in text
            assert f"ssh -L {port}:localhost:{port} camera.test" in text
            assert browser.value(
                "document.getElementById('cameras').hidden && document.getElementById('turn-on').offsetParent === null"
            )
            assert browser.value("document.documentElement.scrollWidth") <= PHONE[0]
