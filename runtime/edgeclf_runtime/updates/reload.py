"""A model file that is replaced while it is in use: tried in another process, then offered to the pipeline."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.pipeline.pipeline import Pipeline
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.updates.last_good import LastGood, version
from edgeclf_runtime.updates.starting import why_not
from edgeclf_runtime.updates.trial import try_model

__all__ = ["ModelWatch"]

_log = logging.getLogger(__name__)
_LOOK = 1.0  # seconds between two looks; a file that stayed the same from one to the next is complete
_NICE = 10  # what tries it leaves the camera's frames the processor


class ModelWatch:
    """Follows one model file; begun by ``start``, ended by ``close``.

    A file that does not load, whose golden images do not give their scores, or that crashes or hangs the interpreter
    is refused, and the model before goes on. Sinks are told in either case. Of one that is adopted a copy is kept.

    Args:
        path: of the file in use, which is to be opened after this was made.
        words: further options of ``edgeclf verify``.
        opened: opens the file as it is to be used.
        suits: raises EdgeclfError for labels of a model that cannot take over.
    """

    def __init__(
        self,
        path: Path,
        words: Sequence[str],
        opened: Callable[[Path], Classifier],
        suits: Callable[[tuple[str, ...]], None] = lambda labels: None,
    ) -> None:
        self._path, self._words, self._opened, self._suits = path.absolute(), list(words), opened, suits
        self._judged = version(self._path)
        self._good = LastGood(self._path)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, pipeline: Pipeline) -> None:
        """Offer what is good to this pipeline."""
        self._thread = threading.Thread(target=self._work, args=(pipeline,), name="model", daemon=True)
        self._thread.start()

    def _work(self, pipeline: Pipeline) -> None:
        before = self._judged
        while not self._closing.wait(_LOOK):
            now = version(self._path)
            if now is not None and now != self._judged and now == before:  # no longer being written
                self._judged = now
                self._judge(pipeline)
            before = now

    def _judge(self, pipeline: Pipeline) -> None:
        """Offer it or say why not; neither when it was changed meanwhile, or all ends."""
        classifier: Classifier | None = None
        try:
            # An Edge TPU is in use here, and another process could only take it away: there it is tried in this one.
            reason = "" if pipeline.backend.startswith("edgetpu") else self._tried()
            if not reason:
                classifier = self._opened(self._path)
                reason = why_not(classifier)
                self._suits(classifier.card.labels)
        except EdgeclfError as error:
            reason = str(error)
        except Exception as error:  # the service goes on, whatever a library makes of the file
            _log.exception("%s", self._path)
            reason = f"{type(error).__name__}: {error}"
        changed = version(self._path) != self._judged  # what was opened is not what was tried
        if changed:
            self._judged = None
        if not (changed or self._closing.is_set()):
            if classifier is not None and not reason:
                pipeline.offer(classifier)
                return self._good.keep(self._judged, classifier.card.labels)
            pipeline.tell(ModelState("refused", str(self._path), pipeline.labels, reason))
        if classifier is not None:
            classifier.close()

    def _tried(self) -> str:
        """Why it is no good, found by a process that may crash; empty where it is."""
        return try_model(self._path, self._words, nice=_NICE, cancelled=self._closing)

    def close(self) -> None:
        """Try no more."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(1)
