"""Find problems on this machine, each with the command that fixes it."""

from __future__ import annotations

from edgeclf_runtime.doctor import hardware, software
from edgeclf_runtime.doctor.configs import configs
from edgeclf_runtime.doctor.finding import Finding, Machine
from edgeclf_runtime.doctor.images import images

__all__ = ["Finding", "Machine", "examine"]

_CHECKS = (
    software.python,
    software.interpreter,
    software.numpy_version,
    software.opencv,
    software.picamera,
    software.optional_packages,
    hardware.cameras,
    hardware.groups,
    hardware.coral,
    hardware.power,
    hardware.clock,
    hardware.disk,
    configs,
    images,
)


def examine(machine: Machine | None = None) -> list[Finding]:
    """Return all findings in a fixed order; a check that fails is a finding, too."""
    findings: list[Finding] = []
    for check in _CHECKS:
        try:
            findings += check(machine or Machine())
        except Exception as error:  # an unforeseen error must not stop the other checks
            findings.append(Finding(check.__name__, "note", f"could not be examined ({type(error).__name__}: {error})"))
    return findings
