"""``edgeclf bench``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.commands.options import Opener, model_argument, untimed_model_options
from edgeclf_runtime.system.cores import usable_cores
from edgeclf_runtime.system.plain_text import counted

if TYPE_CHECKING:
    from edgeclf_runtime.threads import ThreadChoice

__all__ = ["bench"]


_STAGES = 3  # maximum number of measurements for each number of threads


def _numbers(context: click.Context, option: click.Parameter, value: str) -> list[int]:
    pieces = value.split(",")
    if not all(piece.isdecimal() and 1 <= int(piece) <= 64 for piece in pieces):
        raise click.BadParameter(f"{value!r}: expected numbers from 1 to 64, separated by commas.")
    return [int(piece) for piece in pieces]


def _most() -> int:
    return min(64, max(2, usable_cores()))


def _camera_choice(open_model: Opener, model: Path) -> ThreadChoice | None:
    """Measure how many threads ``run`` uses for a camera, and store the number for it; None on an Edge TPU."""
    from edgeclf_runtime.threads import choose_threads, keep_choice, runs_on_cores

    backend = getattr(open_model, "keywords", {}).get("backend") or "auto"
    if not runs_on_cores(model, backend):
        return None
    choice = choose_threads(lambda number: open_model(model, threads=number))
    keep_choice(choice, model, backend=backend)
    return choice


@click.command()
@model_argument
@click.option(
    "--threads",
    "numbers",
    callback=_numbers,
    default=lambda: f"1,{_most()}",
    help="Numbers of threads to try, such as 1,2,4.",
)
@click.option("--size", default="1280x720", show_default=True, metavar="WxH", help="Size of the frames.")
@click.option(
    "--seconds", type=click.FloatRange(0.05, 600), default=2.0, show_default=True, help="Duration of each measurement."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@untimed_model_options
def bench(open_model: Opener, model: Path, numbers: list[int], size: str, seconds: float, as_json: bool) -> None:
    """Measure the latency of MODEL on this machine.

    Times the interpreter alone and the whole path from a frame to its label.
    """
    from edgeclf_runtime.benchmark import machine_facts, time_model

    width, _, height = size.lower().partition("x")
    if not width.isdecimal() or not height.isdecimal() or not 0 < int(width) * int(height) <= 100_000_000:
        raise click.BadParameter(f"{size!r}: expected WIDTHxHEIGHT.", param_hint="--size")

    if sys.stderr is not None and sys.stderr.isatty():  # nothing else is printed until the end
        click.echo(f"Measuring for about {_STAGES * seconds * len(numbers):.0f} s.", err=True)
    timings = time_model(lambda number: open_model(model, threads=number), numbers, (int(width), int(height)), seconds)
    choice = _camera_choice(open_model, model)
    facts = {**machine_facts(), "camera_threads": choice.threads if choice else None}
    if as_json:
        click.echo(json.dumps({**facts, "frame": size, "timings": [asdict(timing) for timing in timings]}))
        return
    cores = counted(int(str(facts["cores"])), "core")
    click.echo(f"{facts['machine']}, {cores}; frames of {size}; memory {facts['memory_mib']} MiB")
    click.echo("Milliseconds:")
    click.echo(f"{'threads':>7}  {'stage':<7} {'median':>8} {'90%':>8} {'99%':>8} {'CPU':>8}")
    for timing in timings:
        figures = f"{timing.median:8.2f} {timing.p90:8.2f} {timing.p99:8.2f}"
        click.echo(f"{timing.threads:>7}  {timing.stage:<7} {figures} {f'{timing.cpu:.2f}' if timing.cpu else '':>8}")
    if choice is not None:
        click.echo(f"For a camera, edgeclf run uses {choice}.")
