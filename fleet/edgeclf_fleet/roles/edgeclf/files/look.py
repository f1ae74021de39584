"""Examine a device before anything is changed: look.py JSON. Prints what it lacks, and what it already has.

It runs on the device, on any Python from 3.6, to report one that is too old, with only the standard library.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import time
from typing import Any, Dict

MIB = 1 << 20
ENVIRONMENT_BYTES = 600 * MIB  # numpy, OpenCV, an interpreter, and what pip needs temporarily
GLIBC = (2, 28)  # required by the wheels of numpy and OpenCV
DAY = 86400.0
INTERPRETERS = ("ai_edge_litert", "tflite_runtime")
MARK = "EDGECLF "


def machine() -> str:
    """Return the processor as programs see it: a 32-bit system may have a 64-bit kernel."""
    name = platform.machine()
    if struct.calcsize("P") == 4:
        return {"aarch64": "armv7l", "x86_64": "i686"}.get(name, name)
    return name


def is_whole(path: str, digest: str) -> bool:
    """Return whether a file exists with this SHA-256."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for part in iter(lambda: file.read(MIB), b""):
                found.update(part)
    except OSError:
        return False
    return found.hexdigest() == digest


def python_lack() -> str:
    """Return what is wrong with this Python."""
    version = sys.version_info[:2]
    shown = "Python {}.{}".format(*version)
    if version < (3, 9):
        return f"{shown} is too old: 3.9 or newer is needed. Update the system, or set edgeclf_python."
    if struct.calcsize("P") == 4 and version > (3, 11):
        return f"{shown} on 32 bits has no TensorFlow Lite interpreter. Use Python 3.9 to 3.11, or a 64-bit system."
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "Python has no venv module: sudo apt install python3-venv"
    return ""


def glibc_lack() -> str:
    """Return what is wrong with the C library."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError):
        text = ""
    match = re.match(r"glibc (\d+)\.(\d+)", text)
    if match is None:
        return "The system has no glibc (Alpine has musl); there are no wheels for it. Use Debian or Raspberry Pi OS."
    if (int(match.group(1)), int(match.group(2))) < GLIBC:
        return "{} is too old: {}.{} is needed (Debian 10 or newer). Update the system.".format(text, *GLIBC)
    return ""


def existing(path: str) -> str:
    """Return the nearest existing folder above a path."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def disk_lack(asked: Dict[str, Any], present: Dict[str, bool]) -> str:
    """Return the error if there is too little space."""
    needed = asked["model_bytes"] * (0 if present["model"] else 2) + 8 * MIB
    if not present["environment"]:
        needed += asked["environment_bytes"] or ENVIRONMENT_BYTES + 3 * asked["archive_bytes"]
    folder = existing(asked["root"])
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free >= needed:
        return ""
    free, needed = free // 1000000, -(-needed // 1000000)
    return f"{folder}: {free} MB free, {needed} MB needed. Free some, or set edgeclf_root to another disk."


def clock_lack(asked: Dict[str, Any]) -> str:
    """Return the error if the clock is not set."""
    now = time.time()
    if now >= asked["model_time"] - DAY:
        return ""
    return (
        "The clock says {}, before the model was made ({}). Connect it to the network, or set it: "
        "sudo date -s '{}'".format(
            time.strftime("%Y-%m-%d", time.gmtime(now)),
            time.strftime("%Y-%m-%d", time.gmtime(asked["model_time"])),
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(asked["now"])),
        )
    )


