"""``edgeclf deploy``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

__all__ = ["deploy"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("model", type=_FILE)
@click.argument("hosts", nargs=-1, metavar="[USER@HOST[:PORT]]...")
@click.option(
    "--inventory",
    "inventories",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Deploy to the hosts of an Ansible inventory; several may be given.",
)
@click.option("--limit", metavar="PATTERN", help="Take these hosts or groups of the inventory only.")
@click.option("--config", type=_FILE, help="Run the service with this run.toml (default: the one on the device).")
@click.option("--check", is_flag=True, help="Print what would be done and change nothing.")
@click.option(
    "--wheels", type=_FOLDER, help="Take the runtime's wheel from this folder (default: from the installation here)."
)
@click.option("--offline", type=_FOLDER, help="Install everything from this folder of wheels, nothing from an index.")
@click.option("--latency-ms", type=click.FloatRange(0), help="Take everything back if an image takes longer there.")
@click.option("--watch-seconds", type=click.FloatRange(0), help="Watch the new service for this time (default: 20).")
@click.option("--ask-become-pass", "-K", is_flag=True, help="Ask for the password of sudo.")
@click.option(
    "--ansible",
    "ansible",
    metavar="WORDS",
    default="",
    help="Pass further options to ansible-playbook, such as '--forks 20 -e edgeclf_root=/srv/edgeclf'.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show what Ansible prints, too.")
def deploy(
    model: Path,
    hosts: tuple[str, ...],
    inventories: tuple[Path, ...],
    limit: str | None,
    config: Path | None,
    check: bool,
    ask_become_pass: bool,
    ansible: str,
    verbose: bool,
    **given: Any,
) -> None:
    """Install MODEL on devices over ssh and run it as a service.

    Each device is looked at before anything is changed. The new version is installed beside the present one, tried
    there, switched to and watched; if something is wrong, the former one is back.
    """
    from edgeclf_fleet.events import outcomes
    from edgeclf_fleet.playbook import Deployment, run_playbook
    from edgeclf_runtime.errors import UsageError
    from edgeclf_runtime.model.file import read_model

    if not hosts and not inventories:
        raise UsageError("Name at least one device, such as pi@kitchen, or an --inventory.")
    read_model(model)  # a damaged file is refused before any device is touched
    if config is not None:
        _check_config(config)
    named = {
        f"edgeclf_{name}": str(value.absolute()) if isinstance(value, Path) else value for name, value in given.items()
    }
    paths = {"edgeclf_model": str(model.absolute()), "edgeclf_config": config and str(config.absolute())}
    variables = {name: value for name, value in {**paths, **named}.items() if value is not None}
    flags = {"--check": check, "--ask-become-pass": ask_become_pass}
    words = [*(["--limit", limit] if limit else []), *(flag for flag, is_set in flags.items() if is_set)]
    deployment = Deployment(hosts, inventories, variables, [*words, *shlex.split(ansible)])
    ended = outcomes(run_playbook(deployment, _progress(), verbose))
    for outcome in ended:
        click.echo(f"{outcome.host}: {outcome.text}", err=not outcome.ok)
    if not all(outcome.ok for outcome in ended):
        raise click.exceptions.Exit(1)


def _check_config(path: Path) -> None:
    """Check the settings before any device is touched; one that is encrypted by Ansible's vault is checked there."""
    from edgeclf_runtime.config.settings import read_settings, settings
    from edgeclf_runtime.service.plan import check_source

    if not path.read_bytes().startswith(b"$ANSIBLE_VAULT"):
        check_source(settings(read_settings(path), {}, str(path)))


def _progress() -> Any:
    """Return a function that shows, on a terminal, what begins on which host."""
    is_shown = sys.stderr is not None and sys.stderr.isatty()

    def tell(event: dict[str, Any]) -> None:
        if is_shown and event["kind"] == "start":
            task = event["task"].partition(" : ")[2] or event["task"]
            click.echo(f"{event['host']}: {task} ...", err=True)

    return tell
