"""The request to open a source."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from edgeclf_runtime.sources.source import SourceOptions, StateListener

__all__ = ["Request", "SourceSpec"]

SourceSpec = Union[int, str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Request:
    """A source as the user named it, with its options.

    Attributes:
        spec: see ``open_source``.
        options: options of the source.
        listener: called whenever the state of a live source changes.
        memory: file that remembers the images of a watched folder.
    """

    spec: SourceSpec
    options: SourceOptions = field(default_factory=SourceOptions)
    listener: StateListener | None = None
    memory: Path | None = None

    @property
    def text(self) -> str:
        """The spec as text."""
        return str(self.spec) if isinstance(self.spec, int) else os.fspath(self.spec)

    @property
    def word(self) -> str:
        """The spec as text; empty for a ``Path``, which is a file, folder or device whatever its name."""
        return "" if isinstance(self.spec, os.PathLike) else self.text

    @property
    def path(self) -> Path:
        """The spec as a path."""
        return Path(self.text)
