"""Check cameras, the Coral, power, clock and disk."""

from __future__ import annotations

import ctypes.util
import grp
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from edgeclf_runtime.backends.registry import title
from edgeclf_runtime.doctor.finding import Finding, Machine, note, ok, problem
from edgeclf_runtime.errors import BackendError
from edgeclf_runtime.system.clock import is_synchronized

__all__ = ["cameras", "clock", "coral", "disk", "groups", "power"]

# Codecs and image processors of a Raspberry Pi; picamera2 reads its CSI camera.
_NO_CAMERAS = ("bcm2835-codec", "bcm2835-isp", "rpi-hevc", "rpivid", "pispbe", "rp1-cfe", "unicam")
_CORAL = {("1a6e", "089a"): "before its firmware is loaded", ("18d1", "9302"): "with its firmware"}
_CORAL_PCIE = ("0x1ac1", "0x089a")
_PAGE = 4096  # bytes
_GASKET = "sudo apt install gasket-dkms, or build Google's gasket-driver for this kernel; then reboot"
_THROTTLED = ((0, "under-voltage now"), (1, "slowed down now"), (2, "throttled now"), (3, "soft temperature limit now"))
_BEFORE = ((16, "under-voltage since the start"), (18, "throttled since the start"))


def cameras(machine: Machine) -> Iterator[Finding]:
    """Check V4L2 capture devices: their persistent names, and which programs use them."""
    usable = _capturing(machine)
    if not usable:
        yield note(
            "camera", "no V4L2 camera; a USB one is missing or not recognised", "dmesg | tail, another port or cable"
        )
    for node in usable:
        name, holders = _reads(node, "name"), _holders(machine, f"/dev/{node.name}")
        text = f"/dev/{node.name} {name}{_lasting_name(machine, node)}"
        if holders:
            yield note(
                "camera", f"{text}, in use by {', '.join(holders)}", f"stop it first: sudo fuser -v /dev/{node.name}"
            )
        else:
            yield ok("camera", text)


def _lasting_name(machine: Machine, node: Path) -> str:
    """Return the persistent name for run.toml: numbers depend on the order in which cameras are detected."""
    for link in machine.glob("/dev/v4l/by-id/*"):
        if Path(os.readlink(link)).name == node.name:
            return f'; as a source: "/dev/v4l/by-id/{link.name}"'
    return ""


def _capturing(machine: Machine) -> list[Path]:
    nodes = machine.glob("/sys/class/video4linux/video*")
    return [node for node in nodes if _reads(node, "index") == "0" and not _reads(node, "name").startswith(_NO_CAMERAS)]


