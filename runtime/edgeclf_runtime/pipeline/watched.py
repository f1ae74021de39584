"""What a service watches in a run, with one camera or many."""

from __future__ import annotations

import threading
from typing import Protocol

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sources import Source, SourceState

__all__ = ["ModelFollower", "ModelUser", "Watched"]


class Watched(Protocol):
    """A run; see ``Pipeline`` for its members."""

    stopping: threading.Event
    frames: int

    @property
    def working(self) -> float: ...

    @property
    def source(self) -> Source | None: ...

    @property
    def answer(self) -> Decision | None: ...

    @property
    def state(self) -> SourceState | None: ...

    def stop(self) -> None: ...


class ModelUser(Protocol):
    """The user of a model file that may be replaced; see ``Pipeline``."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def backend(self) -> str: ...

    @property
    def has_several_labels(self) -> bool: ...

    def offer(self, classifier: Classifier) -> None: ...

    def tell(self, state: ModelState) -> None: ...


class ModelFollower(Protocol):
    """Offers new models to their user, from ``start`` to ``close``."""

    def start(self, pipeline: ModelUser) -> None: ...

    def close(self) -> None: ...
