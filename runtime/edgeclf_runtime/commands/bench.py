"""``edgeclf bench``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from edgeclf_runtime.commands.options import model_argument

__all__ = ["bench"]


def _numbers(context: click.Context, option: click.Parameter, value: str) -> list[int]:
    pieces = value.split(",")
    if not all(piece.isdecimal() and 1 <= int(piece) <= 64 for piece in pieces):
        raise click.BadParameter(f"{value!r}: expected numbers from 1 to 64, separated by commas.")
    return [int(piece) for piece in pieces]


def _most() -> int:
    return min(64, max(2, os.cpu_count() or 2))


@click.command()
@model_argument
@click.option("--threads", callback=_numbers, default=lambda: f"1,{_most()}", help="To try, as 1,2,4.")
@click.option("--size", default="1280x720", show_default=True, metavar="WxH", help="Of the frames.")
@click.option("--seconds", type=click.FloatRange(0.05, 600), default=2.0, show_default=True, help="For each figure.")
@click.option("--backend", default="auto", show_default=True, help="As of run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, to compare devices by.")
def bench(model: Path, threads: list[int], size: str, seconds: float, backend: str, as_json: bool) -> None:
    """Time MODEL on this machine: the interpreter alone, and the whole way from a frame to its label."""
    from edgeclf_runtime.benchmark import machine_facts, time_model
    from edgeclf_runtime.classifier import Classifier

    width, _, height = size.lower().partition("x")
    if not width.isdecimal() or not height.isdecimal() or not 0 < int(width) * int(height) <= 100_000_000:
        raise click.BadParameter(f"{size!r}: expected WIDTHxHEIGHT.", param_hint="--size")

    def load(number: int) -> Classifier:
        return Classifier.load(model, backend=backend, threads=number)

    found = time_model(load, threads, (int(width), int(height)), seconds)
    facts = machine_facts()
    if as_json:
        click.echo(json.dumps({**facts, "frame": size, "timings": [asdict(timing) for timing in found]}))
        return
    click.echo(f"{facts['machine']}, {facts['cores']} cores; frames of {size}; memory {facts['memory_mib']} MiB")
    click.echo("Milliseconds:")
    click.echo(f"{'threads':>7}  {'stage':<7} {'median':>8} {'90%':>8} {'99%':>8} {'CPU':>8}")
    for timing in found:
        figures = f"{timing.median:8.2f} {timing.p90:8.2f} {timing.p99:8.2f}"
        click.echo(f"{timing.threads:>7}  {timing.stage:<7} {figures} {f'{timing.cpu:.2f}' if timing.cpu else '':>8}")
