"""Ansible callback: append each host's events to the file EDGECLF_EVENTS, one JSON object per line.

It also ends Ansible when the command that started it ends, which closes the pipe EDGECLF_PARENT.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: edgeclf_events
type: notification
short_description: Append what happens on each host to a file
description: Used by edgeclf deploy and edgeclf fleet; see edgeclf_fleet.events.
"""

_PASSED = ("msg", "changed", "outcome", "status", "shadow", "module_stderr", "exception")


def _end_with(parent: int) -> None:
    """Wait until the pipe is closed, then end Ansible and its workers, which have their own sessions."""
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Writes task names, and the parts of results that users are shown."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "edgeclf_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        if parent := os.environ.get("EDGECLF_PARENT"):
            threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._write("start", str(host.get_name()), str(task.get_name()), {})

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        inventory = play.get_variable_manager()._inventory
        hosts = inventory.get_hosts(play.hosts, ignore_restrictions=True)  # of all batches
        self._write("hosts", "", "", {"hosts": [str(host.get_name()) for host in hosts]})

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._write("no hosts", "", "", {})

    def _result(self, kind: str, result: Any) -> None:
        content = result._result
        parts = {name: content[name] for name in _PASSED if name in content}
        self._write(kind, str(result._host.get_name()), str(result._task.get_name()), parts)

    def _write(self, kind: str, host: str, task: str, parts: dict[str, Any]) -> None:
        with open(os.environ["EDGECLF_EVENTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "host": host, "task": task, **parts}, default=str) + "\n")
