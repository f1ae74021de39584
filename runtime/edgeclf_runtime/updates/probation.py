"""Notice that the process dies again and again with a new model, so that the previous one is used from then on.

A model that passes its trial in another process may still end this one: on a certain frame, with a certain number of
threads, or because memory runs out after a while. A service manager would then restart it for ever.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.pipeline.watched import Watched
from edgeclf_runtime.system.atomic_file import write_text
from edgeclf_runtime.system.digest import sha256
from edgeclf_runtime.system.state_folder import kept_beside

__all__ = ["DEATHS", "SECONDS", "Probation"]

DEATHS = 3
"""A model is refused after so many deaths of the process in a row."""

SECONDS = 60.0
"""A model is proven once it has run for this time, and has classified at least one frame."""

_AGAIN = 10.0  # seconds until the next look if no frame came
_MOST = 20  # models that are remembered

_log = logging.getLogger(__name__)


class Probation:
    """Counts for each content of a model file how often the process died before the model was proven.

    The record is a JSON object, in ``.NAME.good.probation`` next to the model or in the service's state folder: by the
    SHA-256 of a file, the number of runs in a row that did not end in order; 0 for a model that is proven.

    Args:
        model: path of the model file; updates that take its place are counted here, too.
    """

    def __init__(self, model: Path) -> None:
        folder, stem = kept_beside(model.absolute())
        self._record = folder / f"{stem}.probation"
        self._lock = threading.Lock()
        self._digest = ""
        self._user: Watched | None = None
        self._until, self._frames = 0.0, 0
        self._timer: threading.Timer | None = None

    def refuses(self, digest: str) -> bool:
        """Whether the process died too often with the file of this SHA-256."""
        return self._runs().get(digest, 0) >= DEATHS

    def why_refused(self, path: Path, shown: str = "") -> str:
        """Return why a file is refused, in one line; empty if it is not.

        Args:
            path: of the file.
            shown: name of it for display; by default the path.
        """
        refused = {digest for digest, runs in self._runs().items() if runs >= DEATHS}
        try:
            if not refused or sha256(path.read_bytes()) not in refused:
                return ""
        except OSError:
            return ""
        reason = f"the process died {DEATHS} times before this model had run for {SECONDS:g} s"
        return f"{shown or path}: {reason}. It is refused until a newer one takes its place."

    def use(self, digest: str) -> None:
        """Note that the file of this SHA-256 is in use from now on; with an empty one, nothing is counted."""
        with self._lock:
            if self._user is not None:
                self._end(in_order=True)
            self._digest = digest
            if self._user is not None:
                self._begin(self._user)

    @contextmanager
    def watching(self, user: Watched) -> Iterator[None]:
        """Count this run as a death unless it ends in order, or the model in use is proven before that.

        An exception counts as a death, but not that of a camera or an output.
        """
        in_order = True
        with self._lock:
            self._user = user
            self._begin(user)
        try:
            yield
        except (OSError, UsageError):
            raise
        except Exception:
            in_order = False
            raise
        finally:
            with self._lock:
                self._end(in_order)
                self._user = None

    def _begin(self, user: Watched) -> None:
        runs = self._runs()
        if not self._digest or runs.get(self._digest) == 0:  # not counted, or proven
            return
        self._write(runs.get(self._digest, 0) + 1)
        self._until, self._frames = time.monotonic() + SECONDS, user.frames
        self._look_in(SECONDS)

    def _look_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look, [self._digest])
        self._timer.daemon = True
        self._timer.start()

    def _look(self, digest: str) -> None:
        with self._lock:
            is_over = self._timer is None or digest != self._digest or time.monotonic() < self._until
            if self._user is None or is_over:  # ended, or replaced just now
                return
            if self._user.frames > self._frames:
                self._timer = None
                self._write(0)
            else:
                self._look_in(_AGAIN)

    def _end(self, in_order: bool) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        if in_order:
            self._write(None)

    def _runs(self) -> dict[str, int]:
        try:
            content = json.loads(self._record.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        items = content.items() if isinstance(content, dict) else ()
        return {digest: runs for digest, runs in items if type(runs) is int}

    def _write(self, runs: int | None) -> None:
        """Write the number for the model in use; None removes it."""
        others = {digest: count for digest, count in self._runs().items() if digest != self._digest}
        content = {**others, **({} if runs is None else {self._digest: runs})}
        try:
            write_text(self._record, json.dumps(dict(list(content.items())[-_MOST:])) + "\n")
        except OSError as error:
            text = f"{error.filename}: {error.strerror}"
            _log.warning("If the process dies again and again, the previous model is not used (%s).", text)
