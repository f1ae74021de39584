"""Ansible module: go back to the previous release of edgeclf, or report which one that is."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.edgeclf_former import find_former, roll_back
from ansible.module_utils.edgeclf_layout import Layout
from ansible.module_utils.edgeclf_module import SERVICE, WATCH, failing

DOCUMENTATION = """
module: edgeclf_rollback
short_description: Go back to the former release of edgeclf, try it, switch to it, watch it
description: Called by edgeclf fleet rollback; with ask, it returns only what has to be signed anew.
"""

_ARGUMENTS = {
    **SERVICE,
    **WATCH,
    "to": {"type": "str", "default": ""},
    "statements": {"type": "dict", "default": {}},
    "ask": {"type": "bool", "default": False},
}


def main() -> None:
    """Roll back, and return the outcome in one line."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    os.umask(0o022)
    given = {**module.params, "root": Path(module.params["root"])}
    ask, to, statements = (given.pop(name) for name in ("ask", "to", "statements"))
    with failing(module, given["root"]):
        if ask:
            former = find_former(Layout(given["root"]), to)
            module.exit_json(changed=False, status={"statement": former.statement})
        changed, outcome = roll_back(given, to, statements, check=module.check_mode)
    module.exit_json(changed=changed, outcome=outcome)


if __name__ == "__main__":
    main()
