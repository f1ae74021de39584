"""One process for many cameras, zones and models compared with a process for each zone, on the same videos.

The processes are of this version, and of 0.1, which had one camera and one zone each and decoded each JPEG at full
size; they get the same networks in files that 0.1 reads.

python -m tests.benchmarks.many MODEL [--second MODEL] [--cameras 8] [--zones 3] [--film 600] [--fps 30] [--seconds 240]

Each camera is a Motion JPEG video of 1280x720 that plays at its own speed; zones are split evenly over the two models.
By default the videos ask for more than two cores can do, 720 answers a second.
Once all zones have answered, answers are counted for ``--seconds``: per second in total and, as a busy machine favours
many processes, per second of processor time; also their age, the ratio of the least to the most served zone, and
memory, as the sum of the processes' proportional shares (PSS).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from tests.version_0_1 import unpacked, with_card
from tests.videos import write_video

_DIFFERENT = 100  # number of different images in a video
RUN = [sys.executable, "-m", "edgeclf_runtime", "run"]


@dataclass(frozen=True)
class Zone:
    """A zone of a camera."""

    camera: str
    name: str
    region: tuple[float, float, float, float]
    model: Path


@dataclass(frozen=True)
class Figures:
    """The measurements."""

    rate: float  # answers per second in total
    work: float  # answers per second of processor time
    age: float  # 95th percentile, in seconds
    fairness: float
    memory: float  # MiB

    def __str__(self) -> str:
        answers = f"{self.rate:7.1f}/s {self.work:7.1f}/s of one core"
        return f"{answers} {self.memory:8.0f} MiB {self.age:7.3f} s {self.fairness:5.2f}"


def _film(path: Path, seconds: int, fps: int) -> None:
    """Write a video of shapes that move over a noisy background."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (18, 32, 3), np.uint8)
    background = cv2.resize(small, (1280, 720), interpolation=cv2.INTER_CUBIC)
    images = []
    for number in range(_DIFFERENT):
        image = np.clip(background + rng.normal(0, 4, background.shape), 0, 255).astype(np.uint8)
        cv2.circle(image, (100 + number * 11, 360), 120, (40, 200, 2 * number), -1)
        images.append(image)
    write_video(path, fps, (images[number % _DIFFERENT] for number in range(seconds * fps)))


def _config(zones: list[Zone]) -> str:
    lines = []
    for camera in dict.fromkeys(zone.camera for zone in zones):
        lines += ["[[camera]]", f'name = "{camera}"', f'source = "{camera}.avi"', "realtime = true"]
    for zone in zones:
        lines += ["[[zone]]", f'name = "{zone.name}"', f'camera = "{zone.camera}"', f"region = {list(zone.region)}"]
        lines += [f'model = "{zone.model}"']
    return "\n".join([*lines, "[sinks]", 'jsonl = "one.jsonl"', "rotate_bytes = 1000000000"])


def _one(zones: list[Zone], folder: Path) -> list[subprocess.Popen[bytes]]:
    (folder / "run.toml").write_text(_config(zones), "utf-8")
    return [started_run(folder, [str(zones[0].model), "--config", "run.toml"])]


def _many(zones: list[Zone], folder: Path) -> list[subprocess.Popen[bytes]]:
    started = []
    for zone in zones:
        region = ",".join(map(str, zone.region))
        words = [str(zone.model), "--source", f"{zone.camera}.avi", "--realtime", "--region", region]
        words += ["--jsonl", f"many-{zone.name}.jsonl", "--rotate-bytes", "1000000000"]
        started.append(started_run(folder, words))
    return started


def _old(zones: list[Zone], folder: Path) -> list[subprocess.Popen[bytes]]:
    """Start the processes of version 0.1, whose region and size of a log are in a file."""
    runtime = unpacked(folder / "0.1")
    models = {model: with_card(model, folder / f"old-{model.name}") for model in {zone.model for zone in zones}}
    started = []
    for zone in zones:
        config = folder / f"{zone.name}.toml"
        sinks = f'[sinks]\njsonl = "old-{zone.name}.jsonl"\nrotate = 1000000000\n'
        config.write_text(f"[gate]\nregion = {list(zone.region)}\n{sinks}", "utf-8")
        words = ["--config", config.name, "--source", f"{zone.camera}.avi", "--realtime"]
        started.append(started_run(folder, [str(models[zone.model]), *words], runtime))
    return started


