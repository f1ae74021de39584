"""What may be wrong with this machine, one line each, with the command that mends it."""

from __future__ import annotations

from edgeclf_runtime.doctor import hardware, software
from edgeclf_runtime.doctor.configs import configs
from edgeclf_runtime.doctor.finding import Finding, Machine

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
)


def examine(machine: Machine | None = None) -> list[Finding]:
    """All findings, in a fixed order. A check that fails itself is a finding too."""
    findings: list[Finding] = []
    for check in _CHECKS:
        try:
            findings += check(machine or Machine())
        except Exception as error:  # of a file no one foresaw: the other checks still help
            findings.append(Finding(check.__name__, "note", f"could not be examined ({type(error).__name__}: {error})"))
    return findings
