"""Packages that only some features need: these features and doctor ask here which versions work."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["OPTIONAL", "OptionalPackage", "check_version", "installed_version", "unsuited"]


@dataclass(frozen=True)
class OptionalPackage:
    """A package that is not always there.

    Attributes:
        purpose: what needs it.
        min_version: its first version that works.
        below: the first one that was not tried, which is not installed for it; empty where there is no such bound.
        fix: the command that installs a fitting one; made of the bounds where it is empty.
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
    "pillow": OptionalPackage("AVIF", "11.3", "14"),
    "pillow-heif": OptionalPackage("HEIC", "1.0", "2" if sys.version_info >= (3, 10) else "1.2"),
    "picamera2": OptionalPackage("a CSI camera", "0.3.17", fix=_APT),
}
"""By their names in pip; the bounds are those of the extras in runtime/pyproject.toml."""


def installed_version(package: str) -> str:
    """Of the package that is imported; empty where it is not installed, or does not say."""
    try:
        return version(package) or ""  # of a damaged installation it may be None
    except PackageNotFoundError:
        return ""


def check_version(package: str, error: type[EdgeclfError]) -> None:
    """Raises ``error``, in one line, where the package is too old."""
    text, fix = unsuited(package)
    if text:
        raise error(f"{text}: {fix}")


def unsuited(package: str) -> tuple[str, str]:
    """What is there, what is needed, and the command that mends it, for one line; twice empty where it fits.

    A package that is missing, or does not say its version, is nobody's complaint here.
    """
    asked, there = OPTIONAL[package], installed_version(package)
    installed = _numbers(there)
    if not installed or installed >= _numbers(asked.min_version):
        return "", ""
    bounds = f">={asked.min_version}" + (f",<{asked.below}" if asked.below else "")
    text = f"{package} {there} is installed; {asked.purpose} needs {asked.min_version} or newer"
    return text, asked.fix or f"pip install '{package}{bounds}'"


def _numbers(text: str) -> tuple[int, ...]:
    """``"1.6.1"`` as ``(1, 6, 1)``; empty where it begins with no number. Trailing zeros do not count."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
