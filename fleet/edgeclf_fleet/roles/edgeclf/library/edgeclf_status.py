"""Ansible module: report the status of a device: what is installed, its service's health, and its camera."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.edgeclf_condition import condition
from ansible.module_utils.edgeclf_layout import Layout
from ansible.module_utils.edgeclf_managers import manager_named
from ansible.module_utils.edgeclf_module import SERVICE, failing

DOCUMENTATION = """
module: edgeclf_status
short_description: Tell how a device is
description: Changes nothing.
"""

_ARGUMENTS = {**SERVICE, "verify": {"type": "bool", "default": True}}


def main() -> None:
    """Return ``status``, the object that ``edgeclf fleet status --json`` prints for a device."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    given = module.params
    layout = Layout(Path(given["root"]))
    manager = manager_named(given["manager"], layout, given["service"], {"runit_folder": given["runit_folder"]})
    with failing(module, layout.root):
        module.exit_json(changed=False, status=condition(layout, manager, verify=given["verify"]))


if __name__ == "__main__":
    main()
