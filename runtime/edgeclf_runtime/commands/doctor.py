"""``edgeclf doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

__all__ = ["doctor"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def doctor(as_json: bool) -> None:
    """Say what may be wrong with this machine, and how to mend it; exit status 1 where there is a problem."""
    from edgeclf_runtime.doctor import examine

    found = examine()
    click.echo(json.dumps([asdict(item) for item in found]) if as_json else "\n".join(map(str, found)))
    if any(item.state == "problem" for item in found):
        raise click.exceptions.Exit(1)