def right_lack(asked: Dict[str, Any]) -> str:
    """Return the error if this user may not install."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or str(os.geteuid())
    if asked["become"] and os.geteuid() != 0:
        if shutil.which("sudo") is None:
            return "There is no sudo. Connect as root, or install it: apt install sudo"
        if not asked["has_become_password"]:
            done = subprocess.run(["sudo", "-n", "true"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: UP022  3.6
            if done.returncode:
                return f"sudo asks for the password of {user}, or refuses {user}. Give it with --ask-become-pass (-K)."
    elif not asked["become"] and not os.access(existing(asked["root"]), os.W_OK):
        return "{} may not write to {}. Set edgeclf_root to a folder that it may write to.".format(
            user, existing(asked["root"])
        )
    return ""


def manager_lack(asked: Dict[str, Any]) -> str:
    """Return the error if the service manager is not running."""
    if asked["manager"] == "systemd" and not os.path.isdir("/run/systemd/system"):
        return "systemd is not running. Set edgeclf_service_manager to runit, or to none for no service."
    if asked["manager"] == "runit":
        if shutil.which("sv") is None:
            return "runit is not installed: sudo apt install runit"
        if not os.path.isdir(asked["runit_folder"]):
            return "{}: no such folder; set edgeclf_runit_folder to the one that runit watches.".format(
                asked["runit_folder"]
            )
    return ""


def config_lack(asked: Dict[str, Any], current: str) -> str:
    """Return the error if there are no settings for a first service."""
    if asked["has_config"] or current or asked["manager"] == "none":
        return ""
    return "No service is deployed yet. Give its settings: --config run.toml (edgeclf init-config writes it)."


def suits(wheel: str) -> bool:
    """Return whether a wheel suits this Python and processor."""
    parts = wheel[: -len(".whl")].split("-")
    pythons, abi, platforms = parts[-3].split("."), parts[-2], parts[-1].split(".")
    own = "cp{}{}".format(*sys.version_info[:2])
    version_fits = own in pythons or "py3" in pythons or "abi3" in abi
    return version_fits and any(one == "any" or one.endswith("_" + machine()) for one in platforms)


def offline_lack(asked: Dict[str, Any]) -> str:
    """Return the error if the offline folder lacks a wheel for this processor."""
    if not asked["offline"]:
        return ""
    for names in (("numpy",), ("opencv_python_headless",), ("click",), INTERPRETERS):
        wheels = [one for one in asked["wheels"] if one.lower().split("-")[0] in names]
        if not any(map(suits, wheels)):
            own = "{}, Python {}.{}".format(machine(), *sys.version_info[:2])
            there = " (it has {})".format(", ".join(wheels)) if wheels else ""
            return "The offline folder has no wheel of {} for {}{}.".format(
                " or ".join(name.replace("_", "-") for name in names), own, there
            )
    return ""


def system_packages(asked: Dict[str, Any]) -> bool:
    """Return whether the environment needs access to the system's packages, such as picamera2."""
    if asked["system_packages"] != "auto":
        return bool(asked["system_packages"])
    return os.path.isdir("/usr/lib/python3/dist-packages/picamera2")


def needs_signatures(asked: Dict[str, Any]) -> bool:
    """Whether models must be signed: a key is brought, or the present release has one that is not removed."""
    brought = asked.get("key")  # False removes it; None keeps what is there
    return os.path.exists("{}/current/trusted.pub".format(asked["root"])) if brought is None else bool(brought)


def environment_name(asked: Dict[str, Any]) -> str:
    """Return the name of the environment, which identifies everything that it was made from."""
    return "{}-cp{}{}-{}{}-{}".format(
        asked["version"],
        sys.version_info[0],
        sys.version_info[1],
        machine(),
        "-system" if system_packages(asked) else "",
        asked["signed_environment_digest" if needs_signatures(asked) else "environment_digest"][:12],
    )


def main() -> None:
    """Print one line of JSON."""
    asked = json.loads(sys.argv[1])
    root, name = asked["root"], environment_name(asked)
    current = os.path.basename(os.readlink(root + "/current")) if os.path.islink(root + "/current") else ""
    present = {
        "environment": os.path.exists(f"{root}/environments/{name}/complete"),
        "model": is_whole("{}/models/{}.tflite".format(root, asked["model_digest"]), asked["model_digest"]),
    }
    too_old = python_lack() if sys.version_info < (3, 9) else ""  # then the rest does not matter
    lacks = (
        [too_old]
        if too_old
        else [
            python_lack(),
            glibc_lack(),
            clock_lack(asked),
            right_lack(asked),
            manager_lack(asked),
            config_lack(asked, current),
            disk_lack(asked, present),
            offline_lack(asked),
        ]
    )
    found = {
        "lacks": [lack for lack in lacks if lack],
        "environment": name,
        "current": current,
        "present": present,
        "system_packages": system_packages(asked),
        "needs_signatures": needs_signatures(asked),
        "machine": machine(),
        "python": platform.python_version(),
    }
    print(MARK + json.dumps(found))


if __name__ == "__main__":
    main()
