"""A model file that is replaced while it is in use: tried in another process, then offered to the pipeline."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Callable

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.pipeline import Pipeline
from edgeclf_runtime.sinks import ModelState

__all__ = ["ModelWatch"]

_log = logging.getLogger(__name__)
_LOOK = 1.0  # seconds between two looks; a file that stayed the same from one to the next is complete
_PATIENCE = 120.0  # seconds to try it in
_NICE = 10  # what tries it leaves the camera's frames the processor

_Version = tuple[int, int, int, int]


class ModelWatch:
    """Follows one model file; begun by ``start``, ended by ``close``.

    A file that does not load, whose golden pictures do not give their scores, or that crashes or hangs the interpreter
    is refused, and the model before goes on. Sinks are told in either case.

    Args:
        path: of the file in use, which is to be opened after this was made.
        words: further options of ``edgeclf verify``.
        opened: opens the file as it is to be used.
    """

    def __init__(self, path: Path, words: Sequence[str], opened: Callable[[Path], Classifier]) -> None:
        self._path, self._words, self._opened = path.absolute(), list(words), opened
        self._judged = _version(self._path)
        self._closing = threading.Event()
        self._trial: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def start(self, pipeline: Pipeline) -> None:
        """Offer what is good to this pipeline."""
        self._thread = threading.Thread(target=self._work, args=(pipeline,), name="model", daemon=True)
        self._thread.start()

    def _work(self, pipeline: Pipeline) -> None:
        before = self._judged
        while not self._closing.wait(_LOOK):
            now = _version(self._path)
            if now is not None and now != self._judged and now == before:  # no longer being written
                self._judged = now
                self._judge(pipeline)
            before = now

    def _judge(self, pipeline: Pipeline) -> None:
        """Offer it or say why not; neither when it was changed meanwhile, or all ends."""
        classifier: Classifier | None = None
        try:
            reason = self._tried()
            if not reason:
                classifier = self._opened(self._path)
                classifier.warm_up()
        except EdgeclfError as error:
            reason = str(error)
        except Exception as error:  # the service goes on, whatever a library makes of the file
            _log.exception("%s", self._path)
            reason = f"{type(error).__name__}: {error}"
        changed = _version(self._path) != self._judged  # what was opened is not what was tried
        if changed:
            self._judged = None
        if not (changed or self._closing.is_set()):
            if classifier is not None and not reason:
                return pipeline.offer(classifier)
            pipeline.tell(ModelState("refused", str(self._path), pipeline.labels, reason))
        if classifier is not None:
            classifier.close()

    def _tried(self) -> str:
        """Why it is no good, found by a process that may crash; empty where it is."""
        command = [sys.executable, "-m", "edgeclf_runtime", "verify", "--if-any", *self._words, str(self._path)]
        # The folder a module is started from comes first in its search path: here the one that holds this package.
        home = Path(__file__).parents[1]
        self._trial = subprocess.Popen(
            command,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        with self._trial as trial:
            with suppress(OSError):  # over already, or not allowed here
                os.setpriority(os.PRIO_PROCESS, trial.pid, _NICE)
            try:
                said = trial.communicate(timeout=_PATIENCE)[1]
            except subprocess.TimeoutExpired:
                trial.kill()
                return f"{self._path}: not verified within {_PATIENCE:.0f} s."
        return "" if trial.returncode == 0 else self._reason(trial.returncode, said)

    def _reason(self, status: int, said: str) -> str:
        if status < 0:
            name = signal.Signals(-status).name
            return f"{self._path}: crashes the interpreter ({name}), tried in another process."
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lines[-1].removeprefix("Error: ") if lines else f"{self._path}: exit status {status} of edgeclf verify."

    def close(self) -> None:
        """Try no more."""
        self._closing.set()
        trial = self._trial
        if trial is not None and trial.poll() is None:
            trial.kill()
        if self._thread is not None:
            self._thread.join(1)


def _version(path: Path) -> _Version | None:
    """What changes when the file is replaced or written; None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
