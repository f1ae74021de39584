"""Watch a model file; a new one is tried in another process and then offered to the pipeline."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.pipeline.watched import ModelUser
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.updates.last_good import LastGood, version
from edgeclf_runtime.updates.starting import why_not
from edgeclf_runtime.updates.trial import try_model

__all__ = ["ModelWatch"]

_log = logging.getLogger(__name__)
_LOOK = 1.0  # seconds between two checks; a file that has not changed in between is complete
_NICE = 10  # the trial must not take CPU time from the camera's frames


class ModelWatch:
    """Watches a model file, from ``start`` to ``close``.

    A file that does not load, does not reproduce its golden scores, or crashes or hangs the interpreter is refused, and
    the previous model stays in use. Sinks are informed in either case. An adopted model is copied.

    Args:
        path: of the file in use; create this object before opening the file.
        words: further options of ``edgeclf verify``.
        opened: opens the file for use.
        suits: raises EdgeclfError if the labels of a model do not fit the settings.
        adopted: called with a classifier that was offered.
    """

    def __init__(
        self,
        path: Path,
        words: Sequence[str],
        opened: Callable[[Path], Classifier],
        suits: Callable[[tuple[str, ...]], None] = lambda labels: None,
        adopted: Callable[[Classifier], None] = lambda classifier: None,
    ) -> None:
        self._path, self._words, self._opened, self._suits = path.absolute(), list(words), opened, suits
        self._adopted = adopted
        self._judged = version(self._path)
        self._good = LastGood(self._path)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, pipeline: ModelUser) -> None:
        """Start watching, and offer good models to a pipeline."""
        self._thread = threading.Thread(target=self._work, args=(pipeline,), name="model", daemon=True)
        self._thread.start()

    def _work(self, pipeline: ModelUser) -> None:
        before = self._judged
        while not self._closing.wait(_LOOK):
            now = version(self._path)
            if now is not None and now != self._judged and now == before:  # new, and completely written
                self._judged = now
                self._judge(pipeline)
            before = now

    def _judge(self, pipeline: ModelUser) -> None:
        """Try the new file and offer or refuse it; do nothing if it changed in the meantime, or at the end."""
        classifier: Classifier | None = None
        try:
            # An Edge TPU in use here is not available to another process, so the model is tried in this one.
            reason = "" if pipeline.backend.startswith("edgetpu") else self._tried()
            if not reason:
                classifier = self._opened(self._path)
                reason = why_not(classifier)
                self._suits(classifier.card.labels)
        except EdgeclfError as error:
            reason = str(error)
        except Exception as error:  # the service must continue, whatever a library raises
            _log.exception("%s", self._path)
            reason = f"{type(error).__name__}: {error}"
        changed = version(self._path) != self._judged  # the opened file is not the tried one
        if changed:
            self._judged = None
        if not (changed or self._closing.is_set()):
            if classifier is not None and not reason:
                self._adopted(classifier)
                pipeline.offer(classifier)
                return self._good.keep(self._judged, classifier.card.labels)
            pipeline.tell(ModelState("refused", str(self._path), pipeline.labels, reason))
        if classifier is not None:
            classifier.close()

    def _tried(self) -> str:
        """Try the file in another process and return why it fails; empty if it works."""
        return try_model(self._path, self._words, nice=_NICE, cancelled=self._closing)

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(1)
