"""Watch a model file; a new one is tried in another process and then offered to the pipeline."""

from __future__ import annotations

import threading

from edgeclf_runtime.pipeline.watched import ModelUser
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.updates.last_good import version
from edgeclf_runtime.updates.use import ModelUse

__all__ = ["ModelWatch"]

_LOOK = 1.0  # seconds between two checks; a file that has not changed in between is complete


class ModelWatch:
    """Watches a model file, from ``start`` to ``close``.

    A file that does not load, does not reproduce its golden scores, or crashes or hangs the interpreter is refused, and
    the previous model stays in use. Sinks are informed in either case. An adopted model is copied.

    Args:
        use: how the file is opened and tried; create this object before opening the file.
    """

    def __init__(self, use: ModelUse) -> None:
        self._use, self._path = use, use.path.absolute()
        self._judged = version(self._path)
        self._good = use.good
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
        classifier, reason = self._use.judged(self._path, pipeline, self._closing)
        changed = version(self._path) != self._judged  # the opened file is not the tried one
        if changed:
            self._judged = None
        if not (changed or self._closing.is_set()):
            if classifier is not None:
                self._use.adopted(classifier)
                pipeline.offer(classifier)
                return self._good.keep(self._judged, classifier.card.labels)
            pipeline.tell(ModelState("refused", str(self._path), pipeline.labels, reason))
        if classifier is not None:
            classifier.close()

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(1)