def _reads(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _holders(machine: Machine, device: str) -> list[str]:
    holders = []
    for process in machine.glob("/proc/[0-9]*"):
        try:
            held = any(os.readlink(link) == device for link in (process / "fd").iterdir())
        except OSError:
            continue
        if held:
            holders.append(f"{_reads(process, 'comm')} ({process.name})")
    return holders


def groups(machine: Machine) -> Iterator[Finding]:
    """Check whether the user may open cameras and a USB Coral, as a group member or as the local user."""
    if os.geteuid() == 0:
        yield note("groups", "running as root; a service should not", "run it as a user that is a member of video")
        return
    wanted = [("video", "cameras", [machine.path(f"/dev/{node.name}") for node in _capturing(machine)])]
    corals = [device for device in machine.glob("/sys/bus/usb/devices/*") if _ids(device) in _CORAL]
    if corals:
        wanted.append(("plugdev", "a Coral on USB", [machine.path(_usb_node(device)) for device in corals]))
    have = {_group(number) for number in os.getgroups()}
    for name, what, nodes in filter(lambda item: _exists(item[0]), wanted):
        there = [node for node in nodes if node.exists()]  # a container may list a camera without its device node
        refused = [node for node in there if not os.access(node, os.R_OK | os.W_OK)]
        fix = f"sudo usermod -aG {name} $USER, then log in again"
        if name in have:
            yield ok("groups", f"member of {name}")
        elif refused:
            yield problem("groups", f"not a member of {name}, and may not open {refused[0]}", fix)
        elif there:
            yield ok("groups", f"may open {what} without being a member of {name}, logged in like this")
        else:
            text = f"not a member of {name}, which gives access to {what}"
            yield note("groups", text, f"if access is refused: {fix}")


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def coral(machine: Machine) -> Iterator[Finding]:
    """Check an Edge TPU on USB or PCIe: its library, whether it answers, and its udev rule."""
    usb = [device for device in machine.glob("/sys/bus/usb/devices/*") if _ids(device) in _CORAL]
    pcie = machine.glob("/dev/apex_*")
    on_bus = [device for device in machine.glob("/sys/bus/pci/devices/*") if _pci_ids(device) == _CORAL_PCIE]
    if on_bus and not pcie:
        yield _without_driver(machine)
        return
    if on_bus and (size := _page_size(machine)) > _PAGE:
        yield _large_pages(size)
    if not usb and not pcie:
        yield note("coral", "no Edge TPU; models run on the CPU")
        return
    for device in usb:
        yield ok("coral", f"USB accelerator, {_CORAL[_ids(device)]}")
    for node in pcie:
        yield ok("coral", f"PCIe accelerator /dev/{node.name}")
    yield _library(machine, [*map(_usb_node, usb), *(f"/dev/{node.name}" for node in pcie)])
    rules = "".join(path.read_text("utf-8", "replace") for path in machine.glob("/*/udev/rules.d/*.rules"))
    rules += "".join(path.read_text("utf-8", "replace") for path in machine.glob("/usr/lib/udev/rules.d/*.rules"))
    if usb and not ("1a6e" in rules and "18d1" in rules):
        fix = "reinstall libedgetpu1-std, or write a udev rule for 1a6e:089a and 18d1:9302; plug it in again"
        yield problem("coral", "no udev rule gives users the USB accelerator", fix)
    if pcie and not os.access(pcie[0], os.R_OK | os.W_OK):
        yield problem(
            "coral", f"no permission for /dev/{pcie[0].name}", "sudo usermod -aG apex $USER, then log in again"
        )


def _without_driver(machine: Machine) -> Finding:
    """Return the finding for a Coral on PCIe without a device node."""
    if (size := _page_size(machine)) > _PAGE:
        return _large_pages(size)
    if not machine.path("/sys/module/gasket").is_dir():
        return problem("coral", "PCIe accelerator without its driver gasket", _GASKET)
    return problem("coral", "PCIe accelerator, but its driver apex made no /dev/apex_0", "dmesg | grep -i apex")


def _large_pages(size: int) -> Finding:
    text = f"the kernel has pages of {size >> 10} kB; the Coral's driver on PCIe works with 4 kB only"
    return problem("coral", text, "on a Raspberry Pi 5: kernel=kernel8.img in /boot/firmware/config.txt, then reboot")


def _page_size(machine: Machine) -> int:
    """Return the page size of the kernel in bytes."""
    if machine.root == Path("/"):
        return os.sysconf("SC_PAGE_SIZE")
    return int(machine.text("/page_size") or _PAGE)  # the file exists only in tests


def _pci_ids(device: Path) -> tuple[str, str]:
    return _reads(device, "vendor"), _reads(device, "device")


def _library(machine: Machine, nodes: list[str]) -> Finding:
    """Try the library in another process, but not while a program uses the device."""
    from edgeclf_runtime.backends.delegate import INSTALL_LIBRARY
    from edgeclf_runtime.backends.edgetpu import LIBRARY_VARIABLE, edgetpu_library
    from edgeclf_runtime.backends.probe import probe

    library = edgetpu_library()
    if not os.environ.get(LIBRARY_VARIABLE) and not (machine.root == Path("/") and ctypes.util.find_library("edgetpu")):
        return problem("coral", "libedgetpu is not installed", INSTALL_LIBRARY)
    if holders := [holder for node in nodes for holder in _holders(machine, node)]:
        return note("coral", f"in use by {', '.join(holders)}; {library} was not tried")
    try:
        probed = probe(library, [""])
    except BackendError as error:
        text, _, fix = str(error).rstrip(".").rpartition(": ")
        return problem("coral", text or fix, fix)
    return ok("coral", f"{library} answers, with {title(probed.interpreter)}, in {probed.seconds:.1f} s")


def _usb_node(device: Path) -> str:
    return f"/dev/bus/usb/{_reads(device, 'busnum'):0>3}/{_reads(device, 'devnum'):0>3}"


def _ids(device: Path) -> tuple[str, str]:
    return _reads(device, "idVendor"), _reads(device, "idProduct")


def power(machine: Machine) -> Iterator[Finding]:
    """Check the temperature and, on a Raspberry Pi, under-voltage and throttling."""
    text = machine.text("/sys/class/thermal/thermal_zone0/temp")
    if text.lstrip("-").isdecimal():
        degrees = int(text) / 1000
        if degrees >= 80:
            yield problem(
                "temperature",
                f"{degrees:.0f} C: the processor slows down",
                "a heat sink or fan; fewer frames: --max-fps",
            )
        else:
            yield ok("temperature", f"{degrees:.0f} C")
    files = machine.glob("/sys/devices/platform/soc*/*firmware/get_throttled")
    if not files:
        return
    bits = int(_reads(files[0].parent, files[0].name) or "0", 16)
    now = [text for bit, text in _THROTTLED if bits >> bit & 1]
    before = [text for bit, text in _BEFORE if bits >> bit & 1]
    if now or before:
        fix = "the official power supply and a short cable" if bits & 0x10001 else "better cooling"
        kind = problem if now else note
        yield kind("power", ", ".join(now or before), fix)
    else:
        yield ok("power", "no under-voltage, no throttling")


def clock(machine: Machine) -> Iterator[Finding]:
    """Check the clock: a Raspberry Pi without a network starts in the past, and certificates then fail."""
    year = time.gmtime().tm_year
    if year < 2025:
        yield problem("clock", f"the year is {year}", "sudo timedatectl set-ntp true, with a network")
    elif is_synchronized(machine.root) is False:
        yield note("clock", "not set by the network yet; a service waits 60 s for it at boot", "timedatectl status")
    else:
        yield ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def disk(machine: Machine) -> Iterator[Finding]:
    """Check free space, and whether the disk is writable."""
    usage = shutil.disk_usage(machine.root)
    free = usage.free / 1e9
    if free < 0.2:
        yield problem("disk", f"{free:.2f} GB free", "remove files: sudo apt clean; journalctl --vacuum-size=50M")
    else:
        yield ok("disk", f"{free:.1f} GB free of {usage.total / 1e9:.1f}")
    options = [line.split()[3] for line in machine.text("/proc/mounts").splitlines() if line.split()[1:2] == ["/"]]
    if options and "ro" in options[-1].split(","):
        yield problem("disk", "mounted read-only, as a failing card is", "dmesg | grep -i mmc; replace the card")
