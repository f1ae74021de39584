"""Optional packages and the versions that work, for the features that need them and for doctor."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["OPTIONAL", "OptionalPackage", "check_version", "installed_version", "unsuited"]


@dataclass(frozen=True)
class OptionalPackage:
    """An optional package.

    Attributes:
        purpose: the feature that needs it.
        min_version: first version that works.
        below: first version that was not tested; empty for no upper bound.
        fix: command that installs a suitable version; empty for ``pip install`` with the bounds.
    """

    purpose: str
    min_version: str
    below: str = ""
    fix: str = ""


_APT = "sudo apt update && sudo apt install python3-picamera2"
OPTIONAL = {
    "paho-mqtt": OptionalPackage("MQTT", "2.1", "3"),
    "prometheus-client": OptionalPackage("metrics", "0.20", "1"),
    "starlette": OptionalPackage("the page", "0.40", "2"),
    "uvicorn": OptionalPackage("the page", "0.30", "1"),
    "gpiozero": OptionalPackage("GPIO outputs", "2.0", "3"),
    "cryptography": OptionalPackage("signatures", "42", "51"),
    "pillow": OptionalPackage("AVIF", "11.3", "14"),
    "pillow-heif": OptionalPackage("HEIC", "1.0", "2" if sys.version_info >= (3, 10) else "1.2"),
    "picamera2": OptionalPackage("a CSI camera", "0.3.17", fix=_APT),
}
"""By name in pip; the bounds are the same as in the extras of runtime/pyproject.toml."""


def installed_version(package: str) -> str:
    """Return the version of an installed package; empty if it is not installed or has no version."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package) or ""  # None in a damaged installation
    except PackageNotFoundError:
        return ""


def check_version(package: str, error: type[EdgeclfError]) -> None:
    """Raise ``error`` if the package is too old; the message is one line."""
    text, fix = unsuited(package)
    if text:
        raise error(f"{text}: {fix}")


def unsuited(package: str) -> tuple[str, str]:
    """Return what is wrong with a package's version and the command that fixes it; two empty strings if it is fine.

    A package that is missing or has no version counts as fine here.
    """
    asked, there = OPTIONAL[package], installed_version(package)
    installed = _numbers(there)
    if not installed or installed >= _numbers(asked.min_version):
        return "", ""
    bounds = f">={asked.min_version}" + (f",<{asked.below}" if asked.below else "")
    text = f"{package} {there} is installed; {asked.purpose} needs {asked.min_version} or newer"
    return text, asked.fix or f"pip install '{package}{bounds}'"


def _numbers(text: str) -> tuple[int, ...]:
    """Return ``"1.6.1"`` as ``(1, 6, 1)`` without trailing zeros; empty if it does not start with a number."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
