"""Debian for a Raspberry Pi as a folder, with our runtime and its wheels, made on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.device.needs import PATH

__all__ = ["ARM64", "ARMHF", "CACHE", "EXTRAS", "Userland", "install", "run", "tool", "userland", "wheels_for"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".pi"
EXTRAS = "[web,metrics]"  # extras of our wheel, for the machine that serves a page
# Linked by scripts of their packages, which mmdebstrap did not run.
_ALTERNATIVES = "/usr/lib/arm-linux-gnueabihf/blas:/usr/lib/arm-linux-gnueabihf/lapack"
_DEVICES = {"null": (1, 3), "zero": (1, 5), "urandom": (1, 9)}


@dataclass(frozen=True)
class Userland:
    """One kind of machine.

    Attributes:
        name: Debian's name of the architecture.
        emulator: emulator of a single program.
        processor: the emulated processor.
        platforms: platform tags of suitable wheels.
        packages: Debian packages.
        folder: folder in ``.pi``; by default the name.
        options: options of mmdebstrap.
    """

    name: str
    emulator: str
    processor: str
    platforms: tuple[str, ...]
    packages: str
    folder: str = ""
    options: tuple[str, ...] = ()


ARM64 = Userland(
    "arm64",
    "qemu-aarch64-static",
    "cortex-a72",
    ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28, 34))),
    "python3,libstdc++6,libgcc-s1",
)
ARMHF = Userland(
    "armhf",
    "qemu-arm-static",
    "cortex-a7",
    ("manylinux_2_34_armv7l",),
    "python3,libstdc++6,libgcc-s1,python3-numpy,python3-opencv,python3-click",
)


def userland(kind: Userland) -> Path:
    """Return its folder in ``.pi``; Debian's packages are unpacked once, without a second stage."""
    root = CACHE / (kind.folder or kind.name)
    ready = root / "ready"
    if ready.exists() and ready.read_text("utf-8") == kind.packages:
        return root
    shutil.rmtree(root, ignore_errors=True)
    CACHE.mkdir(exist_ok=True)
    command = ["mmdebstrap", "-q", "--mode=root", "--variant=extract", f"--architectures={kind.name}"]
    # Its mirrors are often out of step for hours, and no device will be attacked here.
    command += ['--setup-hook=sed -i /security/d "$1"/etc/apt/sources.list']
    try:
        tool(*command, *kind.options, f"--include={kind.packages}", "bookworm", root)
    except AssertionError as error:
        pytest.skip(f"Debian's {kind.name} packages cannot be downloaded: {' '.join(str(error).split())[-200:]}")
    _stand_ins(root)
    ready.write_text(kind.packages, "utf-8")
    return root


def _stand_ins(root: Path) -> None:
    """Create plain files in place of the kernel's: XNNPACK reads /proc/cpuinfo, and this machine's would mislead it."""
    for folder in ("proc", "sys/devices/system/cpu", "dev", "tmp", "opt", "work"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "cpuinfo.pi4", root / "proc" / "cpuinfo")
    for name in ("possible", "present"):
        (root / "sys/devices/system/cpu" / name).write_text("0-3\n", "utf-8")
    for name, numbers in _DEVICES.items():
        if not (root / "dev" / name).exists():
            os.mknod(root / "dev" / name, 0o20666, os.makedev(*numbers))


def install(kind: Userland, root: Path, name: str, wheel: Path | str, *others: str, alone: bool = False) -> str:
    """Install our wheel and its requirements in ``/opt/NAME``; return that for PYTHONPATH.

    Args:
        wheel: path of the wheel, with the extras in brackets.
        others: further requirements, which also select versions.
        alone: whether its requirements come from Debian or from ``others``.
    """
    target = root / "opt" / name
    pip = [*_pip("install", kind), "--no-compile", "--root-user-action=ignore", "--target", str(target), "--upgrade"]
    if not target.exists():
        tool(*pip, *(["--no-deps"] if alone else []), wheel, *others)
    tool(*pip, "--no-deps", wheel)
    return f"/opt/{name}"


def wheels_for(kind: Userland, wheel: Path, extras: str) -> Path:
    """Return a folder in ``.pi`` with our wheel and all its requirements, as wheels for this machine."""
    folder = CACHE / f"wheels-{kind.name}"
    shutil.rmtree(folder, ignore_errors=True)
    pinned = ["-c", str(ROOT / "constraints.txt")]
    tool(*_pip("download", kind), "--dest", folder, f"{wheel}[{extras}]", *pinned)
    return folder


def _pip(command: str, kind: Userland) -> list[str]:
    """Return the pip command for another machine's wheels."""
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    pip += ["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
    return pip + [word for platform in (*kind.platforms, "any") for word in ("--platform", platform)]


def run(kind: Userland, root: Path, site: str, *words: str) -> str:
    """Return the standard output of a Python program, run under the emulator of one processor."""
    emulator, chroot = (shutil.which(program, path=PATH) for program in (kind.emulator, "chroot"))
    assert emulator
    assert chroot
    shutil.copy(emulator, root / "emulator")  # it is static, so that nothing has to be registered with the kernel
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "LD_LIBRARY_PATH": _ALTERNATIVES}
    environment |= {"PYTHONPATH": site, "QEMU_CPU": kind.processor}
    command = [chroot, str(root), "/emulator", "/usr/bin/python3", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def tool(*words: object, good: tuple[int, ...] = (0,)) -> None:
    """Run a program of this machine, including those in an administrator's folders; check its exit status."""
    command = list(map(str, words))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": PATH}, check=False)
    assert done.returncode in good, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
