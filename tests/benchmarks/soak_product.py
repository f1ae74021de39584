"""The process under test in the soak: a real ``edgeclf run`` with one camera, or several with two zones each."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.ports import free_port

__all__ = ["ADOPTED", "AGE", "FRAMES", "REOPENED", "Product"]

ADOPTED = "edgeclf_models_total_adopted"
AGE = "edgeclf_frame_age_seconds"
FRAMES = "edgeclf_frames_total"
REOPENED = "edgeclf_source_reopened"

CONFIG = """
{cameras}
[sinks]
jsonl = "seen.jsonl"
csv = "seen.csv"
rotate_bytes = 1000000
snapshots = "kept"
snapshot_labels = ["*"]
snapshot_every = 0.05
snapshot_limit = 500
snapshot_bytes_per_day = 0
mqtt = "mqtt://127.0.0.1:{broker}"
mqtt_device = "soak"
metrics = {metrics}
web = "{web}"
"""


ONE = """
source = "{camera}"
reload = true
[camera]
reopen = true
wait = true
"""

ONE_OF_MANY = """
[[camera]]
name = "camera{number}"
source = "{camera}"
reopen = true
wait = true
[[zone]]
name = "left{number}"
camera = "camera{number}"
region = [0.0, 0.0, 0.9, 1.0]
[[zone]]
name = "whole{number}"
camera = "camera{number}"
"""


def _cameras(urls: Sequence[str]) -> str:
    if len(urls) == 1:
        return ONE.format(camera=urls[0])
    parts = [ONE_OF_MANY.format(number=number, camera=url) for number, url in enumerate(urls)]
    return "".join(["reload = true\n", *parts])


class Product:
    """The process under test."""

    def __init__(self, folder: Path, model: Path, cameras: Sequence[str], broker: int, more: str) -> None:
        self.model, self._new = folder / "model.tflite", model
        shutil.copy(model, self.model)
        self._metrics, self.web = free_port(), free_port()
        text = CONFIG.format(cameras=_cameras(cameras), broker=broker, metrics=self._metrics, web=self.web)
        (folder / "soak.toml").write_text(text, "utf-8")
        command = [sys.executable, "-m", "edgeclf_runtime", "run", str(self.model), "--config", "soak.toml"]
        self._log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [*command, *shlex.split(more)], cwd=folder, stdout=subprocess.DEVNULL, stderr=self._log
        )

    def figures(self) -> dict[str, float]:
        """Return the sums of Prometheus's samples by name, but the largest of ages; empty before it serves."""
        from prometheus_client.parser import text_string_to_metric_families

        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = "_".join([sample.name, *(v for k, v in sample.labels.items() if k == "outcome")])
                before = found.get(name, 0.0)
                found[name] = max(before, sample.value) if name == AGE else before + sample.value
        return found

    def memory(self) -> tuple[int, int]:
        """Return RssAnon in KiB, and the number of threads."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        values = dict(line.split(":", 1) for line in lines)
        return int(values["RssAnon"].split()[0]), int(values["Threads"])

    def swap(self, times: int) -> None:
        """Replace the model this many times, each until adopted: the allocator's blocks settle only after many."""
        while self.process.poll() is None and not self.figures().get(FRAMES):
            time.sleep(0.3)  # otherwise the file would be replaced before it is first checked
        for _ in range(times):
            before = self.figures().get(ADOPTED, 0)
            self.replace_model()
            self.adopts(before)

    def adopts(self, before: float, seconds: float = 600) -> bool:
        """Wait until it has adopted another model; return whether it did."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            if self.figures().get(ADOPTED, 0) > before:
                return True
            time.sleep(0.3)
        return False

    def replace_model(self) -> None:
        beside = self.model.with_suffix(".part")
        shutil.copy(self._new, beside)
        beside.replace(self.model)

    def close(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit status and the seconds until it exited."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        self._log.close()
        return status, time.monotonic() - start
