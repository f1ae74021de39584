"""Run our role with ansible-playbook, in a temporary folder, and read its events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

from edgeclf_fleet.errors import FleetError
from edgeclf_fleet.rollout import Rollout
from edgeclf_runtime.errors import UsageError

__all__ = ["ROLES", "Deployment", "run_playbook"]

ROLES = Path(__file__).parent / "roles"
"""Folder with the role ``edgeclf``."""

_CALLBACKS = Path(__file__).parent / "callback_plugins"
_PLAYBOOK = (sys.executable, "-m", "ansible", "playbook")  # this Python's Ansible, as the role imports this package
_PLAY = {"name": "edgeclf", "hosts": "all", "gather_facts": False}


class Deployment:
    """What is done where.

    Args:
        hosts: devices, such as "pi@kitchen" or "pi@10.0.0.7:2222".
        inventories: Ansible inventories, whose variables take precedence.
        variables: variables of the role, for all hosts.
        words: further arguments of ansible-playbook.
        tasks: name of the role's task file.
        rollout: the batches; None for all devices at once.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        inventories: Sequence[Path],
        variables: Mapping[str, Any],
        words: Sequence[str],
        tasks: str = "main",
        rollout: Rollout | None = None,
    ) -> None:
        self._hosts, self._inventories = hosts, inventories
        self._variables, self._words, self._tasks, self._rollout = variables, words, tasks, rollout

    @contextmanager
    def written(self) -> Iterator[tuple[list[str], Path]]:
        """Write inventory and playbook; yield the command and its folder, which is removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="edgeclf-deploy-") as name:
            folder = Path(name)
            inventory, playbook = folder / "hosts.yml", folder / "deploy.yml"
            inventory.write_text(yaml.safe_dump(self._inventory()), "utf-8")
            task = {"name": self._tasks, "ansible.builtin.import_role": {"name": "edgeclf", "tasks_from": self._tasks}}
            batched = self._rollout.play() if self._rollout else {}
            playbook.write_text(yaml.safe_dump([{**_PLAY, "tasks": [task], **batched}]), "utf-8")
            inventories = [inventory, *(path.absolute() for path in self._inventories)]
            given = [word for path in inventories for word in ("--inventory", str(path))]
            yield [*_PLAYBOOK, *given, *self._words, str(playbook)], folder

    def _inventory(self) -> dict[str, Any]:
        hosts = dict(map(_host, self._hosts))
        return {"all": {"hosts": hosts, "vars": {"ansible_python_interpreter": "python3", **self._variables}}}


def _host(text: str) -> tuple[str, dict[str, Any]]:
    """Return a host's name and variables; ssh gets the name, so that ~/.ssh/config applies."""
    user, at, address = text.rpartition("@")
    variables: dict[str, Any] = {"ansible_user": user} if at else {}
    name, colon, port = address.rpartition(":")
    if colon and ":" not in name and port.isdecimal():
        address, variables["ansible_port"] = name, int(port)
    if not address or address.startswith("-") or not set(address) <= _NAME or (at and not user):
        raise UsageError(f"{text!r}: expected a host such as pi@kitchen, kitchen or pi@10.0.0.7:2222.")
    return text, {**variables, "ansible_host": address}


_NAME = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%")


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment; the user's settings for Ansible stay, except that our plugins are used."""
    mine = {
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "PYTHONSAFEPATH": "1",  # otherwise a file ansible.py in this folder would be run
        "PYTHONWARNINGS": "ignore",
    }
    both = {**mine, **os.environ}
    if "UTF" not in (both.get("LC_ALL") or both.get("LC_CTYPE") or both.get("LANG") or "").upper():
        both["LC_ALL"] = "C.UTF-8"  # Ansible refuses to start with another encoding
    lists = {"ANSIBLE_CALLBACK_PLUGINS": (":", _CALLBACKS), "ANSIBLE_ROLES_PATH": (":", ROLES)}
    for name, (separator, path) in lists.items():
        both[name] = separator.join(filter(None, (str(path), os.environ.get(name))))
    enabled = os.environ.get("ANSIBLE_CALLBACKS_ENABLED")
    both["ANSIBLE_CALLBACKS_ENABLED"] = ",".join(filter(None, ("edgeclf_events", enabled)))
    both["ANSIBLE_LOCAL_TEMP"] = str(folder / "ansible")
    both["EDGECLF_EVENTS"] = str(folder / "events")
    return both


def run_playbook(
    deployment: Deployment, tell: Callable[[dict[str, Any]], None], verbose: bool = False
) -> list[dict[str, Any]]:
    """Run it to its end and return all events.

    Args:
        deployment: what is done where.
        tell: called with each event as it happens.
        verbose: show Ansible's output.

    Raises:
        FleetError: Ansible ended before it started with a host: inventory, options, vault.
    """
    with deployment.written() as (command, folder):
        events = folder / "events"
        events.touch()
        with (folder / "printed").open("w+b") as printed, events.open(encoding="utf-8") as file:
            with _started(command, folder, None if verbose else printed) as process:
                seen = _followed(process, file, tell)
            if not any(event["host"] for event in seen):
                printed.seek(0)
                raise FleetError(_why_not_begun(printed.read().decode("utf-8", "replace"), seen))
    return seen


@contextmanager
def _started(command: Sequence[str], folder: Path, output: IO[bytes] | None) -> Iterator[subprocess.Popen[bytes]]:
    """Start Ansible with one end of a pipe: it ends with this process, even if that is killed; see the callback."""
    read, write = os.pipe()
    try:
        environment = {**_environment(folder), "EDGECLF_PARENT": str(read)}
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, pass_fds=[read])
        yield process
    finally:
        os.close(read)
        os.close(write)


def _followed(
    process: subprocess.Popen[bytes], file: Any, tell: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    pending = ""
    try:
        ended = False
        while True:
            pending += file.read()
            *lines, pending = pending.split("\n")
            for event in map(json.loads, lines):
                seen.append(event)
                tell(event)
            if ended:
                return seen
            try:
                process.wait(0.1)
                ended = True
            except subprocess.TimeoutExpired:
                continue
    except KeyboardInterrupt:  # Ansible got it, too, and ends; each device finishes or goes back by itself
        process.wait()
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _why_not_begun(printed: str, seen: list[dict[str, Any]]) -> str:
    if "no hosts to target" in printed or any(event["kind"] == "no hosts" for event in seen):
        return "No host matches --limit; ansible-inventory --inventory FILE --list shows the names."
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    wrong = [line for line in lines if "error:" in line.lower() or line.startswith(("ERROR", "[ERROR]"))]
    return f"Ansible did not start: {' '.join((wrong or lines or ['no reason given'])[:2])}"
