"""How a model file is opened, tried and followed in a run."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.pipeline.watched import ModelUser
from edgeclf_runtime.trust.admission import Admission
from edgeclf_runtime.updates.last_good import LastGood
from edgeclf_runtime.updates.probation import Probation
from edgeclf_runtime.updates.starting import open_suited, start_model, why_not
from edgeclf_runtime.updates.trial import try_model

__all__ = ["ModelUse"]

_log = logging.getLogger(__name__)
_NICE = 10  # the trial must not take CPU time from the camera's frames


@dataclass(frozen=True)
class ModelUse:
    """How a model file is used.

    Attributes:
        path: of the file.
        opened: opens a file in its place for use.
        words: further options of ``edgeclf verify``, which tries a file in another process.
        suits: raises EdgeclfError if the labels of a model do not fit the settings.
        probation: refuses files with which the process died again and again.
        admission: refuses files without a trusted signature; None admits all.
    """

    path: Path
    opened: Callable[[Path], Classifier]
    words: list[str]
    suits: Callable[[tuple[str, ...]], None]
    probation: Probation
    admission: Admission | None = None

    @property
    def good(self) -> LastGood:
        """Return the last good copies of the file."""
        return LastGood(self.path, self.probation.refuses)

    def start(self, endless: bool) -> tuple[Classifier, str]:
        """Open the classifier; an endless run falls back to the last good copy, and the reason is returned, too."""
        if endless:
            refused = self.probation.why_refused(self.path)
            if refused and self.admission is not None:
                self.admission.forget()  # the previous model is older
            classifier, refused = start_model(self.path, self.words, self.opened, self.suits, self.good, refused)
        else:
            classifier, refused = open_suited(self.opened, self.path, self.suits), ""
        self.adopted(classifier, counted=self.good.has_another(classifier.identity.digest))
        return classifier, refused

    def judged(self, path: Path, user: ModelUser, cancelled: threading.Event) -> tuple[Classifier | None, str]:
        """Try a new file in another process, then open it; return the classifier, or None and why it is refused.

        Args:
            path: of the new file.
            user: what uses the model so far. An Edge TPU in use here is not available to another process, so the model
                is then tried in this one.
            cancelled: ends the trial.
        """
        classifier: Classifier | None = None
        try:
            is_tried_here = user.backend.startswith("edgetpu")
            reason = self.probation.why_refused(path)
            if not reason and not is_tried_here:
                reason = try_model(path, self.words, nice=_NICE, cancelled=cancelled)
            if not reason:
                classifier = self.opened(path)
                reason = why_not(classifier)
                if not reason and classifier.card.has_several_labels != user.has_several_labels:
                    several = "one label" if user.has_several_labels else "several labels"
                    reason = f"{path}: has {several} per image, unlike the model in use; restart to use it."
                self.suits(classifier.card.labels)
        except EdgeclfError as error:
            reason = str(error)
        except Exception as error:  # the service must continue, whatever a library raises
            _log.exception("%s", path)
            reason = f"{type(error).__name__}: {error}"
        if classifier is not None and reason:
            classifier.close()
            classifier = None
        return classifier, reason

    def admit(self, content: bytes) -> None:
        """Raise SignatureError if a file with this content is not admitted."""
        if self.admission is not None:
            self.admission.check(self.path, content)

    def adopted(self, classifier: Classifier, counted: bool = True) -> None:
        """Note that a model is in use, so that older ones are refused.

        Args:
            classifier: the model.
            counted: whether the process's deaths are counted; not without another model that could be used instead.
        """
        self.probation.use(classifier.identity.digest if counted else "")
        if self.admission is not None:
            self.admission.note(classifier.statement)
