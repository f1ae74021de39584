"""Ansible action: copy a device's new snapshots here by sftp, one complete file after another."""

from __future__ import annotations

import json
import resource
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from edgeclf_fleet.connection import notice_a_lost_link
from edgeclf_fleet.remote_snapshots import LARGEST, RemoteSnapshot, Wanted, wanted
from edgeclf_fleet.snapshot_store import Arrivals
from edgeclf_runtime.system.atomic_file import put_in_place
from edgeclf_runtime.system.plain_text import counted

MARK = "EDGECLF "
LIST = Path(__file__).parents[1] / "files" / "list_snapshots.py"
_AGAIN = "Run the same command to continue."


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes the variables of the role, returns the ``outcome`` for the user."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Copy the snapshots of one host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given, host = self._task.args, str((task_vars or {}).get("inventory_hostname", "device"))
        arrivals = Arrivals(Path(given["into"]), host)
        self._prepare_connection()
        try:
            chosen = wanted(self._listed(given), host, arrivals.known(), given["max_images"], given["max_mb"] * 1e6)
        except ValueError as error:
            raise AnsibleActionFail(f"The device's list of snapshots cannot be used: {error}.") from None
        with _small_files():
            brought, failed = self._bring(chosen, arrivals)
        return {**result, "changed": bool(brought), "outcome": _outcome(chosen, brought, failed)}

    def _prepare_connection(self) -> None:
        """Use only sftp, as the alternatives read a whole file into memory, and notice a lost link."""
        connection = self._connection
        notice_a_lost_link(connection)
        if connection.transport == "ssh" and connection.get_option("ssh_transfer_method") == "smart":
            connection.set_option("ssh_transfer_method", "sftp")

    def _listed(self, given: dict[str, Any]) -> dict[str, Any]:
        asked = json.dumps({"root": given["root"], "folder": given["snapshots"]})
        deployed, other = shlex.quote(f"{given['root']}/current/environment/bin/python"), shlex.quote(given["python"])
        python = f"$(test -x {deployed} && echo {deployed} || echo {other})"
        done = self._low_level_execute_command(f"exec {python} -I - {shlex.quote(asked)}", in_data=LIST.read_bytes())
        lines = [line for line in done["stdout"].splitlines() if line.startswith(MARK)]
        if not lines:
            last = (done["stderr"].strip().splitlines() or [f"exit status {done['rc']}"])[-1]
            raise AnsibleActionFail(f"The snapshots cannot be listed: {last}")
        said = json.loads(lines[-1][len(MARK) :])
        if not isinstance(said, dict) or said.get("error"):
            raise AnsibleActionFail(
                str(said.get("error") if isinstance(said, dict) else "the list of snapshots is empty")
            )
        return said

    def _bring(self, chosen: Wanted, arrivals: Arrivals) -> tuple[list[RemoteSnapshot], list[str]]:
        """Return the copied images, and why others were not copied."""
        brought, failed = list[RemoteSnapshot](), list[str]()
        for image in chosen.images:
            part = arrivals.part(image.name)
            try:
                self._connection.fetch_file(image.path, str(part))
                if part.stat().st_size != image.size:
                    raise AnsibleError(f"{image.path}: its size is not the one listed")
                put_in_place(part, arrivals.complete(image.name))
            except AnsibleConnectionFailure:
                raise AnsibleActionFail(
                    f"The connection was lost after {counted(len(brought), 'image')}. {_AGAIN}"
                ) from None
            except (AnsibleError, OSError) as error:
                reason = str(error).strip().splitlines()[-1]
                if "No space left" in reason or "quota" in reason.lower():
                    raise AnsibleActionFail(
                        f"The disk here is full after {counted(len(brought), 'image')}. {_AGAIN}"
                    ) from None
                if not _is_gone(reason):
                    failed.append(reason)
            else:
                brought.append(image)
            finally:
                part.unlink(missing_ok=True)
        if failed and not brought:
            raise AnsibleActionFail(f"No image could be copied: {_readable(failed[0])}.")
        return brought, failed


def _is_gone(reason: str) -> bool:
    """Return whether the service removed an image in the meantime, or somebody sorted it."""
    return "not found" in reason.lower() or "no such file" in reason.lower()


def _readable(reason: str) -> str:
    is_denied = "permission denied" in reason.lower()
    return f"{reason.rstrip('.')}; connect as the user that runs the service" if is_denied else reason.rstrip(".")


def _outcome(chosen: Wanted, brought: list[RemoteSnapshot], failed: list[str]) -> str:
    parts = [f"{counted(len(brought), 'new image')}, {sum(image.size for image in brought) / 1e6:.1f} MB"]
    parts += [f"{chosen.later} left for the next time"] if chosen.later else []
    parts += [f"{counted(chosen.refused, 'file')} skipped (not named like a snapshot)"] * (chosen.refused > 0)
    parts += [f"{counted(len(failed), 'image')} could not be copied ({_readable(failed[0])})"] if failed else []
    return "; ".join(parts)


@contextmanager
def _small_files() -> Iterator[None]:
    """Keep programs started here from writing larger files: a device could send one without end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
