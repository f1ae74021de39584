"""Headless Chromium, controlled over its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",  # a camera
    "--host-resolver-rules=MAP camera.test 127.0.0.1",  # this machine, but not localhost
)
_PATIENCE = 30.0
_GONE = "Inspected target navigated or closed"  # a page that is being replaced has no answer


class Browser:
    """One page of a browser with its own profile; a context manager.

    Attributes:
        errors: its console messages and uncaught exceptions.
    """

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            pytest.skip("Chromium is not installed: apt-get install chromium")
        connect = pytest.importorskip("websockets.sync.client").connect
        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL
        )
        self._numbers, self.errors = itertools.count(1), list[str]()
        with ExitStack() as stack:
            stack.callback(self._end)
            url = self._page(profile / "DevToolsActivePort")
            # No pings: a training between two tests may leave no thread time to receive an answer.
            options = {
                "max_size": None,
                "open_timeout": _PATIENCE,
                "proxy": None,
                "ping_interval": None,
                "close_timeout": 1,
            }
            self._socket = stack.enter_context(connect(url, **options))
            self._stack = stack.pop_all()
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _page(self, file: Path) -> str:
        """Return the WebSocket address of the page's DevTools."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port(file)}/json/list", timeout=_PATIENCE) as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        return str(page["webSocketDebuggerUrl"])

    def _port(self, file: Path) -> str:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if file.exists() and (lines := file.read_text("utf-8").splitlines()):
                return lines[0]
            time.sleep(0.05)
        raise AssertionError("Chromium did not start")

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a DevTools command and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=_PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        told = message.get("params", {})
        if message["method"] == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        if message["method"] == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def size(self, width: int, height: int = 900) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until a JavaScript expression is true; return its value."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                if value := self.value(f"(() => {{ const it = {expression}; return it instanceof Node || it; }})()"):
                    return value
            except AssertionError as error:
                if _GONE not in str(error):
                    raise
            time.sleep(0.1)
        text = self.value("document.body.innerText")
        raise AssertionError(f"never: {expression}\n{text}\n{self.errors}")

    def _mouse(self, kind: str, selector: str) -> None:
        # Before its style sheet is loaded, an element is where no user has seen it: a click would miss its final place.
        self.wait("document.readyState === 'complete'")
        self.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        x, y = self._middle(selector)
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def away(self) -> None:
        """Move the mouse to a corner of the page."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)

    def press(self, selector: str) -> None:
        """Press the mouse on an element; again, as a user would, if the page moved it away at that moment."""
        found = json.dumps(selector)
        seen = f"event => {{ window.wasHit = Boolean(event.target.closest({found})); }}"
        for _ in range(10):
            self.value(f"wasHit = false; addEventListener('mousedown', {seen}, {{ capture: true, once: true }})")
            self._mouse("mousePressed", selector)
            if self.value("window.wasHit"):
                return
            self.release(selector)
        raise AssertionError(f"never hit: {selector}")

    def release(self, selector: str) -> None:
        self._mouse("mouseReleased", selector)

    def click(self, selector: str) -> None:
        self.press(selector)
        self.release(selector)

    def key(self, text: str, down: bool) -> None:
        code = text if len(text) > 1 else f"Digit{text}" if text.isdecimal() else f"Key{text.upper()}"
        self.keyed(text, code, down)

    def keyed(self, key: str, code: str, down: bool) -> None:
        """Press or release a key."""
        more: dict[str, Any] = {"windowsVirtualKeyCode": 13, "text": "\r"} if key == "Enter" and down else {}
        self.call("Input.dispatchKeyEvent", type="keyDown" if down else "keyUp", key=key, code=code, **more)

    def swipe(self, selector: str, distance: int) -> None:
        """Swipe up by this many pixels, starting on an element."""
        x, y = self._middle(selector)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        for step in range(1, 6):
            self.call(
                "Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": x, "y": y - distance * step / 5}]
            )
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def touch(self, selector: str, seconds: float) -> None:
        """Touch an element for this many seconds without moving, then release."""
        with self.touching(selector):
            time.sleep(seconds)

    @contextmanager
    def touching(self, selector: str) -> Iterator[None]:
        """Keep touching an element, without moving, during the ``with`` block."""
        x, y = self._middle(selector)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        try:
            yield
        finally:
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def _middle(self, selector: str) -> tuple[float, float]:
        """Return the position of an element's centre."""
        box = self.value(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return box[0], box[1]

    def type(self, selector: str, text: str) -> None:
        self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def image(self, path: Path, dark: bool = False) -> None:
        """Write a screenshot of the whole page as a PNG."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
