"""Run onnx2tf in its own environment: its packages conflict with ours, and the file may be untrusted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.errors import ConfigError, DataError

__all__ = ["ONNX2TF", "OnnxConverter", "default_environment"]

ONNX2TF = "onnx2tf==2.6.9"
"""The tested version; it requires Python 3.12 or newer, and fixes the versions of all that it needs."""

_WORKER = Path(__file__).with_name("onnx_worker.py")
_SECONDS = 1200
_LIMIT = 1 << 30  # bytes
_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


def default_environment() -> Path:
    """Return where the converter's environment is expected: ``edgeclf/onnx2tf`` in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "edgeclf" / "onnx2tf"


class OnnxConverter:
    """One ONNX file and the environment that converts it.

    Args:
        model: the file.
        environment: a virtual environment with onnx2tf.
        folder: an empty folder for everything that is written.

    Raises:
        DataError: it is not an ONNX file.
        ConfigError: there is no such environment; the error has the commands that create it.
    """

    def __init__(self, model: Path, environment: Path, folder: Path) -> None:
        _check_file(model)
        self._python = environment.absolute() / "bin" / "python"
        if not self._python.is_file():
            raise ConfigError(
                f"{environment}: has no onnx2tf, which converts ONNX files. Install it with: "
                f"python3.12 -m venv {quote(str(environment))} && {quote(str(self._python))} -m pip install {ONNX2TF}"
            )
        self._model, self._folder = model, folder

    def look(self, size: tuple[int, int] | None) -> dict[str, Any]:
        """Check the file and return its ``input``, ``size`` (height, width), ``classes`` and ``opset``.

        Args:
            size: height and width of the input, required if the file leaves them open.
        """
        self._found = self._run("look", {"size": None if size is None else list(size)})
        return self._found

    def convert(self, pixels: npt.NDArray[np.float32]) -> tuple[bytes, npt.NDArray[np.float32], str]:
        """Convert the file; call ``look`` first.

        Args:
            pixels: normalized images, float32 ``[images, height, width, 3]``.

        Returns:
            a float flatbuffer, the scores that ONNX Runtime computes for the first images, float32
            ``[images, classes]``, and the converter's name and version.

        Raises:
            DataError: an operator is not supported; the error names the layer.
        """
        images = (self._folder / "images.npy").resolve()
        np.save(images, pixels)
        result = self._run("convert", {"pixels": str(images), "found": self._found})
        scores = np.load(self._folder / "scores.npy", allow_pickle=False)
        return (self._folder / "network.tflite").read_bytes(), scores, str(result["converter"])

    def _run(self, action: str, job: dict[str, Any]) -> dict[str, Any]:
        job_file, result = self._folder / "job.json", self._folder / "result.json"
        job_file.write_text(
            json.dumps({"model": str(self._model.resolve()), "folder": str(self._folder.resolve()), **job}), "utf-8"
        )
        result.unlink(missing_ok=True)
        command = [str(self._python), "-I", "-W", "ignore", str(_WORKER), action, str(job_file.resolve())]
        said = _said(command, self._folder)
        if not result.is_file():
            raise DataError(
                f"{self._model}: the converter failed: {said}. If a package is missing: "
                f"{self._python} -m pip install {ONNX2TF}"
            )
        read: dict[str, Any] = json.loads(result.read_text("utf-8"))
        if "error" in read:
            raise DataError(f"{self._model}: {read['error']}")
        return read


def _check_file(model: Path) -> None:
    if model.suffix.lower() in _PICKLED:
        raise DataError(
            f"{model}: weights of PyTorch; reading them can run any code. Export the network as ONNX with the program "
            'that trained it: torch.onnx.export(network.eval(), torch.zeros(1, 3, 224, 224), "model.onnx")'
        )
    if not model.is_file():
        raise DataError(f"{model}: {'is a folder' if model.is_dir() else 'there is no such file'}.")
    if model.stat().st_size > _LIMIT:
        raise DataError(f"{model}: has {model.stat().st_size / 1e6:.0f} MB, expected at most {_LIMIT / 1e6:.0f} MB.")


def _said(command: Sequence[str], folder: Path) -> str:
    """Run a command to its end and return the last line of its output; if interrupted, stop everything it started."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**kept, "HOME": str(folder.resolve()), "TMPDIR": str(folder.resolve())},
        start_new_session=True,
    )
    try:
        text = process.communicate(timeout=_SECONDS)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        return f"it was stopped after {_SECONDS // 60} minutes"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return next((line.strip()[:500] for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")
