"""A complete emulated Raspberry Pi 4: Debian's kernel with its own camera driver (vivid), booted by qemu."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.device.needs import PATH
from tests.device.userland import CACHE

__all__ = ["boot", "emulator", "initramfs", "kernel", "kernel_version", "modules", "packed"]

HERE = Path(__file__).parent
_ENVIRONMENT = {**os.environ, "PATH": PATH}
_USELESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache", "var/lib", "proc", "sys", "dev")


def kernel() -> Path:
    """Return the folder of Debian's arm64 kernel, fetched once by apt with separate package lists."""
    folder = CACHE / "kernel"
    if (folder / "ready").exists():
        return folder / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / "apt" / part).mkdir(parents=True)
    (folder / "apt/status").touch()
    _apt(folder, "apt-get", "-qq", "update")
    depends = _apt(folder, "apt-cache", "depends", "linux-image-arm64")
    name = re.search(r"Depends: (linux-image-\S+)", depends)
    assert name, depends
    _apt(folder, "apt-get", "-qq", "download", name[1])
    subprocess.run(["dpkg-deb", "-x", next(folder.glob("*.deb")), folder / "unpacked"], check=True)
    unpacked = folder / "unpacked"
    subprocess.run(["depmod", "-b", unpacked, kernel_version(unpacked)], check=True, env=_ENVIRONMENT)
    (folder / "ready").touch()
    return unpacked


def _apt(folder: Path, program: str, *words: str) -> str:
    apt = folder / "apt"
    options = [f"Dir::State={apt}", f"Dir::State::lists={apt}/lists", f"Dir::State::status={apt}/status"]
    options += [f"Dir::Cache={apt}/cache", "APT::Sandbox::User=root"]
    options += ["APT::Architecture=arm64", "APT::Architectures=arm64"]
    command = [program, *(word for option in options for word in ("-o", option)), *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def kernel_version(unpacked: Path) -> str:
    """Return the kernel's version, such as 6.1.0-30-arm64."""
    return next((unpacked / "lib/modules").iterdir()).name


def initramfs(unpacked: Path, root: Path, site: str, extra: list[Path], out: Path) -> None:
    """Write one archive of userland, the site's packages, vivid with its modules, our init, and ``extra`` in /work."""
    stage = out.with_suffix(".stage")
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(root, stage, symlinks=True, ignore=_left_out(root, root / site.lstrip("/")))
    for folder in ("proc", "sys", "dev", "tmp", "mods", "work"):
        (stage / folder).mkdir(exist_ok=True)
    for path in extra:
        shutil.copy(path, stage / "work")
    shutil.copy(HERE / "init.py", stage / "init")
    (stage / "init").chmod(0o755)
    (stage / "mods/order").write_text("\n".join(modules(unpacked, ("vivid",), stage / "mods")), "utf-8")
    packed(stage, out)
    shutil.rmtree(stage)


def packed(stage: Path, out: Path) -> None:
    """Return a folder as an archive that the kernel unpacks at boot."""
    with out.open("wb") as file:
        names = subprocess.run(["find", ".", "-print0"], cwd=stage, check=True, capture_output=True).stdout
        pack = ["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"]
        subprocess.run(pack, cwd=stage, input=names, stdout=file, check=True, env=_ENVIRONMENT)


def _left_out(root: Path, site: Path):
    """Return what no boot needs: documentation, devices, and other interpreters' packages."""
    useless = {root / name for name in _USELESS}

    def ignored(folder: str, names: list[str]) -> set[str]:
        here = Path(folder)
        if here == root / "opt":
            return set(names) - {site.name}
        return {name for name in names if here / name in useless or here in useless}

    return ignored


def modules(unpacked: Path, names: tuple[str, ...], folder: Path) -> list[str]:
    """Copy the kernel's modules and their dependencies; return their file names in the order of loading."""
    folder.mkdir(parents=True, exist_ok=True)
    show = ["modprobe", "-d", str(unpacked), "-S", kernel_version(unpacked), "--show-depends"]
    lines: list[str] = []
    for name in names:
        done = subprocess.run([*show, name], check=True, capture_output=True, text=True, env=_ENVIRONMENT)
        lines += done.stdout.splitlines()
    paths = [Path(line.split()[1]) for line in dict.fromkeys(lines) if line.startswith("insmod")]
    for path in paths:
        shutil.copy(path, folder)
    return [path.name for path in paths]


def emulator(unpacked: Path, archive: Path, start: str) -> list[str]:
    """Return the command that boots the kernel with this archive; its serial console is the command's output.

    Args:
        start: further kernel arguments.
    """
    image = unpacked / "boot" / f"vmlinuz-{kernel_version(unpacked)}"
    command = ["nice", "-n", "5", "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "3072"]
    command += ["-accel", "tcg,thread=multi", "-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio"]
    command += ["-kernel", str(image), "-initrd", str(archive)]
    return [*command, "-append", f"console=ttyAMA0 panic=-1 quiet {start}"]


def boot(unpacked: Path, archive: Path, seconds: float) -> str:
    """Return the output of the serial console until the machine turns itself off."""
    command = emulator(unpacked, archive, "rdinit=/init")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    return done.stdout.decode("utf-8", "replace")
