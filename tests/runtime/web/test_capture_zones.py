"""Photographs of a zone of run.toml, as the network will see it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.view import MASK
from tests.runtime.browser import Browser
from tests.runtime.page_server import running
from tests.runtime.web.pages import files, until
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "capture"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two videos of one colour each, with a zone in run.toml and one drawn on the page."""
    for name, colour in (("red", (20, 20, 220)), ("blue", (220, 20, 20))):  # BGR
        write_video(tmp_path / f"{name}.avi", 10, [np.full((120, 160, 3), colour, np.uint8)] * 600)
    (tmp_path / "zones.toml").write_text(
        '[[zone]]\nname = "roof"\ncamera = "red"\npolygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]\n', "utf-8"
    )
    path = tmp_path / "run.toml"
    path.write_text(
        'page_zones = "zones.toml"\n[[camera]]\nname = "red"\nsource = "red.avi"\n'
        '[[camera]]\nname = "blue"\nsource = "blue.avi"\n'
        '[[zone]]\nname = "gate"\ncamera = "blue"\nregion = [0.25, 0.5, 0.5, 0.25]\n',
        "utf-8",
    )
    return path


def _capture(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, "photos", *words], cwd=folder, capture_output=True, text=True, timeout=120)


def test_photographs_show_the_zone_alone(config: Path) -> None:
    words = ["--config", "run.toml", "--every", "0.05", "--label", "x", "--count", "1"]
    for zone, shape in (("gate", (30, 80)), ("roof", (60, 80))):
        done = _capture(config.parent, *words, "--zone", zone)
        assert done.returncode == 0, done.stderr
        assert "run.toml has the zone" in done.stdout
        pixels = read_image(max(files(config.parent / "photos" / "x")))
        assert pixels.shape[:2] == shape
        if zone == "roof":  # outside its corners it is grey
            assert np.abs(pixels[55, 5].astype(int) - MASK).max() < 12
            assert pixels[5, 75, 0] > 180
        else:
            assert pixels[..., 2].min() > 180


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--zone", "gate"], "--zone needs --config, the run.toml with this zone."),
        (["--config", "run.toml", "--zone", "gat"], "run.toml: no zone 'gat'; did you mean gate?"),
        (["--config", "run.toml", "--source", "0", "--rotate", "90"], "omit --source, --rotate."),
        (["--config", "none.toml"], "none.toml: no such file."),
    ],
)
def test_a_wrong_zone_is_refused_in_one_line(config: Path, words: list[str], why: str) -> None:
    done = _capture(config.parent, *words)
    assert done.returncode != 0
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert not (config.parent / "photos").exists()


def test_the_page_offers_the_zones(browser: Browser, config: Path) -> None:
    folder = config.parent
    words = ["capture", "photos", "--config", "run.toml", "--zone", "gate", "--classes", "a", "--web", "0"]
    with running(*words, cwd=folder) as url:
        browser.open(url)
        browser.wait("document.getElementById('picture')?.naturalWidth === 80")
        pressed = "document.querySelector('#zones [aria-pressed=true]')?.textContent"
        assert browser.value(pressed) == "gate"
        browser.click("#zones [data-zone=roof]")  # of the other camera
        browser.wait(f"{pressed} === 'roof'")
        browser.wait("document.getElementById('picture')?.naturalHeight === 60")
        browser.click(".class")
        until(lambda: (folder / "photos" / "a").exists() and files(folder / "photos" / "a"))
        assert browser.errors == []
    assert read_image(files(folder / "photos" / "a")[0]).shape == (60, 80, 3)
