"""Install the runtime from an archive of wheels into a new environment."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from .edgeclf_calls import call
from .edgeclf_layout import Layout, ReleaseError, digest_of, write_synced

__all__ = ["install_environment"]


def install_environment(
    layout: Layout,
    name: str,
    archive_digest: str,
    python: str,
    version: str,
    extras: Sequence[str],
    offline: bool,
    system_packages: bool,
) -> bool:
    """Install an environment unless it is complete; return whether it was installed.

    Args:
        layout: the folders.
        name: name of the environment.
        archive_digest: SHA-256 of the archive in ``incoming``.
        python: the Python to create it with.
        version: version of the runtime.
        extras: extras of the runtime, such as "web".
        offline: take all packages from the archive.
        system_packages: give it access to the system's packages.

    Raises:
        ReleaseError: the archive is damaged, or pip fails.
    """
    folder = layout.environments / name
    if (folder / "complete").exists():
        return False
    archive = layout.incoming / f"{archive_digest}.tar"
    if not archive.exists() or digest_of(archive) != archive_digest:
        archive.unlink(missing_ok=True)
        raise ReleaseError("the runtime's wheels arrived damaged; deploy again.")
    shutil.rmtree(folder, ignore_errors=True)  # left by an interrupted attempt
    wheels = layout.incoming / "wheels"
    try:
        _unpack(archive, wheels)
        words = ["--system-site-packages"] if system_packages else []
        call([python, "-I", "-m", "venv", *words, folder], "the environment cannot be created")
        source = ["--no-index"] if offline else []
        chosen = "edgeclf-runtime[{}]=={}".format(",".join(_all_extras(extras)), version)
        pip = [
            folder / "bin/python",
            "-I",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-cache-dir",
            "--disable-pip-version-check",
        ]
        words32 = ["linux32"] if _is_32_bits_on_64() else []  # pip asks the kernel
        command = [*words32, *pip, *source, "--find-links", wheels, chosen, *_pins(system_packages)]
        call(command, "the runtime cannot be installed", seconds=3600)
        call(
            [folder / "bin/python", "-I", "-c", "import cv2, numpy, edgeclf_runtime"], "the runtime cannot be imported"
        )
        os.sync()  # or a power cut could leave empty files behind a mark of completeness
        write_synced(folder / "complete", "")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(wheels, ignore_errors=True)
    return True


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the wheels; refuse an archive with anything but regular files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with tarfile.open(archive) as content:
        for entry in content:
            file = content.extractfile(entry)
            if file is None or "/" in entry.name or not entry.name.endswith(".whl"):
                raise ReleaseError(f"{entry.name}: not a wheel in the archive.")
            with (folder / entry.name).open("wb") as target:
                shutil.copyfileobj(file, target)


def _all_extras(extras: Sequence[str]) -> list[str]:
    """Return the extras, plus the interpreter's if ai-edge-litert has no wheels."""
    needs_other = sys.version_info < (3, 10) or sys.maxsize < 1 << 32
    return sorted({*extras, *(("tflite-runtime",) if needs_other else ())})


def _pins(system_packages: bool) -> list[str]:
    """Return upper version limits: the system's picamera2 is built for the system's numpy."""
    if not system_packages:
        return []
    try:
        import numpy
    except ImportError:
        return []
    return ["numpy<2", "opencv-python-headless<4.12"] if numpy.__version__.startswith("1.") else []


def _is_32_bits_on_64() -> bool:
    return sys.maxsize < 1 << 32 and os.uname().machine in ("aarch64", "x86_64")
