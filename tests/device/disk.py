"""The emulated Pi's disk: an ext4 image of Debian with systemd, sshd and our runtime, kept in ``.pi`` between boots."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

from tests.device.machine import kernel, kernel_version, modules, packed
from tests.device.userland import ARM64, CACHE, EXTRAS, ROOT, install, run, tool, userland

__all__ = ["USER", "Disk", "disk"]

HERE = Path(__file__).parent
USER = "pi"
_SIZE = "3G"  # sparse: it takes only the space of its contents
_PACKAGES = """
base-files base-passwd bash dash coreutils sed grep findutils login passwd mount util-linux libpam-modules
libpam-runtime systemd systemd-sysv dbus udev kmod openssh-server openssh-sftp-server iproute2 procps sudo e2fsprogs
busybox-static python3-venv
"""
_MERGED = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
_DEBIAN = replace(ARM64, folder="disk", packages=",".join([ARM64.packages, *_PACKAGES.split()]), options=(_MERGED,))
_MODULES = ("ext4", "virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "vivid")
_OPTIONS = "noatime,noauto_da_alloc"
"""Of its ext4: a new name does not wait for the content, as on most filesystems and as ext4 by itself would have it."""

_FILES = {
    "etc/hostname": "pi\n",
    "etc/hosts": "127.0.0.1 localhost pi\n",
    "etc/fstab": f"/dev/vda / ext4 {_OPTIONS} 0 1\n",
    "etc/machine-id": "",
    "etc/systemd/network/10-wired.network": "[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    "etc/ssh/sshd_config.d/emulated.conf": "UsePAM no\nPasswordAuthentication no\nUseDNS no\n",
    f"etc/sudoers.d/{USER}": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
    # Created at the first boot.
    "usr/lib/sysusers.d/emulated.conf": f"m {USER} video\nu sshd - - /run\n",
    "usr/local/bin/edgeclf": '#!/bin/sh\nexec python3 -m edgeclf_runtime "$@"\n',
    "usr/lib/python3/dist-packages/edgeclf.pth": "/opt/site\n",
}
_USER = {"passwd": f"{USER}:*:1000:1000::/home/{USER}:/bin/bash\n", "group": f"{USER}:x:1000:\n"}
_PAM = {"auth": "auth", "account": "account", "password": "password", "session": "session"}
_PAM["session-noninteractive"] = "session"
_LINKS = {
    "default.target": "multi-user.target",
    "multi-user.target.wants/ssh.service": "ssh.service",
    "multi-user.target.wants/systemd-networkd.service": "systemd-networkd.service",
}
_START = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for name in $(cat /mods/order); do insmod /mods/$name; done
mount -t ext4 -o OPTIONS /dev/vda /root
if [ -b /dev/vdb ]; then mount -t ext4 -o OPTIONS,commit=1 /dev/vdb /root/work; fi
start=/sbin/init
for word in $(cat /proc/cmdline); do case $word in start=*) start=${word#start=};; esac; done
mount --move /dev /root/dev
umount /proc /sys
exec switch_root /root $start
"""


class Disk:
    """Paths of the files that a machine boots from.

    Attributes:
        image: the root filesystem, which the machine writes to.
        archive: the initramfs, which mounts it and, at /work, a second disk if there is one.
        key: OpenSSH key for ``USER``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.image = folder, folder / "root.ext4"
        self.archive, self.key = folder / "initramfs.cpio", folder / "key"


def disk(wheel: Path) -> Disk:
    """Return the image with this wheel; build it if it is missing or was built from something else."""
    unpacked = kernel()
    made_of: list[object] = [_FILES, _PACKAGES, _OPTIONS, _START, _LINKS, _USER, _PAM, _MODULES]
    made_of += [kernel_version(unpacked), (ROOT / "constraints.txt").read_text("utf-8"), _checksums(wheel)]
    name = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    made = Disk(CACHE / "disks" / name)
    if (made.folder / "ready").exists():
        return made
    shutil.rmtree(CACHE / "disks", ignore_errors=True)  # other images would only take space
    made.folder.mkdir(parents=True)
    root = userland(_DEBIAN)
    site = install(_DEBIAN, root, "site", f"{wheel}{EXTRAS}", "-c", str(ROOT / "constraints.txt"))
    tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made.key)
    # As pip and Debian's packages do: otherwise each start takes an emulated processor seconds.
    run(_DEBIAN, root, site, "-m", "compileall", "-q", site, "/usr/lib/python3.11")
    _settle(root, unpacked, made.key.with_suffix(".pub").read_text("utf-8"))
    tool("mkfs.ext4", "-q", "-F", "-d", root, "-L", "root", made.image, _SIZE)
    _initramfs(root, unpacked, made.archive)
    (made.folder / "ready").touch()
    return made


def _checksums(wheel: Path) -> dict[str, int]:
    """Return the checksums of the files in a wheel: the same files packed again give another wheel."""
    with ZipFile(wheel) as archive:
        return {file.filename: file.CRC for file in archive.infolist()}


def _settle(root: Path, unpacked: Path, key: str) -> None:
    """Do what the packages' scripts would do, which only that processor could run."""
    for stand_in in ("proc", "sys", "dev"):
        shutil.rmtree(root / stand_in)
        (root / stand_in).mkdir()
    (root / "emulator").unlink()
    for name, line in _USER.items():
        known = (root / f"usr/share/base-passwd/{name}.master").read_text("utf-8")
        (root / f"etc/{name}").write_text(known + line, "utf-8")
    for name in ("shadow", "gshadow"):  # created at the first boot, like the packages' users
        (root / f"etc/{name}").unlink(missing_ok=True)
    shutil.copy(root / "usr/share/openssh/sshd_config", root / "etc/ssh/sshd_config")
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    (root / "usr/local/bin/edgeclf").chmod(0o755)
    (root / f"etc/sudoers.d/{USER}").chmod(0o440)
    for name, kind in _PAM.items():
        (root / f"etc/pam.d/common-{name}").write_text(f"{kind} required pam_unix.so\n", "utf-8")
    tool("ssh-keygen", "-q", "-A", "-f", root)
    for link, unit in _LINKS.items():
        path = root / "etc/systemd/system" / link
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(f"/lib/systemd/system/{unit}")
    home = root / "home" / USER
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    (home / ".ssh/authorized_keys").write_text(key, "utf-8")
    for path in (home, *home.rglob("*")):
        os.chown(path, 1000, 1000)
        path.chmod(0o700 if path.is_dir() else 0o600)
    modules(unpacked, _MODULES, root / "usr/lib/modules" / kernel_version(unpacked))
    tool("depmod", "-b", root / "usr", kernel_version(unpacked))


def _initramfs(root: Path, unpacked: Path, out: Path) -> None:
    stage = out.with_suffix(".stage")
    for folder in ("bin", "proc", "sys", "dev", "root", "mods"):
        (stage / folder).mkdir(parents=True)
    shutil.copy(root / "usr/bin/busybox", stage / "bin")
    (stage / "init").write_text(_START.replace("OPTIONS", _OPTIONS), "utf-8")
    (stage / "init").chmod(0o755)
    order = modules(unpacked, _MODULES[:-1], stage / "mods")  # udev, or whoever needs a camera, loads the last one
    (stage / "mods/order").write_text("\n".join(order), "utf-8")
    packed(stage, out)
    shutil.rmtree(stage)