def started_run(folder: Path, words: list[str], runtime: Path | None = None) -> subprocess.Popen[bytes]:
    """Start ``edgeclf run`` in a folder, optionally with another runtime."""
    environment = {**os.environ, "PYTHONPATH": str(runtime)} if runtime else None
    with (folder / "messages.txt").open("ab") as messages:
        return subprocess.Popen([*RUN, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=messages, env=environment)


def lines_so_far(folder: Path, way: str) -> list[dict[str, Any]]:
    """Return all complete lines so far, each with its ``zone``."""
    found = []
    for path in folder.glob(f"{way}*.jsonl"):
        for text in path.read_text("utf-8").splitlines(keepends=True):
            if text.endswith("\n"):
                found.append({"zone": path.stem.partition("-")[2], **json.loads(text)})
    return found


def answers_so_far(folder: Path, way: str) -> list[tuple[str, float, float]]:
    """Return zone, time and age of all answers so far."""
    lines = [line for line in lines_so_far(folder, way) if "answer" in line]
    return [(line["zone"], line["time"] + line["age"], line["age"]) for line in lines]


def _memory(processes: list[subprocess.Popen[bytes]]) -> float:
    kib = 0
    for process in processes:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines():
            kib += int(line.split()[1]) if line.startswith("Pss:") else 0
    return kib / 1024


def _processor_time(processes: list[subprocess.Popen[bytes]]) -> float:
    ticks = 0
    for process in processes:
        after_name = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _measured(way: str, zones: list[Zone], folder: Path, seconds: float, film: float) -> Figures:
    processes = WAYS[way](zones, folder)
    try:
        until = time.monotonic() + film
        while len({zone for zone, _, _ in answers_so_far(folder, way)}) < len(zones):
            if time.monotonic() > until or any(process.poll() is not None for process in processes):
                text = (folder / "messages.txt").read_text("utf-8")
                raise click.ClickException(f"{way}: not all zones have answered.\n{text}")
            time.sleep(1)
        begin, spent = time.time(), _processor_time(processes)
        time.sleep(seconds)
        end, memory, spent = time.time(), _memory(processes), _processor_time(processes) - spent
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)
    answers = [(zone, age) for zone, moment, age in answers_so_far(folder, way) if begin <= moment < end]
    counts = Counter({zone.name: 0 for zone in zones})
    counts.update(zone for zone, _ in answers)
    ages = [age for _, age in answers]
    fairness = min(counts.values()) / max(counts.values())
    return Figures(len(answers) / seconds, len(answers) / spent, float(np.percentile(ages, 95)), fairness, memory)


WAYS = {"one": _one, "many": _many, "old": _old}


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--second", type=click.Path(path_type=Path, exists=True), help="Second model (default: a copy).")
@click.option("--cameras", default=8, show_default=True, help="Number of videos.")
@click.option("--zones", "zones_each", default=3, show_default=True, help="Zones of each.")
@click.option("--film", default=600, show_default=True, help="Seconds of a video.")
@click.option("--fps", default=30, show_default=True, help="Frames per second of a video.")
@click.option("--seconds", default=240, show_default=True, help="Seconds of counting.")
def main(model: Path, second: Path | None, cameras: int, zones_each: int, film: int, fps: int, seconds: int) -> None:
    """Compare one process for all zones with a process for each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = [folder / "a.tflite", folder / "b.tflite"]
        for path, copied in zip(models, (model, second or model), strict=True):
            shutil.copy(copied, path)
        _film(folder / "film.avi", film, fps)
        zones = []
        for camera in range(cameras):
            (folder / f"camera{camera}.avi").symlink_to("film.avi")
            for part in range(zones_each):
                region = (round(part / zones_each, 3), 0.2, round(1 / zones_each - 0.001, 3), 0.6)
                zones.append(Zone(f"camera{camera}", f"zone{camera}x{part}", region, models[len(zones) % 2]))
        click.echo(f"{cameras} videos of {fps} frames/s, {len(zones)} zones, 2 models, {seconds} s of counting")
        click.echo("                         answers              (work)          PSS  age 95%  least/most served")
        one = _measured("one", zones, folder, seconds, film)
        click.echo(f"one process           {one}")
        for way, what in (("many", "processes"), ("old", "processes, 0.1")):
            many = _measured(way, zones, folder, seconds, film)
            click.echo(f"{len(zones):3} {what:17} {many}")
            rate, work, memory = one.rate / many.rate, one.work / many.work, one.memory / many.memory
            shares = f"{rate:.2f} of the answers, {work:.2f} for the same work, {memory:.2f} of the memory"
            click.echo(f"one over {what}: {shares}")


if __name__ == "__main__":
    main()
