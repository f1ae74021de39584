"""What the modules of this role share: arguments that name the service, and errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.edgeclf_layout import ReleaseError

__all__ = ["NEEDED", "SERVICE", "WATCH", "failing"]

NEEDED = {"type": "str", "required": True}
SERVICE = {
    "root": {"type": "path", "required": True},
    "service": NEEDED,
    "manager": {"type": "str", "choices": ["systemd", "runit", "none"], "required": True},
    "runit_folder": {"type": "str", "default": "/etc/service"},
}
WATCH = {
    "run_as": {"type": "str", "default": ""},
    "memory_limit": {"type": "str", "default": ""},
    "watch_seconds": {"type": "float", "default": 20},
    "start_seconds": {"type": "float", "default": 90},
    "latency_ms": {"type": "float", "default": 0},
}


@contextmanager
def failing(module: AnsibleModule, root: Path) -> Iterator[None]:
    """Report a failure below ``root`` to Ansible in one line."""
    try:
        yield
    except ReleaseError as error:
        module.fail_json(msg=str(error), **getattr(error, "facts", {}))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or root}: {error.strerror}.")
