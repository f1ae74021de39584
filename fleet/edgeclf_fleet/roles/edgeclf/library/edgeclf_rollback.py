"""Ansible module: go back to the former release of edgeclf, or say which one that is."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.edgeclf_former import find_former, roll_back
from ansible.module_utils.edgeclf_layout import Layout, ReleaseError

DOCUMENTATION = """
module: edgeclf_rollback
short_description: Go back to the former release of edgeclf, try it, switch to it, watch it
description: Called by edgeclf fleet rollback; with ask, it returns only which digest has to be signed.
"""

_NEEDED = {"type": "str", "required": True}
_ARGUMENTS = {
    "root": {"type": "path", "required": True},
    "service": _NEEDED,
    "manager": {"type": "str", "choices": ["systemd", "runit", "none"], "required": True},
    "runit_folder": {"type": "str", "default": "/etc/service"},
    "run_as": {"type": "str", "default": ""},
    "memory_limit": {"type": "str", "default": ""},
    "watch_seconds": {"type": "float", "default": 20},
    "start_seconds": {"type": "float", "default": 90},
    "latency_ms": {"type": "float", "default": 0},
    "to": {"type": "str", "default": ""},
    "statements": {"type": "dict", "default": {}},
    "ask": {"type": "bool", "default": False},
}


def main() -> None:
    """Roll back, and tell Ansible the outcome in one line."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    os.umask(0o022)
    given = {**module.params, "root": Path(module.params["root"])}
    ask, to, statements = (given.pop(name) for name in ("ask", "to", "statements"))
    try:
        if ask:
            former = find_former(Layout(given["root"]), to)
            module.exit_json(changed=False, status={"digest": former.digest})
        changed, outcome = roll_back(given, to, statements, check=module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or given['root']}: {error.strerror}.")
    module.exit_json(changed=changed, outcome=outcome)


if __name__ == "__main__":
    main()
