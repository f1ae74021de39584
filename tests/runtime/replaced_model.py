"""``edgeclf run`` on a folder that constantly receives images, and whose model file is replaced."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

__all__ = ["Running"]

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]

# Python runs this first, also in the process that tries a file: there it dies like an interpreter that crashes.
CRASH = """
import os, signal, sys
if "verify" in sys.orig_argv and os.path.exists(os.environ["CRASH"]):
    os.kill(os.getpid(), signal.SIGSEGV)
"""


class Running:
    """``edgeclf run --watch`` on FOLDER/in; started again in the same folder, it finds the model as it was left.

    Args:
        words: further options.
        environment: further variables.
    """

    def __init__(self, model: Path, image: Path, folder: Path, *words: str, **environment: str) -> None:
        self.model, self._picture, self._pictures = folder / "model.tflite", image, folder / "in"
        self._pictures.mkdir(exist_ok=True)
        if not self.model.exists():
            shutil.copy(model, self.model)
        (folder / "site").mkdir(exist_ok=True)
        (folder / "site" / "sitecustomize.py").write_text(CRASH, "utf-8")
        self.crash = folder / "crash"
        environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "CRASH": str(self.crash), **environment}
        arguments = [str(self.model), "--source", str(self._pictures), "--watch", "--json", *words]
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[dict[str, Any]] = []
        self.given, self._ended = 0, threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._feed)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _feed(self) -> None:
        for number in itertools.count():
            beside = self._pictures / f"{number:05}.part"
            shutil.copy(self._picture, beside)
            beside.rename(beside.with_suffix(".png"))
            self.given += 1
            if self._ended.wait(0.03):
                return

    def wait(self, wanted: Any, after: int = 0) -> dict[str, Any]:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for line in self.lines[after:]:
                if wanted(line):
                    return line
            time.sleep(0.05)
        raise AssertionError(self.lines[-3:])

    def put(self, file: Path) -> dict[str, Any]:
        """Move a file to the model's place; return the outcome."""
        after = len(self.lines)
        os.replace(file, self.model)
        return self.wait(lambda line: "model" in line, after)

    def close(self) -> None:
        self._ended.set()
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> list[dict[str, Any]]:
        """Stop, and return the observations once all images were seen."""
        self._ended.set()
        self._threads[1].join()
        last = f"{self.given - 1:05}.png"
        self.wait(lambda line: line.get("source", "").endswith(last))
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.close()
        return [line for line in self.lines if "frame" in line]
