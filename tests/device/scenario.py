"""The scenario for the emulated machine: prints one line of JSON after ``@@`` for each step."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
import traceback
import urllib.request

sys.path.insert(0, "/work")
from controls import Camera

LINK = "/dev/v4l/by-id/usb-vivid-video-index0"  # as udev makes it
MODEL, SEEN = "/work/digits.tflite", "/tmp/seen.jsonl"
EDGECLF = [sys.executable, "-m", "edgeclf_runtime"]
PAGE = "127.0.0.1:8000"
ROUNDS = 3
HELD = 4.0  # seconds that a fault lasts
SETTLED = 11.0  # seconds of running after which the source waits less before it opens again


def say(what: str, **values: object) -> None:
    print(f"\n@@{json.dumps({'what': what, **values})}", flush=True)


def tried(what: str, *words: str) -> None:
    start = time.monotonic()
    done = subprocess.run([*EDGECLF, *words], capture_output=True, text=True, timeout=180)
    seconds = round(time.monotonic() - start, 1)
    say(what, status=done.returncode, out=done.stdout, error=done.stderr[-3000:], seconds=seconds)


def lines() -> list:
    if not os.path.exists(SEEN):
        return []
    with open(SEEN) as file:
        return [json.loads(line) for line in file.read().splitlines(keepends=True) if line.endswith("\n")]


def states() -> list:
    return [line["state"] for line in lines() if "state" in line]


def frames() -> int:
    return sum("frame" in line for line in lines())


def awaited(so, seconds: float) -> float:
    """Return the seconds until a condition holds; -1 if it does not."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if so():
            return round(time.monotonic() - start, 2)
        time.sleep(0.1)
    return -1


def faults(camera: Camera):
    """Return for each fault its name, how it is triggered, how it is cleared if it lasts, and the expected states."""
    yield "unplugged", lambda: camera.hold("Disconnect"), camera.release, ("lost",)
    yield "fatal error", lambda: camera.press("Inject Fatal Streaming Error"), None, ("lost",)
    dropped = "Percentage of Dropped Buffers"
    yield "silent", lambda: camera.press(dropped, 100), lambda: camera.press(dropped, 0), ("stalled", "lost")
    still = "Horizontal Movement"
    yield "frozen", lambda: camera.press(still, 3), lambda: camera.press(still, 0), ("frozen",)


def suffer(name: str, press, mend, expected: tuple) -> None:
    """Run one fault from its beginning until frames have come again for a while."""
    known, begin = len(states()), time.time()
    press()
    noticed = awaited(lambda: set(states()[known:]) & set(expected), 30)
    begun = time.time()
    if mend:
        time.sleep(HELD)
    before, end = frames(), time.time()
    if mend:
        mend()
    back = awaited(lambda: states()[-1] == "running" and frames() > before + 3, 60)
    say("fault", name=name, gap=[begun, end], begin=begin, noticed=noticed, back=back, states=states()[known:])
    time.sleep(SETTLED)


def damaged(camera: Camera) -> None:
    """Buffers that the driver marks as damaged are no reason to reopen the camera."""
    known, before = len(states()), frames()
    for _ in range(5):
        camera.press("Inject V4L2_BUF_FLAG_ERROR")
        time.sleep(0.3)
    say("damaged", back=awaited(lambda: frames() > before + 10, 60), states=states()[known:])


def watched() -> None:
    camera = Camera("/dev/video0")
    camera.press("OSD Text Mode", 2)
    camera.press("Horizontal Movement", 0)
    with open("/tmp/run.toml", "w") as file:
        file.write("[camera]\nfrozen_after = 3\n")
    os.makedirs(os.path.dirname(LINK))
    os.symlink("../../video0", LINK)
    words = ["run", MODEL, "--source", LINK, "--size", "640x360", "--format", "YUYV", "--reopen"]
    words += ["--config", "/tmp/run.toml", "--jsonl", SEEN]
    with open("/tmp/said", "w") as said:
        process = subprocess.Popen([*EDGECLF, *words], stdout=subprocess.DEVNULL, stderr=said)
    say("first frames", seconds=awaited(lambda: frames() > 5, 90))
    for _ in range(ROUNDS):
        for fault in faults(camera):
            suffer(*fault)
    damaged(camera)
    process.terminate()
    start = time.monotonic()
    status = process.wait(20)
    with open("/tmp/said") as said:
        say("ended", status=status, seconds=round(time.monotonic() - start, 2), error=said.read()[-3000:])
    kept = [
        {key: line[key] for key in ("frame", "time", "age", "state", "reopened") if key in line} for line in lines()
    ]
    say("seen", lines=kept)


def fetched(path: str) -> bytes:
    with urllib.request.urlopen(f"http://{PAGE}{path}", timeout=30) as answer:
        return answer.read()


def serves() -> bool:
    try:
        return json.loads(fetched("/state.json"))["frames"] > 3
    except (OSError, KeyError):
        return False


def page() -> None:
    """Request the web page of a running camera, and what it loads."""
    words = ["run", MODEL, "--source", "/dev/video0", "--size", "640x360", "--format", "YUYV", "--web", PAGE]
    with open("/tmp/web", "w") as said:
        process = subprocess.Popen([*EDGECLF, *words], stdout=subprocess.DEVNULL, stderr=said)
    seconds = awaited(serves, 120)
    if seconds >= 0:
        before = json.loads(fetched("/state.json"))
        html, image, metrics = fetched("/").decode(), fetched("/picture.jpg"), fetched("/metrics").decode()
        time.sleep(2)
        after = json.loads(fetched("/state.json"))
        say("page", html=html[:300], picture=[len(image), image[:2].hex()], metrics=metrics, states=[before, after])
    process.terminate()
    with open("/tmp/web") as said:
        say("page ended", seconds=seconds, status=process.wait(20), error=said.read()[-3000:])


def photographs() -> list:
    """Return the first bytes of each photograph."""
    files = sorted(pathlib.Path("/tmp/photos/grey").glob("*"))
    return [file.read_bytes()[:2].hex() for file in files]


def main() -> None:
    say("machine", name=os.uname().machine, release=os.uname().release, uptime=time.monotonic())
    tried("doctor", "doctor", "--json")
    tried("verify", "verify", MODEL)
    granted = ["run", MODEL, "--source", "0", "--max-frames", "2", "--json"]
    tried("as asked", *granted, "--size", "640x360", "--format", "YUYV", "--fps", "30")
    tried("not as asked", *granted, "--size", "700x500", "--format", "MJPG", "--fps", "77")
    page()
    collected = ["capture", "/tmp/photos", "--source", "/dev/video0", "--label", "grey"]
    tried("capture", *collected, "--every", "0.3", "--count", "3")
    say("photographs", kinds=photographs())
    watched()
    say("done", uptime=time.monotonic())


try:
    main()
except BaseException:
    say("broken", trace=traceback.format_exc())
