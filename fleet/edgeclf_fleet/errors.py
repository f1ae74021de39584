"""The exceptions of this package, as a tree.

EdgeclfError (of edgeclf_runtime)
└── FleetError    a deployment that cannot begin: wheels, inventory, Ansible
"""

from __future__ import annotations

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["FleetError"]


class FleetError(EdgeclfError):
    """A deployment cannot begin."""
