"""Ansible module: install a release beside the present one, try it, switch to it, watch it, or take everything back."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.edgeclf_deploying import Wanted, deploy
from ansible.module_utils.edgeclf_layout import ReleaseError

DOCUMENTATION = """
module: edgeclf_release
short_description: Install a release of edgeclf, try it, switch to it, watch it, or take everything back
description: Called by the role edgeclf, which copies the model and the wheels to ROOT/incoming before.
"""

_NEEDED = {"type": "str", "required": True}
_ARGUMENTS = {
    "root": {"type": "path", "required": True},
    "service": _NEEDED,
    "manager": {"type": "str", "choices": ["systemd", "runit", "none"], "required": True},
    "runit_folder": {"type": "str", "default": "/etc/service"},
    "run_as": {"type": "str", "default": ""},
    "memory_limit": {"type": "str", "default": ""},
    "python": _NEEDED,
    "environment": _NEEDED,
    "system_packages": {"type": "bool", "default": False},
    "archive_digest": _NEEDED,
    "offline": {"type": "bool", "default": False},
    "extras": {"type": "list", "elements": "str", "default": []},
    "version": _NEEDED,
    "model_name": _NEEDED,
    "model_digest": _NEEDED,
    "config": {"type": "str", "default": "", "no_log": True},
    "key": {"type": "str", "default": "", "no_log": False},
    "watch_seconds": {"type": "float", "default": 20},
    "start_seconds": {"type": "float", "default": 90},
    "latency_ms": {"type": "float", "default": 0},
}


def main() -> None:
    """Deploy, and tell Ansible the outcome in one line."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    os.umask(0o022)
    given = dict(module.params)
    wanted = Wanted(root=Path(given.pop("root")), **given)
    try:
        changed, outcome = deploy(wanted, check=module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or wanted.root}: {error.strerror}.")
    module.exit_json(changed=changed, outcome=outcome)


if __name__ == "__main__":
    main()
