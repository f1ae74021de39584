"""Ansible module: install a release next to the current one, try it, switch to it, watch it, or undo everything."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.edgeclf_deploying import deploy, try_beside
from ansible.module_utils.edgeclf_module import NEEDED, SERVICE, WATCH, failing
from ansible.module_utils.edgeclf_wanted import Wanted

DOCUMENTATION = """
module: edgeclf_release
short_description: Install a release of edgeclf, try it, switch to it, watch it, or take everything back
description: Called by the role edgeclf, which copies the model and the wheels to ROOT/incoming before.
"""

_ARGUMENTS = {
    **SERVICE,
    **WATCH,
    "python": NEEDED,
    "environment": NEEDED,
    "system_packages": {"type": "bool", "default": False},
    "archive_digest": NEEDED,
    "offline": {"type": "bool", "default": False},
    "extras": {"type": "list", "elements": "str", "default": []},
    "version": NEEDED,
    "model_name": NEEDED,
    "model_digest": NEEDED,
    "config": {"type": "str", "default": "", "no_log": True},
    "key": {"type": "str", "default": "", "no_log": False},
    "shadow": {"type": "float", "default": 0},
    "min_agreement": {"type": "float", "default": 0},
}


def main() -> None:
    """Deploy, and return the outcome in one line; with ``shadow``, install and compare, without switching."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    os.umask(0o022)
    given = dict(module.params)
    wanted = Wanted(root=Path(given.pop("root")), **given)
    with failing(module, wanted.root):
        if wanted.shadow and not module.check_mode:
            module.exit_json(changed=False, shadow=try_beside(wanted))
        changed, outcome = deploy(wanted, check=module.check_mode)
    module.exit_json(changed=changed, outcome=outcome)


if __name__ == "__main__":
    main()
