"""The cost of a deployment to many devices: time per device, bytes per update, memory of the deploying machine.

python -m tests.benchmarks.fleet MODEL DATA [--devices 100] [--forks 10]

Run it as root. The devices are on this machine, each with its own root filesystem and sshd. Everything is done to them
except running a service, which has no camera here: the model is copied, its golden scores are compared, it is measured
and switched to. Their processors are this machine's, so the times include the devices' own work. The model that
replaces MODEL has the same network and a head that ``edgeclf teach`` made from a few images of DATA/train.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from tests.fleet_device.box import Box
from tests.fleet_device.device import below
from tests.fleet_device.needs import lacking
from tests.relay import Relay
from tests.runtime.replaced_model import Running
from tests.runtime.still_camera import certificate
from tests.runtime.update_server import UpdateServer, update_settings
from tests.signing import edgeclf, key_pairs

BATCHES = "1,10%,100%"
SHOTS = 5  # images per class for the other head
NO_SERVICE = {"edgeclf_service_manager": "none"}


@dataclass(frozen=True)
class Cost:
    """The cost of a command: seconds, processor seconds and peak memory (PSS, in MiB) of all it starts here."""

    seconds: float
    work: float
    memory: float


def _taught(model: Path, data: Path, folder: Path) -> Path:
    """Return a model with the same network and another head."""
    for label in sorted(path for path in (data / "train").iterdir() if path.is_dir()):
        (folder / "shots" / label.name).mkdir(parents=True)
        for image in sorted(label.iterdir())[:SHOTS]:
            (folder / "shots" / label.name / image.name).symlink_to(image.absolute())
    edgeclf("teach", model, folder / "shots", "-o", folder / "other.tflite")
    return folder / "other.tflite"


def _measured(process: subprocess.Popen[str], patience: float) -> tuple[str, Cost]:
    """Return what a command prints, and its cost."""
    started, samples, works = time.monotonic(), [0.0], dict[int, float]()

    def look() -> None:
        while process.poll() is None:
            numbers = [process.pid, *below(process.pid)]
            samples.append(sum(map(_memory, numbers)))
            works.update((number, _work(number)) for number in numbers)
            time.sleep(0.5)

    thread = threading.Thread(target=look)
    thread.start()
    output, errors = process.communicate(timeout=patience)
    thread.join()
    if process.returncode:
        raise click.ClickException(output + errors)
    return output, Cost(time.monotonic() - started, sum(works.values()), max(samples))


def _memory(number: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _work(number: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100
    return 0.0


def _deployed(boxes: list[Box], relay: Relay, model: Path, *words: str) -> tuple[Cost, int]:
    """Deploy to all devices, to the first through the relay; return the cost, and the relay's bytes."""
    hosts = {f"box{number}": {**box.variables(), **NO_SERVICE} for number, box in enumerate(boxes)}
    hosts["box0"]["ansible_port"] = relay.port
    relay.passed = 0
    output, cost = _measured(boxes[0].begin_all(model, hosts, *words), 3600)
    if len(output.splitlines()) != len(boxes):
        raise click.ClickException(output)
    return cost, relay.passed


def _through(box: Box, stack: ExitStack) -> Relay:
    relay = stack.enter_context(closing(Relay(box.port)))
    box.know(relay.port)
    return relay


def over_ssh(model: Path, other: Path, devices: int, forks: int, folder: Path) -> None:
    """Print the figures of ``edgeclf deploy``."""
    with ExitStack() as stack:
        (folder / "image").mkdir()
        image = stack.enter_context(closing(Box(folder / "image")))
        cost, size = _deployed([image], _through(image, stack), model)
        click.echo(f"from nothing: {cost.seconds:.0f} s, {_kilobytes(size)} over ssh, without the index's packages")
        image.cut_power()
        boxes = []
        for number in range(devices):
            (folder / f"{number}").mkdir()
            boxes.append(stack.enter_context(closing(Box(folder / f"{number}", image, size="64M"))))
        relay, words = _through(boxes[0], stack), ("--batches", BATCHES, "--ansible", f"--forks {forks}")
        for what in ("a new model", "nothing to do"):
            cost, size = _deployed(boxes, relay, other, *words)
            each = f"{cost.seconds / devices:.1f} s a device, {cost.work / devices:.1f} s of processor time here"
            click.echo(f"{what}, {devices} devices: {cost.seconds:.0f} s, {each}, {cost.memory:.0f} MiB at most here")
            click.echo(f"{what}: {_kilobytes(size)} over ssh")


def over_https(model: Path, other: Path, image: Path, folder: Path) -> None:
    """Print the bytes of ``run --update``."""
    keys = key_pairs(folder)
    certificate(folder)
    for what, offered in (("the whole model", [other]), ("a delta", [model, other])):
        place = folder / what.split()[-1]
        (place / "served").mkdir(parents=True)
        edgeclf("sign", model, "--key", keys / "mine", "-o", place / "model.tflite")  # first: updates are newer
        for file in offered:
            edgeclf("publish", file, place / "served", "--key", keys / "mine")
        with ExitStack() as stack:
            server = stack.enter_context(closing(UpdateServer(place / "served", folder)))
            relay = stack.enter_context(closing(Relay(server.port)))
            (place / "run.toml").write_text(update_settings(relay.port, folder, 5), "utf-8")
            running = stack.enter_context(closing(Running(model, image, place, "--config", "run.toml")))
            state = running.wait(lambda line: "model" in line)
            if state["model"] != "adopted":
                raise click.ClickException(state["reason"])
            whole = _kilobytes(other.stat().st_size)
            click.echo(f"run --update, {what}: {_kilobytes(relay.passed)} over HTTPS; the model has {whole}")


def _kilobytes(size: int) -> str:
    return f"{size / 1000:.1f} kB"


@click.command(help=__doc__)
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--devices", default=100, show_default=True, type=click.IntRange(1))
@click.option("--forks", default=10, show_default=True, type=click.IntRange(1))
def main(model: Path, data: Path, devices: int, forks: int) -> None:
    if reason := lacking(boxes=True):
        raise click.ClickException(reason)
    with tempfile.TemporaryDirectory(prefix="fleet-") as name:
        folder = Path(name)
        other = _taught(model, data, folder)
        (folder / "https").mkdir()
        over_https(model, other, next((folder / "shots").rglob("*.*")), folder / "https")
        over_ssh(model, other, devices, forks, folder)


if __name__ == "__main__":
    sys.exit(main())
