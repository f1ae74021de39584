#!/usr/bin/python3
"""First process of a machine that loses power: `edgeclf run`, while its model and its config are replaced.

The console gets a line of JSON after ``@@`` for each step. What is not synced stays in memory.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time
import traceback
import zipfile
from collections.abc import Callable
from typing import Any

sys.path.insert(0, "/opt/site")
WORK = pathlib.Path("/work")
MODEL, CONFIG, SEEN = WORK / "model.tflite", WORK / "run.toml", WORK / "seen.jsonl"
STARTING, JUDGED = 200.0, 150.0  # maximum seconds until there are frames, and until a model is adopted
PAUSE = 3.0  # seconds until the next model
REPORT = 0.25  # seconds
# Kernel settings: write what is synced, and print nothing between the lines of the console.
SETTINGS = {"vm/dirty_writeback_centisecs": 0, "vm/dirty_expire_centisecs": 360_000, "kernel/printk": 1}
_lock = threading.Lock()


def say(what: str, **values: object) -> None:
    line = json.dumps({"what": what, "at": time.monotonic(), **values})
    with _lock:
        os.write(1, f"\n@@{line}\n".encode())


def words() -> dict[str, str]:
    """Return the arguments on the kernel's command line."""
    pairs = pathlib.Path("/proc/cmdline").read_text().split()
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def prepare() -> None:
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME="/tmp", LANG="C.UTF-8", PYTHONPATH="/opt/site")
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/tmp")):
        subprocess.run(["mount", "-t", kind, kind, place], check=True)
    for name, value in SETTINGS.items():
        pathlib.Path("/proc/sys", name).write_text(str(value))


def without_fsync() -> None:
    """Disable fsync in this process, and in all that it starts."""
    os.fsync = lambda fd: None
    folder = pathlib.Path("/tmp/without")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import os\nos.fsync = lambda fd: None\n")
    os.environ["PYTHONPATH"] = f"{folder}:/opt/site"


def lines() -> list[dict[str, Any]]:
    """Return the last complete JSON lines."""
    try:
        with open(SEEN, "rb") as file:
            file.seek(max(0, os.path.getsize(SEEN) - 4000))
            return [json.loads(line) for line in file.read().split(b"\n")[1:-1]]
    except (OSError, ValueError):  # there is none yet, or a cut left the end of one
        return []


def newest() -> float:
    """Return the time of the last frame; 0 before the first."""
    return max((line["time"] for line in lines() if "frame" in line), default=0)


def judged(since: float) -> bool:
    """Return whether a line mentions a model that was put there."""
    return any("model" in line and line["time"] > since for line in lines())


def awaited(so: Callable[..., bool], since: float, seconds: float) -> bool:
    """Return whether a condition holds within this time."""
    until = time.monotonic() + seconds
    while not (was := so(since)) and time.monotonic() < until:
        time.sleep(REPORT)
    return was


def runs(since: float) -> bool:
    return newest() > since


def report() -> None:
    while True:
        say("seen", frame=newest(), snapshots=len(glob.glob(f"{WORK}/snapshots/*/*.jpg")))
        time.sleep(REPORT)


def model(number: int) -> bytes:
    """Return one of two networks with a number, stored as the comment of the ZIP archive at its end."""
    path = "/tmp/numbered.tflite"
    shutil.copy(WORK / ("first.tflite", "second.tflite")[number % 2], path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"%d" % number
    return pathlib.Path(path).read_bytes()


def replace(path: pathlib.Path, content: bytes, synced: bool) -> None:
    say("begins", path=path.name, digest=hashlib.sha256(content).hexdigest())
    if synced:
        from edgeclf_runtime.system.atomic_file import written_beside

        with written_beside(path) as hidden:
            hidden.write_bytes(content)
    else:
        path.with_suffix(".new").write_bytes(content)
        os.replace(path.with_suffix(".new"), path)
    say("replaced", path=path.name)


def main() -> None:
    prepare()
    given = words()
    if given["fsync"] == "no":
        without_fsync()
    chance, start = random.Random(int(given["seed"])), time.time()
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(MODEL), "--config", str(CONFIG)]
    runner = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    threading.Thread(target=report, daemon=True).start()
    if awaited(runs, start, STARTING):
        say("running")
    number, config = 0, CONFIG.read_text().splitlines()
    while runner.poll() is None:
        number, begun = number + 1, time.time()
        replace(MODEL, model(number), given["by"] == "sync")
        replace(CONFIG, "\n".join([f"# {number} {start}", *config[1:], ""]).encode(), synced=True)
        if given["until"] == "judged" and awaited(judged, begun, JUDGED):
            say("judged")
        time.sleep(chance.uniform(0, PAUSE))
    say("ended", status=runner.returncode)


try:
    main()
except BaseException:
    say("broken", trace=traceback.format_exc())  # the kernel panics if its first process ends
