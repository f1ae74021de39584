"""``edgeclf doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

__all__ = ["doctor"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.option("--config", type=click.Path(path_type=Path), help="Also check this TOML file of edgeclf run.")
def doctor(as_json: bool, config: Path | None) -> None:
    """Find problems on this machine and say how to fix them.

    Exits with status 1 if there is a problem.
    """
    from edgeclf_runtime.doctor import Machine, examine

    findings = examine(Machine(configs=(config.absolute(),) if config else ()))
    click.echo(json.dumps([asdict(item) for item in findings]) if as_json else "\n".join(map(str, findings)))
    if any(item.state == "problem" for item in findings):
        raise click.exceptions.Exit(1)
