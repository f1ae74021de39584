"""Deploy models and the runtime to devices over SSH, with Ansible."""

from edgeclf_fleet.errors import FleetError
from edgeclf_runtime import __version__

__all__ = ["FleetError", "__version__"]
