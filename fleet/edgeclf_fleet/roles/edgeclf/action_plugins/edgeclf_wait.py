"""Ansible action: wait for a module that continues by itself on the device, and return its result.

Ansible's own way waits for its time-out if the module was killed or the device was switched off, and for hours if the
connection is lost.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from edgeclf_fleet.connection import notice_a_lost_link

MARK = "EDGECLF "
_LOOK = 2.0  # seconds between two checks
_LOST = 120.0  # seconds without a connection after which it gives up
_DIED = (
    "the deployment was ended on the device before it was done; was the device switched off, or out of memory? "
    "Run the same command to continue."
)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes a started ``job``, returns its result; returns it unchanged if it was not in the background."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait for the job on one host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        notice_a_lost_link(self._connection)
        job = self._task.args["job"]
        if "ansible_job_id" not in job:
            return {**result, **job}
        ended = self._ended(job["ansible_job_id"], job["results_file"])
        self._remove(job["results_file"])
        return {**result, **ended}

    def _ended(self, name: str, file: str) -> dict[str, Any]:
        lost_at = 0.0
        while True:
            try:
                is_alive, content = self._look(name, file)
            except AnsibleConnectionFailure:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > _LOST:
                    raise
                with suppress(Exception):
                    self._connection.reset()  # its master process may not have noticed
            else:
                lost_at = 0.0
                if content and "started" not in content:  # the result replaces this
                    return content
                if not is_alive:
                    self._remove(file)
                    raise AnsibleActionFail(_DIED)
            time.sleep(_LOOK)

    def _look(self, name: str, file: str) -> tuple[bool, dict[str, Any]]:
        """Return whether the job is running, checked before its result is read, and the result."""
        word = name.partition(".")[0]  # part of the job's command; it must not be part of this one's
        hidden = shlex.quote(file).replace(word, f"{word[0]}''{word[1:]}")
        words = f"grep -qsa '[{word[0]}]{word[1:]}' /proc/[0-9]*/cmdline; echo {MARK}$?; cat {hidden}"
        done = self._low_level_execute_command(words)
        status, _, text = str(done["stdout"]).rpartition(MARK)[2].partition("\n")
        try:
            content = json.loads(text)
        except ValueError:
            content = {}
        return status.strip() == "0", content if isinstance(content, dict) else {}

    def _remove(self, file: str) -> None:
        """Remove the job's file, and folders that were created only for it."""
        folders = " ".join(map(shlex.quote, (os.path.dirname(file), os.path.dirname(os.path.dirname(file)))))
        with suppress(AnsibleConnectionFailure):
            self._low_level_execute_command(f"rm -f {shlex.quote(file)}; rmdir {folders} 2>/dev/null; true")
