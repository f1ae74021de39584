"""The page of a run with zones in a real browser, with the real command."""

from __future__ import annotations

import json
from pathlib import Path

from tests.runtime.browser import Browser
from tests.runtime.page_server import running
from tests.runtime.web.pages import assert_fits
from tests.runtime.web_client import Served, Viewer


def test_each_camera_is_a_tile_with_its_zones_answers(
    browser: Browser, model: Path, video: Path, tmp_path: Path
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        f'[[camera]]\nname = "yard"\nsource = "{video}"\nrealtime = true\n'
        f'[[camera]]\nname = "belt"\nsource = "{video}"\nrealtime = true\n'
        '[[zone]]\nname = "gate"\ncamera = "yard"\nregion = [0.1, 0.2, 0.3, 0.4]\n'
        '[[zone]]\nname = "bay"\ncamera = "yard"\npolygon = [[0.5, 0.5], [0.9, 0.5], [0.7, 0.9]]\n'
        '[[zone]]\nname = "parts"\ncamera = "belt"\n',
        "utf-8",
    )
    with running("run", model, "--config", config, "--web", "0", "--threshold", "0", cwd=tmp_path) as url:
        browser.open(url)
        for camera in ("yard", "belt"):
            browser.wait(f"document.querySelector('[data-camera={camera}] img')?.naturalWidth > 0")
        answers = "[...document.querySelectorAll('.tile .tag')].filter((tag) => !tag.hidden)"
        browser.wait(f"{answers}.length === 3")
        shown = browser.value(f"{answers}.map((tag) => tag.textContent)")
        assert [text.partition(":")[0] for text in shown] == ["gate", "bay", "parts"]
        shapes = browser.value("[...document.querySelectorAll('polygon')].map((it) => it.points.length)")
        assert shapes == [4, 3, 4]
        left = browser.value("document.querySelector('.tag').style.left")
        assert left == "10%"
        assert browser.value("document.getElementById('count').textContent") == "2 cameras, 3 zones"
        asked = browser.value("performance.getEntriesByType('resource').map((it) => new URL(it.name).pathname)")
        assert not any(path.startswith(("/state", "/cameras")) for path in asked)  # everything is streamed
        viewer = Viewer(Served(url))
        assert viewer.begin() == 200
        assert [camera["name"] for camera in viewer.message()[0]["cameras"]] == ["yard", "belt"]
        messages = [viewer.message() for _ in range(12)]
        viewer.close()
        assert {told["picture"] for told, picture in messages if picture} == {0, 1}
        assert all(picture[:2] == b"\xff\xd8" for _, picture in messages if picture)
        state = json.loads(browser.value("fetch('state.json').then((answer) => answer.text())"))
        assert [(one["name"], [zone["name"] for zone in one["zones"]]) for one in state["cameras"]] == [
            ("yard", ["gate", "bay"]),
            ("belt", ["parts"]),
        ]
        assert state["cameras"][0]["zones"][0]["answer"] in ("0", "1", "2")
        assert browser.value("fetch('cameras/7.jpg').then((answer) => answer.status)") == 404
        browser.size(420)
        assert_fits(browser)
        assert [line for line in browser.errors if "cameras/7.jpg" not in line] == []
