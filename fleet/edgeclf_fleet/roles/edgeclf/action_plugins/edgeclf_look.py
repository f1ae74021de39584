"""Ansible action: prepare the bundle here, and examine the device before anything is changed there."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from edgeclf_fleet.bundle import Bundle, make_bundle
from edgeclf_fleet.connection import notice_a_lost_link
from edgeclf_runtime.errors import EdgeclfError

MARK = "EDGECLF "
LOOK = Path(__file__).parents[1] / "files" / "look.py"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes the variables of the role, returns ``bundle`` and the findings of look.py."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Examine one host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        notice_a_lost_link(self._connection)  # for all tasks, as they share it
        given = self._task.args
        bundle = self._bundle(given)
        asked = _asked(given, bundle)
        asked["has_become_password"] |= bool(getattr(self._play_context, "become_pass", None))
        words = ["exec", shlex.quote(given["python"]), "-I", "-", shlex.quote(json.dumps(asked))]
        done = self._low_level_execute_command(" ".join(words), sudoable=False, in_data=LOOK.read_bytes())
        found = _found(done, given["python"])
        if found["lacks"]:
            raise AnsibleActionFail(" ".join(found["lacks"]), result={"lacks": found["lacks"]})
        return {**result, **found, "changed": False, "bundle": bundle.as_dict()}

    def _bundle(self, given: dict[str, Any]) -> Bundle:
        """Make the bundle; relative paths are relative to the playbook, as usual in Ansible."""
        if not given["model"]:
            raise AnsibleActionFail("edgeclf_model is not set: name the model file on this machine.")
        named = {name: given[name] for name in ("wheels", "offline", "key") if given[name] not in ("", "none")}
        paths = {name: Path(self._loader.path_dwim(path)) for name, path in named.items()}
        try:
            model = Path(self._find_needle("files", given["model"]))
            return make_bundle(model, Path(constants.DEFAULT_LOCAL_TMP), **paths)
        except (EdgeclfError, OSError) as error:
            raise AnsibleActionFail(str(error)) from None


def _asked(given: dict[str, Any], bundle: Bundle) -> dict[str, Any]:
    extras = [sorted({*given["extras"], *more}) for more in ((), ("signed",))]
    plain, signed = (_digest(json.dumps([bundle.archive_digest, names, bundle.offline])) for names in extras)
    passed = ("root", "manager", "runit_folder", "become", "has_become_password", "has_config", "system_packages")
    asked = {name: value for name, value in bundle.as_dict().items() if name not in ("model", "archive")}
    return {
        **asked,
        **{name: given[name] for name in passed},
        "environment_bytes": given["environment_bytes"],
        "environment_digest": plain,
        "signed_environment_digest": signed,
        "key": {"": None, "none": False}.get(given["key"], True),
        "wheels": list(bundle.wheels) if bundle.offline else [],
        "now": time.time(),
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _found(done: dict[str, Any], python: str) -> dict[str, Any]:
    """Return the output of look.py, which the login output of the user's shell may surround."""
    lines = [line for line in done["stdout"].splitlines() if line.startswith(MARK)]
    if done["rc"] in (126, 127):
        raise AnsibleActionFail(f"There is no {python} on the device: sudo apt install python3 python3-venv")
    if not lines:
        last = (done["stderr"].strip().splitlines() or [f"exit status {done['rc']}"])[-1]
        raise AnsibleActionFail(f"{python} on the device cannot be used: {last}")
    found: dict[str, Any] = json.loads(lines[-1][len(MARK) :])
    return found
