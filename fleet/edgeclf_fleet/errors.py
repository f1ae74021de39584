"""The exceptions of this package, as a tree.

EdgeclfError (of edgeclf_runtime)
└── FleetError    a command cannot start: wheels, inventory, Ansible, the folder of images
"""

from __future__ import annotations

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["FleetError"]


class FleetError(EdgeclfError):
    """A command cannot start."""
