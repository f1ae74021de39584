"""``edgeclf service``: ``edgeclf run`` as a systemd service."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.commands.options import Command, Opener, model_argument, model_options, words_of
from edgeclf_runtime.commands.starting import model_use
from edgeclf_runtime.commands.zones import labels_reader
from edgeclf_runtime.renamed import FLAGS

if TYPE_CHECKING:
    from edgeclf_runtime.service.permissions import Person
    from edgeclf_runtime.service.unit import Unit

__all__ = ["service"]

_ABSENT, _DOWN = 4, 3  # exit status, as in systemctl


def _checked(context: click.Context, option: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", value):
        raise click.BadParameter(f"{value!r}: expected letters, digits, - and _, at most 64.")
    return value


_name = click.option("--name", default="edgeclf", show_default=True, callback=_checked, help="Name of the service.")
_user = click.option(
    "--user",
    "personal",
    is_flag=True,
    help="Manage a service of your own user (systemctl --user) instead of a system service.",
)


@click.group()
def service() -> None:
    """Run edgeclf run at boot as a systemd service."""


@service.command(cls=Command, renamed=FLAGS["service install"])
@model_argument
@click.option(
    "--config", type=click.Path(path_type=Path), required=True, help="TOML file with the settings of edgeclf run."
)
@_name
@_user
@click.option(
    "--run-as", metavar="USER", help="User to run as (default: the sudo caller, or a dynamic user of systemd)."
)
@click.option("--memory-limit", default="", metavar="512M", help="Restart the service if it uses more memory.")
@click.option("--dry-run", is_flag=True, help="Print the unit and change nothing.")
@model_options
def install(
    open_model: Opener,
    model: Path,
    config: Path,
    name: str,
    personal: bool,
    run_as: str | None,
    memory_limit: str,
    dry_run: bool,
) -> None:
    """Install and start the service; run again to change it.

    Relative paths in the config file are relative to the current folder.
    """
    from edgeclf_runtime.errors import UsageError
    from edgeclf_runtime.service.permissions import person
    from edgeclf_runtime.service.systemd import found_systemd
    from edgeclf_runtime.sinks.mqtt.options import SERVICE_VARIABLE
    from edgeclf_runtime.system.state_folder import STATE

    if personal and run_as:
        raise UsageError("--run-as cannot be used with --user, which is a service of your own user.")
    systemd = None if dry_run else found_systemd(personal, changes=True)
    who = None if personal else person(_caller() if run_as is None else run_as)

    def runs() -> bool:
        return systemd is None or systemd.state(name).get("ActiveState") == "active"

    unit = replace(_planned(open_model, model, config, who, runs), memory=memory_limit, state=f"{STATE}/{name}")
    if name != "edgeclf":
        unit = replace(unit, environment=(*unit.environment, (SERVICE_VARIABLE, name)))
    if systemd is None:
        click.echo(unit.text(), nl=False)
        return
    unit = replace(unit, version=systemd.version)
    _prepare(unit, who)
    replaced = systemd.write(name, unit.text())
    click.echo(f"{'Replaced' if replaced else 'Written'}: {systemd.path(name)}")
    systemd.start(name)
    click.echo(
        f"Started; it will also start {'when you log in' if personal else 'at boot'}. See: edgeclf service status"
    )
    if personal:
        click.echo("To start it at boot: sudo loginctl enable-linger $USER")


def _caller() -> str:
    """Return the user who called sudo; empty if root logged in directly."""
    name = os.environ.get("SUDO_USER", "")
    return "" if name == "root" else name


def _planned(open_model: Opener, model: Path, config: Path, who: Person | None, runs: Callable[[], bool]) -> Unit:
    """Plan the unit after opening everything once, so that a service that cannot start is not installed.

    Args:
        runs: whether the service may be running and using the Edge TPU; a model for it is then only read.
    """
    from edgeclf_runtime.backends.edgetpu import is_compiled
    from edgeclf_runtime.commands.verify import verify
    from edgeclf_runtime.config.exposure import exposed_secrets
    from edgeclf_runtime.config.settings import read_settings, settings
    from edgeclf_runtime.model.file import read_model
    from edgeclf_runtime.pipeline.sinks import check_labels, check_sinks
    from edgeclf_runtime.pipeline.zone_sinks import check_zone_sinks
    from edgeclf_runtime.service.plan import check_source, planned
    from edgeclf_runtime.web.address import TOKEN_VARIABLE, is_local

    content = read_settings(config)
    chosen = settings(content, {}, str(config), model, labels_reader(open_model))
    check_source(chosen)
    (check_zone_sinks(chosen) if chosen.zones else check_sinks(chosen.sinks))
    if exposed := exposed_secrets(config, content):
        click.echo(exposed, err=True)
    if chosen.sinks.web and not chosen.sinks.web_token:
        if os.environ.get(TOKEN_VARIABLE):
            warning = (
                f"{TOKEN_VARIABLE} is not passed on, because everybody can read units: put web_token into {config}."
            )
            click.echo(warning, err=True)
        elif chosen.page_zones or not is_local(chosen.sinks.web):
            click.echo(f"Each start generates a new token for the page: put web_token into {config}.", err=True)
    options = click.get_current_context().params
    given = {key: options[key] for key in ("labels", "mean", "std", "color", "resize", "scores")}
    for path in dict.fromkeys(zone.model or model for zone in chosen.zones) or [model]:
        read = read_model(path, **given)
        if not chosen.zones:
            check_labels(chosen.sinks, read.card.labels)
        use = model_use(path, open_model, lambda labels: None, chosen.trusted_key)
        if is_compiled(read.content) and runs():
            use.admit(read.content)
        else:
            use.opened(path).backend.close()
    return planned(model, config, words_of(verify, options), chosen, who, options["labels"])


def _prepare(unit: Unit, who: Person | None) -> None:
    from edgeclf_runtime.service.plan import check_access, made_folders

    if who is not None:
        check_access(unit, who)
    for folder in made_folders(unit, who):
        click.echo(f"Made: {folder}")


@service.command()
@_name
@_user
@click.option("--lines", default=10, show_default=True, type=click.IntRange(0), help="Number of log lines to show.")
def status(name: str, personal: bool, lines: int) -> None:
    """Show the state of the service.

    Exits with status 0 if it is running, 3 if it is not, 4 if it is not installed.
    """
    from edgeclf_runtime.service.systemd import found_systemd

    systemd = found_systemd(personal, changes=False)
    state = systemd.state(name)
    if state.get("LoadState") != "loaded":
        click.echo(f"{name}: not installed: edgeclf service install MODEL --config FILE")
        raise click.exceptions.Exit(_ABSENT)
    for title, text in _described(state):
        click.echo(f"{title:<12} {text}")
    if lines:
        click.echo(systemd.last_lines(name, lines).rstrip())
    if state.get("ActiveState") != "active":
        raise click.exceptions.Exit(_DOWN)


def _described(state: dict[str, str]) -> list[tuple[str, str]]:
    memory = state.get("MemoryCurrent", "")
    rows = [
        ("state", f"{state.get('ActiveState', '')} ({state.get('SubState', '')})"),
        ("since", state.get("ActiveEnterTimestamp", "")),
        ("says", state.get("StatusText", "")),
        ("memory", f"{int(memory) >> 20} MB" if memory.isdecimal() and int(memory) < 1 << 60 else ""),
        ("restarts", state.get("NRestarts", "")),
        ("last end", f"{state.get('Result', '')}, exit status {state.get('ExecMainStatus', '')}"),
    ]
    return [row for row in rows if row[1]]


@service.command()
@_name
@_user
def remove(name: str, personal: bool) -> None:
    """Stop the service and remove its unit.

    Files that it wrote are kept. Its device is removed from its MQTT broker, and so from Home Assistant.
    """
    from edgeclf_runtime.service.removal import forget_device
    from edgeclf_runtime.service.systemd import found_systemd

    systemd = found_systemd(personal, changes=True)
    unit = systemd.text(name)
    if systemd.remove(name):
        click.echo(f"Stopped and removed: {systemd.path(name)}")
        if outcome := forget_device(unit, name):
            click.echo(outcome)
    else:
        click.echo(f"{name}: not installed; nothing to remove.")
