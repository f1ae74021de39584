"""Deploy models and the runtime to devices over SSH, with Ansible."""

from edgeclf_fleet.errors import FleetError

__all__ = ["FleetError", "__version__"]

__version__ = "0.1.0"
