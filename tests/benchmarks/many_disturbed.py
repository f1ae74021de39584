"""The effect on other cameras' zones when one camera is killed, one freezes and a model file is replaced.

python -m tests.benchmarks.many_disturbed MODEL [--cameras 8] [--zones 3] [--fps 2] [--seconds 60]

Each camera sends Motion JPEG over HTTP; zones are split evenly over two copies of the model. Answers are counted for
``--seconds`` undisturbed, and again from the moment of all three disturbances. By default the cameras ask for less than
two cores can do: beyond that, the others gain what the killed camera leaves.
"""

from __future__ import annotations

import functools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

import click
import numpy as np

from edgeclf_runtime.model.rewrite import with_files
from tests.benchmarks.many import answers_so_far, lines_so_far, started_run
from tests.benchmarks.soak_world import Camera

_PATIENCE = 120.0  # seconds for the start, and for each disturbance to be noticed


class _Freezing(Camera):
    def freeze(self) -> None:
        """Send the same image from now on."""
        self._images[:] = [self._images[0]] * len(self._images)


def _config(cameras: list[_Freezing], zones_each: int, models: list[Path]) -> str:
    lines = ["reload = true"]
    for number, camera in enumerate(cameras):
        lines += ["[[camera]]", f'name = "camera{number}"', f'source = "{camera.url}"']
        lines += ["reopen = true", "stalled_after = 3.0", "frozen_after = 3.0"]
    for number in range(len(cameras) * zones_each):
        camera, part = divmod(number, zones_each)
        region = [round(part / zones_each, 3), 0.0, round(1 / zones_each - 0.001, 3), 1.0]
        lines += ["[[zone]]", f'name = "zone{number}"', f'camera = "camera{camera}"', f"region = {region}"]
        lines += [f'model = "{models[number % 2]}"']
    return "\n".join([*lines, "[sinks]", 'jsonl = "one.jsonl"', "rotate_bytes = 1000000000"])


def _counted(folder: Path, zones: Collection[str], seconds: float) -> tuple[float, float]:
    """Count the answers of these zones from now on; return the rate per second, and their age's 95th percentile."""
    begin = time.time()
    time.sleep(seconds)
    end = time.time()
    ages = [age for zone, moment, age in answers_so_far(folder, "one") if zone in zones and begin <= moment < end]
    return len(ages) / seconds, float(np.percentile(ages, 95)) if ages else float("nan")


def _wait_for(what: str, is_true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while not is_true():
        if time.monotonic() > until or process.poll() is not None:
            raise click.ClickException(f"not within {_PATIENCE:.0f} s: {what}")
        time.sleep(0.2)


def _noticed(folder: Path, key: str, value: str, camera: str = "") -> bool:
    wanted = {key: value, **({"camera": camera} if camera else {})}
    return any(wanted.items() <= line.items() for line in lines_so_far(folder, "one"))


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--cameras", "count", default=8, show_default=True, type=click.IntRange(3), help="Number of cameras.")
@click.option("--zones", "zones_each", default=3, show_default=True, help="Zones of each.")
@click.option("--fps", default=2.0, show_default=True, help="Frames per second of a camera.")
@click.option("--seconds", default=60, show_default=True, help="Seconds of counting, twice.")
def main(model: Path, count: int, zones_each: int, fps: float, seconds: int) -> None:
    """Disturb two cameras and a model, and count the answers of the other cameras' zones."""
    with tempfile.TemporaryDirectory() as name:
        folder, cameras = Path(name), [_Freezing(fps) for _ in range(count)]
        models = [folder / "a.tflite", folder / "b.tflite"]
        for path in models:
            shutil.copy(model, path)
        (folder / "run.toml").write_text(_config(cameras, zones_each, models), "utf-8")
        others = {f"zone{number}" for number in range(2 * zones_each, count * zones_each)}
        process = started_run(folder, [str(models[0]), "--config", "run.toml"])
        try:
            _wait_for(
                "all zones answer",
                lambda: len({zone for zone, _, _ in answers_so_far(folder, "one")}) == count * zones_each,
                process,
            )
            rate, age = _counted(folder, others, seconds)
            click.echo(f"undisturbed  {rate:6.1f} answers/s of {len(others)} zones, 95% younger than {age:.3f} s")
            cameras[0].stop()
            cameras[1].freeze()
            (folder / "new").write_bytes(with_files(model.read_bytes(), {"replaced.txt": b"by this benchmark"}))
            (folder / "new").replace(models[1])
            later, later_age = _counted(folder, others, seconds)
            click.echo(
                f"disturbed    {later:6.1f} answers/s of {len(others)} zones, 95% younger than {later_age:.3f} s"
            )
            _wait_for("the model is adopted", lambda: _noticed(folder, "model", "adopted"), process)
            for camera, state in (("camera0", "lost"), ("camera1", "frozen")):
                noticed = functools.partial(_noticed, folder, "state", state, camera)
                _wait_for(f"{camera} is {state}", noticed, process)
            click.echo(f"the others lost {100 * (1 - later / rate):.1f}% of their answers")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


if __name__ == "__main__":
    main()
