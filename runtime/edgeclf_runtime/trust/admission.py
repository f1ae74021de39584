"""Admit model files that a trusted key has signed, and none that is older than one that was in use."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from edgeclf_runtime.errors import SignatureError
from edgeclf_runtime.system.atomic_file import write_text
from edgeclf_runtime.system.state_folder import kept_beside
from edgeclf_runtime.trust.keys import TrustedKeys
from edgeclf_runtime.trust.statement import Statement, shown_version

__all__ = ["Admission", "check_not_older"]

_log = logging.getLogger(__name__)


class Admission:
    """What is admitted in place of one model file.

    The newest version that was in use is kept in a file: ``.NAME.good.version`` next to the model, or in the service's
    state folder.

    Args:
        keys: the trusted keys.
        model: path of the model file.

    Attributes:
        present: statement of the model in use; None before the first.
    """

    def __init__(self, keys: TrustedKeys, model: Path) -> None:
        self.keys = keys
        folder, stem = kept_beside(model.absolute())
        self._record = folder / f"{stem}.version"
        self.present: Statement | None = None

    @property
    def newest(self) -> int:
        """Return the newest version that was in use; 0 if none was."""
        present = self.present.version if self.present is not None else 0  # also if it could not be noted
        return max(present, self._recorded())

    def _recorded(self) -> int:
        try:
            return int(self._record.read_text("utf-8"))
        except (OSError, ValueError):
            return 0

    def check(self, path: Path, content: bytes) -> None:
        """Raise SignatureError, in one line, unless a model file is signed and not older; for ``Classifier.load``."""
        check_not_older(path, self.keys.check(path, content), self.newest)

    def note(self, statement: Statement | None) -> None:
        """Note that a model with this statement, which was checked, is in use; log a warning if that fails."""
        if statement is None:
            return
        self.present = statement
        if statement.version <= self._recorded():
            return
        try:
            write_text(self._record, f"{statement.version}\n")
        except OSError as error:
            text = f"{error.filename}: {error.strerror}"
            _log.warning("After the next start, older models are not refused (%s).", text)

    def forget(self) -> None:
        """Admit older models again: the newest one was lost."""
        with suppress(OSError):
            self._record.unlink()


def check_not_older(path: Path | str, statement: Statement, newest: int) -> None:
    """Raise SignatureError if a statement is older than a version that was in use."""
    if statement.version < newest:
        raise SignatureError(
            f"{path}: signed on {shown_version(statement.version)}, older than the model that was in use (signed on "
            f"{shown_version(newest)}). To go back to it, sign it again: edgeclf sign FILE --key KEY"
        )
