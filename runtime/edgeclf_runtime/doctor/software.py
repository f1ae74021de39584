"""Check Python, numpy, OpenCV and the interpreters."""

from __future__ import annotations

import importlib.util
import platform
import struct
import subprocess
import sys
from collections.abc import Iterator

from edgeclf_runtime.backends.registry import installed_backends
from edgeclf_runtime.doctor.finding import Finding, Machine, note, ok, problem
from edgeclf_runtime.system.packages import OPTIONAL, installed_version, unsuited
from edgeclf_runtime.system.plain_text import plain

__all__ = ["interpreter", "numpy_version", "opencv", "optional_packages", "picamera", "python"]


def python(machine: Machine) -> Iterator[Finding]:
    """Check Python's version, word size and page size."""
    import os

    bits, page = struct.calcsize("P") * 8, os.sysconf("SC_PAGE_SIZE")
    text = f"{platform.python_version()}, {bits} bits, {platform.machine()}, pages of {page // 1024} kB"
    if page != 4096 and bits == 32:
        fix = "kernel=kernel8.img in /boot/firmware/config.txt"
        yield problem("python", f"{text}; 32-bit programs need pages of 4 kB", fix)
    else:
        yield ok("python", text)


def numpy_version(machine: Machine) -> Iterator[Finding]:
    """Check numpy: tflite-runtime needs an older version than other packages."""
    numpy, tflite = installed_version("numpy"), installed_version("tflite-runtime")
    if not numpy:
        yield problem("numpy", "not installed", "pip install numpy")
    elif tflite and int(numpy.split(".")[0]) >= 2:
        yield problem("numpy", f"{numpy}: tflite-runtime {tflite} crashes under numpy 2", "pip install 'numpy<2'")
    else:
        yield ok("numpy", numpy)


def interpreter(machine: Machine) -> Iterator[Finding]:
    """Check which interpreters are installed."""
    backends = [name for name in installed_backends() if name != "tensorflow"]
    if backends:
        names = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
        yield ok("interpreter", ", ".join(f"{name} {installed_version(names[name])}" for name in backends))
        return
    small = struct.calcsize("P") == 4
    fix = "pip install tflite-runtime 'numpy<2'" if small else "pip install ai-edge-litert"
    if sys.version_info >= (3, 12) and small:
        fix = "on a 32-bit system use Python 3.11 or older, then: pip install tflite-runtime 'numpy<2'"
    yield problem("interpreter", "no ai-edge-litert or tflite-runtime", fix)


def opencv(machine: Machine) -> Iterator[Finding]:
    """Check that OpenCV can be imported and supports cameras and video."""
    headless, full = installed_version("opencv-python-headless"), installed_version("opencv-python")
    if headless and full:
        fix = "pip uninstall -y opencv-python opencv-python-headless; pip install opencv-python-headless"
        yield problem("opencv", f"both builds are installed ({headless}, {full}) and overwrite each other", fix)
    try:
        import cv2
    except ImportError as error:
        fix = "pip uninstall -y opencv-python; pip install opencv-python-headless"
        yield problem(
            "opencv",
            f"does not import: {error}",
            fix if "libGL" in str(error) or full else "pip install opencv-python-headless",
        )
        return
    text = cv2.getBuildInformation()
    missing = [name for name, key in (("V4L2", "v4l/v4l2:"), ("FFmpeg", "FFMPEG:")) if not _has(text, key)]
    if missing:
        yield problem(
            "opencv", f"{cv2.__version__} without {' and '.join(missing)}", "pip install opencv-python-headless"
        )
    else:
        yield ok("opencv", f"{cv2.__version__} with V4L2 and FFmpeg")


def _has(text: str, key: str) -> bool:
    line = next((line for line in text.splitlines() if line.strip().startswith(key)), "")
    return "YES" in line


def optional_packages(machine: Machine) -> Iterator[Finding]:
    """Check the versions of installed optional packages; too old ones are only notes, as they may not be used."""
    fitting = []
    for package in OPTIONAL:
        text, fix = unsuited(package)
        if text:
            yield note(package, text.partition(" ")[2], fix)
        elif there := installed_version(package):
            fitting.append(f"{package} {there}")
    if fitting:
        yield ok("packages", ", ".join(fitting))


def _imported() -> Finding:
    """Import picamera2 in another process: it loads system modules, which are built for the system's numpy."""
    command = [sys.executable, "-c", "import picamera2"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return problem("picamera2", "installed, but importing it does not end", "sudo apt reinstall python3-picamera2")
    if done.returncode == 0:
        return ok("picamera2", "installed")
    last = plain((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    fix = "pip install 'numpy<2' 'opencv-python-headless<4.12'"
    return problem("picamera2", f"installed, but it cannot be imported ({last})", fix if "numpy" in last else "")


def picamera(machine: Machine) -> Iterator[Finding]:
    """Check picamera2 on a Raspberry Pi, and whether a virtual environment hides it."""
    if "Raspberry Pi" not in machine.text("/proc/device-tree/model"):
        return
    if importlib.util.find_spec("picamera2") is not None:
        yield _imported()
    elif machine.path("/usr/lib/python3/dist-packages/picamera2").is_dir() and sys.prefix != sys.base_prefix:
        fix = f"python3 -m venv --system-site-packages --clear {sys.prefix}"
        yield problem("picamera2", "installed for the system, but this virtual environment does not see it", fix)
    else:
        yield note("picamera2", "not installed; only a CSI camera needs it", "sudo apt install python3-picamera2")
