"""Teach a folder of photographs on request, and answer with the model taught last."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.classifier import Classifier, Picture
from edgeclf_runtime.errors import EdgeclfError, ImageError, UsageError
from edgeclf_runtime.learning.image_features import SeenImages, look
from edgeclf_runtime.learning.lesson_report import report
from edgeclf_runtime.learning.photographs import list_photographs
from edgeclf_runtime.learning.taught_file import write_taught
from edgeclf_runtime.learning.teaching import Base, check_teachable, teach
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.system.atomic_file import naming, put_in_place, written_beside

__all__ = ["BEFORE_FILE", "TAUGHT_FILE", "Teacher"]

_log = logging.getLogger(__name__)

TAUGHT_FILE = "taught.tflite"
"""Name of the model file that was taught last, in the folder of the photographs."""
BEFORE_FILE = "taught.before.tflite"
"""Name of the one before, which undoing puts back."""

_UNFINISHED = ".taught.new.tflite"


class Teacher:
    """Teaches in a thread of its own; safe to use from several threads.

    Args:
        base: the model file to start from.
        photos: folder of the photographs, one sub-folder per class; the taught model is stored in it.
        view: how the photographs were rotated and cropped; the taught model does the same with a camera's images. None
            for the view of ``base``.

    Attributes:
        model: path of the taught model, which may not exist yet.
        stage: the current step, such as "Looking at image 3 of 20"; empty if idle.
        progress: share of it that is done, 0 to 1.
        trouble: why the last teaching failed, or why the current model cannot be opened; else empty.
        version: number of changes of the model.

    Raises:
        ModelError: ``base`` cannot be taught.
    """

    def __init__(self, base: Path, photos: Path, view: View | None = None) -> None:
        check_teachable(base)
        self._eyes = Classifier.load(base, features=True)
        own = Base.of(self._eyes)
        self._base = own if view is None else replace(own, card=replace(own.card, view=view))
        self._photos, self._seen = photos, SeenImages()
        self.model, self._before = photos / TAUGHT_FILE, photos / BEFORE_FILE
        self.changed: Callable[[], None] = lambda: None
        self.stage, self.progress, self.trouble, self.version = "", 0.0, "", 0
        self._report: dict[str, Any] | None = None
        self._report_before: dict[str, Any] | None = None
        self._busy, self._using = threading.Lock(), threading.Lock()
        self._classifier: Classifier | None = None
        for left in photos.glob(".*taught*.tflite*"):  # unfinished files of a killed process
            left.unlink(missing_ok=True)
        try:
            self._reopen()
        except EdgeclfError as error:
            self.trouble = f"{error} Teach anew to replace it."

    @property
    def view(self) -> View:
        """How a camera's images are rotated and cropped."""
        return self._base.card.view

    def state(self) -> dict[str, Any]:
        """Return ``stage``, ``progress``, ``trouble``, ``version``, and whether there is a model."""
        state = {"stage": self.stage, "progress": round(self.progress, 3), "trouble": self.trouble}
        return {**state, "version": self.version, "model": self._classifier is not None}

    def report(self) -> dict[str, Any] | None:
        """Return how good the model is, see ``lesson_report.report``; None before a teaching, and after a restart."""
        return self._report

    def begin(self) -> threading.Thread:
        """Start teaching; ``changed`` is called whenever the state has changed.

        Raises:
            UsageError: teaching is already in progress.
        """
        self._reserve("Listing images")
        thread = threading.Thread(target=self._run, name="teach", daemon=True)
        thread.start()
        return thread

    def _reserve(self, stage: str) -> None:
        if not self._busy.acquire(blocking=False):
            raise UsageError("A model is being taught. Wait until it is done.")
        self.stage, self.progress = stage, 0.0

    def _run(self) -> None:
        trouble = ""
        try:
            self._teach()
        except ImageError as error:  # those of the list could be read a moment ago
            trouble = f"{error} Images were changed during the teaching; press Teach again."
        except EdgeclfError as error:
            trouble = str(error)
        except OSError as error:
            trouble = f"{error.filename or self.model}: {error.strerror}. The previous model was kept."
        except MemoryError:
            trouble = "Not enough memory. Use fewer images, or a machine with more."
        except Exception as error:
            _log.exception("Teaching failed")
            trouble = f"Teaching failed ({type(error).__name__}: {error}). The log has more."
        finally:
            self.trouble, self.stage = trouble, ""
            self._busy.release()
            self.changed()

    def _teach(self) -> None:
        photographs = list_photographs(self._photos, fewest=0, without_empty=True)
        if len(photographs.labels) < 2:
            raise UsageError('Take images of two classes, or of one class and of "None of these", then teach.')
        count, done = len(photographs.files), 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            self._say(f"Looking at image {done} of {count}", 0.8 * done / count)

        examples = look(self._eyes, photographs, advance, self._seen)
        self._seen.forget_others(photographs.files)
        self._say("Fitting the last layer", 0.8)
        taught = teach(self._base, examples, photographs.labels, self._photos.resolve().name or "taught")
        self._say("Writing the model", 0.95)
        self._write(lambda path: write_taught(path, taught, self._base, examples))
        self._report, self._report_before = report(examples, taught.judgement, self._photos), self._report
        self._reopen()

    def _say(self, stage: str, progress: float) -> None:
        self.stage, self.progress = stage, progress
        self.changed()

    def _write(self, write: Callable[[Path], object]) -> None:
        """Write the new model to a hidden file, keep a copy of the previous one, and rename."""
        new = self._photos / _UNFINISHED
        try:
            with naming(self.model, new):
                write(new)
            if self.model.exists():
                with written_beside(self._before) as hidden:
                    hidden.write_bytes(self.model.read_bytes())
            put_in_place(new, self.model)
        finally:
            new.unlink(missing_ok=True)

    def undo(self) -> None:
        """Restore the model from before the last teaching; if there was none, remove the model.

        Raises:
            OSError: it cannot be restored.
            UsageError: teaching is in progress, or there is none to undo.
        """
        self._reserve("Undoing")
        try:
            if not self.model.exists():
                raise UsageError("There is no teaching to undo.")
            if self._before.exists():
                put_in_place(self._before, self.model)
            else:
                self.model.unlink()
            self._report, self._report_before, self.trouble = self._report_before, None, ""
            self._reopen()
        finally:
            self.stage = ""
            self._busy.release()
            self.changed()

    def _reopen(self) -> None:
        opened = Classifier.load(self.model) if self.model.exists() else None
        with self._using:
            before, self._classifier, self.version = self._classifier, opened, self.version + 1
            if before is not None:
                before.close()

    def answer(self, picture: Picture) -> Prediction | None:
        """Classify an image with the taught model; None without one.

        Raises:
            ImageError: it cannot be read.
        """
        with self._using:
            return None if self._classifier is None else self._classifier.classify(picture)

    def close(self) -> None:
        """Wait for teaching in progress, and close the models."""
        with self._busy, self._using:
            self._eyes.close()
            if self._classifier is not None:
                self._classifier.close()
                self._classifier = None
