"""The outcome of each host in one line, from the events that our callback plugin writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeclf_runtime.shadow.lines import report_lines
from edgeclf_runtime.system.plain_text import plain

__all__ = ["Outcome", "comparison", "outcomes", "why_unreachable"]

_TAGS = re.compile(r"\x1b\[[0-9;]*m|^(Task failed: |Action failed: |Module failed: )+")


@dataclass(frozen=True)
class Outcome:
    """How a deployment to a host ended.

    Attributes:
        host: name in the inventory.
        ok: whether it succeeded.
        text: one line for the user.
    """

    host: str
    ok: bool
    text: str


def outcomes(events: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """Return the outcome of each host, in the order in which they ended.

    Args:
        events: objects with ``kind``, ``host``, ``task``, and for a result ``msg`` and ``outcome``; one of kind "hosts"
            names all ``hosts``, including those that a stopped roll-out did not reach.
    """
    ended: dict[str, Outcome] = {}
    begun: dict[str, str] = {}
    planned: list[str] = []
    for event in events:
        host = event["host"]
        if event["kind"] == "hosts":
            planned = list(event["hosts"])
        elif event["kind"] == "start":
            begun.setdefault(host, event["task"])
        elif event["kind"] == "unreachable":
            is_first = event["task"] == begun.get(host, event["task"])
            why = why_unreachable if is_first else _why_lost
            ended[host] = Outcome(host, False, why(str(event.get("msg", "")), host))
        elif event["kind"] == "failed":
            ended[host] = Outcome(host, False, _why_failed(event))
        elif event.get("outcome"):
            ended[host] = Outcome(host, True, _line(str(event["outcome"])))
    for host in begun.keys() - ended.keys():
        ended[host] = Outcome(host, False, "not finished; deploy again to see its state.")
    for host in planned:
        if host not in begun and host not in ended:
            ended[host] = Outcome(
                host, False, "not started, because the roll-out stopped; run the same command to continue."
            )
    return list(ended.values())


def comparison(event: Mapping[str, Any]) -> str:
    """Return the comparison of two models on a device as lines; its report may be from another version, or forged."""
    try:
        lines = report_lines(event["shadow"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        lines = ["its report of the comparison cannot be read"]
    return "\n    ".join([f"{event['host']}: compared:", *lines])


def why_unreachable(message: str, host: str) -> str:
    """Return why ssh did not connect, and what to do.

    Args:
        message: the error of Ansible and ssh.
        host: name in the inventory.
    """
    for pattern, text in _SSH.items():
        if re.search(pattern, message):
            return f"not reached: {text.format(host=host)} Nothing was changed."
    return f"not reached: {_last_line(message)}. Try: ssh {host}"


def _why_lost(message: str, _host: str) -> str:
    """Return what is known about a device whose connection was lost when something may already have changed there."""
    end = "The device serves as before or finishes by itself; run the same command to find out and continue."
    return f"the connection was lost ({_last_line(message)}). {end}"


def _last_line(message: str) -> str:
    lines = message.removeprefix("Failed to connect to the host via ssh:").strip().splitlines()
    return _line(lines[-1] if lines else "").rstrip(".")


_SSH = {
    r"REMOTE HOST IDENTIFICATION HAS CHANGED": "its host key has changed. If the device was set up again, "
    "remove the old key (ssh-keygen -R {host}) and connect once with ssh; otherwise another machine may be answering.",
    r"Host key verification failed|host key is known": "its host key is not known yet. Connect once with ssh {host}, "
    "compare the key, and accept it.",
    r"Could not resolve hostname": "no host has this name. Check the spelling, or use its address.",
    r"Connection refused": "no ssh server answers. Enable it on the device: sudo systemctl enable --now ssh",
    r"[Tt]imed out|No route to host|Network is unreachable": "no answer. Is it switched on, and in this network?",
    r"Permission denied \(": "it refuses this user or key. Copy your key to it: ssh-copy-id {host}",
    r"[Ii]ncorrect (sudo|become|su) password|Sorry, try again": "sudo refuses the password.",
    r"[Mm]issing sudo password": "sudo asks for a password: give it with --ask-become-pass.",
    r"sshpass": "ssh with a password needs the program sshpass. Better copy your key to it: ssh-copy-id {host}",
}


def _why_failed(event: Mapping[str, Any]) -> str:
    message = str(event.get("msg", ""))
    for pattern in ("Missing sudo password", "Incorrect sudo password"):
        if pattern.lower() in message.lower():
            return why_unreachable(message, str(event["host"])).removeprefix("not reached: ")
    if "MODULE FAILURE" in message or not message:
        detail = str(event.get("module_stderr") or event.get("exception") or "").strip().splitlines()
        return _line(f"{event['task']}: {detail[-1] if detail else 'ended without a result'}")
    return _line(message)


def _line(text: str) -> str:
    return plain(" ".join(_TAGS.sub("", text).split())) or "no reason given"
