"""The devices of a command: arguments and options that all fleet commands share."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeclf_runtime.errors import UsageError

if TYPE_CHECKING:
    from edgeclf_fleet.rollout import Rollout

__all__ = ["Targets", "rollout_options", "target_options", "tell_outcomes"]

_OPTIONS = (
    click.argument("hosts", nargs=-1, metavar="[USER@HOST[:PORT]]..."),
    click.option(
        "--inventory",
        "inventories",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="Use the hosts of an Ansible inventory; repeat for several.",
    ),
    click.option("--limit", metavar="PATTERN", help="Use only these hosts or groups of the inventory."),
    click.option("--ask-become-pass", "-K", is_flag=True, help="Ask for the sudo password."),
    click.option(
        "--ansible",
        metavar="OPTIONS",
        default="",
        help="Pass further options to ansible-playbook, such as '--forks 20 -e edgeclf_root=/srv/edgeclf'.",
    ),
    click.option("--verbose", "-v", is_flag=True, help="Also show Ansible's output."),
)
_NAMES = ("hosts", "inventories", "limit", "ask_become_pass", "ansible", "verbose")


_ROLLOUT_OPTIONS = (
    click.option(
        "--batches",
        metavar="N|P%,...",
        help="Sizes of the batches, such as 1,10%,100%; the next batch starts only if the last one succeeded.",
    ),
    click.option(
        "--max-failed",
        metavar="N|P%",
        help="Continue with the next batch if at most this many devices have failed in all (default: 0).",
    ),
)


def rollout_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--batches`` and ``--max-failed``; the command gets ``rollout`` instead of them."""

    @functools.wraps(command)
    def wrapper(batches: str | None, max_failed: str | None, **given: Any) -> None:
        from edgeclf_fleet.rollout import Rollout

        if batches is None and max_failed is not None:
            raise UsageError("--max-failed needs --batches.")
        sizes = None if batches is None else tuple(batches.replace(" ", "").split(","))
        command(rollout=Rollout(sizes, max_failed or "0") if sizes else None, **given)

    return functools.reduce(lambda function, option: option(function), reversed(_ROLLOUT_OPTIONS), wrapper)


def tell_outcomes(events: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each device, and exit with status 1 if one failed or was not started."""
    from edgeclf_fleet.events import outcomes

    ended = outcomes(events)
    for outcome in ended:
        click.echo(f"{outcome.host}: {outcome.text}", err=not outcome.ok)
    if not all(outcome.ok for outcome in ended):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class Targets:
    """Devices, and how Ansible reaches them: the options of the command line."""

    hosts: tuple[str, ...]
    inventories: tuple[Path, ...]
    limit: str | None
    ask_become_pass: bool
    ansible: str
    verbose: bool

    def check(self) -> None:
        """Check that at least one device is named.

        Raises:
            UsageError: no device is named.
        """
        if not self.hosts and not self.inventories:
            raise UsageError("Name at least one device, such as pi@kitchen, or an --inventory.")

    def run(
        self, tasks: str, variables: Mapping[str, Any], words: Sequence[str] = (), rollout: Rollout | None = None
    ) -> list[dict[str, Any]]:
        """Run tasks of the role on all devices, and return the events; see ``playbook.run_playbook``.

        Args:
            tasks: name of the role's task file, such as "main".
            variables: variables of the role; those that are None are left out.
            words: further options of ansible-playbook.
            rollout: the batches; None for all devices at once.

        Raises:
            FleetError: Ansible ended before it started with a host.
            UsageError: no device, or a name that cannot be a host.
        """
        from edgeclf_fleet.playbook import Deployment, run_playbook

        self.check()
        given = {name: value for name, value in variables.items() if value is not None}
        own = [*(["--limit", self.limit] if self.limit else []), *(["--ask-become-pass"] * self.ask_become_pass)]
        chosen = [*own, *words, *shlex.split(self.ansible)]
        deployment = Deployment(self.hosts, self.inventories, given, chosen, tasks, rollout)
        return run_playbook(deployment, _progress(), self.verbose)


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options that name devices; the command gets ``targets`` instead of them."""

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        targets = Targets(**{name: given.pop(name) for name in _NAMES})
        command(targets=targets, **given)

    return functools.reduce(lambda function, option: option(function), reversed(_OPTIONS), wrapper)


def _progress() -> Callable[[dict[str, Any]], None]:
    """Return a function that shows the comparison of two models and, on a terminal, each task that starts on a host."""
    from edgeclf_fleet.events import comparison

    is_shown = sys.stderr is not None and sys.stderr.isatty()

    def tell(event: dict[str, Any]) -> None:
        if event.get("shadow"):
            click.echo(comparison(event))
        if is_shown and event["kind"] == "start":
            task = event["task"].partition(" : ")[2] or event["task"]
            click.echo(f"{event['host']}: {task} ...", err=True)

    return tell
