"""Look for updates again and again, and offer good ones to the pipeline."""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import EdgeclfError, ModelError, SignatureError, UpdateError
from edgeclf_runtime.model.card import NEWEST_FORMAT
from edgeclf_runtime.pipeline.watched import ModelUser
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.system.state_folder import kept_beside
from edgeclf_runtime.trust.admission import Admission, check_not_older
from edgeclf_runtime.trust.sealing import attached, sealed_digest, to_sign
from edgeclf_runtime.trust.statement import LENGTH
from edgeclf_runtime.updates.delta import applied
from edgeclf_runtime.updates.last_good import LastGood, version
from edgeclf_runtime.updates.offer import OFFER, Offer
from edgeclf_runtime.updates.origin import Origin
from edgeclf_runtime.updates.starting import open_suited
from edgeclf_runtime.updates.use import ModelUse

__all__ = ["UpdatePoll", "delay"]

_log = logging.getLogger(__name__)
_FIRST_RETRY, _LONGEST_RETRY = 30.0, 86_400.0  # seconds


def delay(every: float, failures: int, chance: float) -> float:
    """Return the seconds until the next look.

    Args:
        every: regular time.
        failures: number of failures one after the other; each doubles the time, up to a day.
        chance: 0 to 1, at random, so that not all devices ask at once.
    """
    if not failures:
        return every * (0.9 + 0.2 * chance)
    longest = max(every, _LONGEST_RETRY)
    return float(min(longest, min(_FIRST_RETRY, every) * 2 ** min(failures - 1, 30)) * (0.5 + 0.5 * chance))


class UpdatePoll:
    """Looks for updates from ``start`` to ``close``.

    The model that is adopted is kept as a last good copy, next to the model file or in the service's state folder.

    Args:
        origin: where the offer and the models are.
        use: how the model file is used that a new one replaces; its ``admission`` is needed.
        every: seconds from one look to the next; 0 for the origin's own.
    """

    def __init__(self, origin: Origin, use: ModelUse, every: float = 0.0) -> None:
        assert use.admission is not None
        self._origin, self._use, self._every = origin, use, every or origin.every
        self._admission: Admission = use.admission
        folder, stem = kept_beside(use.path.absolute())
        self._arrived = folder / f"{stem}-update.tflite"
        self._good = LastGood(self._arrived, use.probation.refuses)
        self._tag, self._settled, self._reported = "", b"", ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def shown(self) -> str:
        """Where it looks, and how often, for display."""
        return f"{self._origin.shown}, every {self._every:g} s"

    def open_newest(self, endless: bool) -> tuple[Classifier, str]:
        """Open the newest model, the last update or the model file, as ``ModelUse.start`` does."""
        copy, (signed, wrong) = self._good.find(), self._version_of(self._use.path)
        refused = self._refused(max(signed, self._version_of(copy)[0] if copy is not None else 0))
        if refused:
            self._admission.forget()  # the previous model is older
        if copy is not None and self._version_of(copy)[0] > signed:
            try:
                classifier = open_suited(self._use.opened, copy, self._use.suits)
            except EdgeclfError as error:
                _log.warning("The last update cannot be used: %s", error)
            else:
                self._use.adopted(classifier)
                used = "the previous update" if refused else "the last update"
                return classifier, f"{refused or wrong} Started with {used}." if refused or wrong else ""
        former = self._use.good.find()
        if max(signed, self._version_of(former)[0] if former is not None else 0) < self._admission.newest:
            # The newest model was lost, or cannot be used now: until then an older one is better than none.
            self._admission.forget()
        classifier, reason = self._use.start(endless)
        return classifier, reason or (f"{refused} Started with the deployed model." if refused else "")

    def _refused(self, signed: int) -> str:
        """Return why the last update is not used; empty if it is, or if there is a model that was signed later."""
        for copy in self._good.all():
            if self._version_of(copy)[0] > signed:
                shown = f"update {sealed_digest(copy.read_bytes())[:8]}"
                return self._use.probation.why_refused(copy, shown)
        return ""

    def _version_of(self, path: Path) -> tuple[int, str]:
        """Return the version of a model file; 0, and why, if it is not signed as it has to be."""
        try:
            return self._admission.keys.check(path, path.read_bytes()).version, ""
        except (SignatureError, OSError) as error:
            return 0, str(error)

    def start(self, pipeline: ModelUser) -> None:
        """Start looking, and offer good models to a pipeline."""
        self._thread = threading.Thread(target=self._work, args=(pipeline,), name="update", daemon=True)
        self._thread.start()

    def _work(self, pipeline: ModelUser) -> None:
        failures = 0
        wait = min(self._every, _FIRST_RETRY) * random.random()
        while not self._closing.wait(wait):
            try:
                self._look(pipeline)
                failures, self._reported = 0, ""
            except Exception as error:  # the service must continue, whatever a server or a disk does
                failures += 1
                self._report(error)
            wait = delay(self._every, failures, random.random())

    def _report(self, error: Exception) -> None:
        """Log why a look failed, unless that was the reason of the last one, too."""
        if self._closing.is_set() or str(error) == self._reported:
            return
        self._reported = str(error)
        if isinstance(error, (EdgeclfError, OSError)):
            _log.warning("No update: %s", error)
        else:
            _log.exception("No update from %s", self._origin.shown)

    def _look(self, pipeline: ModelUser) -> None:
        changed = self._origin.offer(self._tag)
        if changed is None:
            return
        data, tag = changed
        if data == self._settled:  # from a server without tags
            return
        try:
            offer = Offer.read(f"{self._origin.shown}/{OFFER}", data, self._admission.keys)
            new, present = offer.statement, self._admission.present
            if present is None or (present.digest, present.version) != (new.digest, new.version):
                self._check(offer, pipeline)
                self._fetch(offer)
                self._adopt(offer, pipeline)
        except (SignatureError, _Refused) as error:
            state = ModelState("refused", self._origin.shown, pipeline.labels, str(error), is_offer=True)
            pipeline.tell(state)
        self._tag, self._settled = tag, data  # until the offer changes, nothing is left to do

    def _check(self, offer: Offer, pipeline: ModelUser) -> None:
        """Refuse an offer that is older, or that this device cannot run, before it is fetched."""
        check_not_older(offer.shown, offer.statement, self._admission.newest)
        if offer.card_format > NEWEST_FORMAT:
            raise _Refused(f"{offer.shown}: has a newer format; update edgeclf-runtime.")
        if offer.edgetpu and not pipeline.backend.startswith("edgetpu"):
            raise _Refused(f"{offer.shown}: was compiled for an Edge TPU, but this device runs its model on the CPU.")

    def _fetch(self, offer: Offer) -> None:
        """Put the model where it is tried, with the new statement: a file that is here, or one that is brought."""
        content = self._kept(offer.statement.digest) or self._patched(offer) or self._brought(offer)
        with written_beside(self._arrived) as hidden:
            hidden.write_bytes(attached(content, offer.statement))

    def _kept(self, digest: str) -> bytes | None:
        """Return the model of this digest if it is in use, or was in use before."""
        for path in (self._use.path, *self._good.all()):
            with suppress(OSError, ModelError):
                content = path.read_bytes()
                if sealed_digest(content) == digest:
                    return content
        return None

    def _patched(self, offer: Offer) -> bytes | None:
        """Return the model made from the one in use and a small delta; None if that is not offered or fails."""
        present = self._admission.present
        old = self._kept(present.digest) if present is not None and present.digest in offer.deltas else None
        if present is None or old is None:
            return None
        try:
            data = self._bring(offer.delta_file(present.digest), offer.deltas[present.digest])
            content = applied(to_sign(old), data, offer.size - LENGTH) + offer.statement.to_bytes()
        except UpdateError as error:
            _log.warning("Downloading the whole model, because its delta cannot be used: %s", error)
            return None
        return content if sealed_digest(content) == offer.statement.digest else None

    def _brought(self, offer: Offer) -> bytes:
        content = self._bring(offer.file, offer.size)
        if sealed_digest(content) != offer.statement.digest:
            raise UpdateError(f"{self._origin.shown}/{offer.file}: is not the file that was offered.")
        return content

    def _bring(self, name: str, size: int) -> bytes:
        """Bring a file, going on with what came before."""
        part = self._arrived.with_name(f"{self._arrived.stem}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.part")
        for other in self._arrived.parent.glob(f"{self._arrived.stem}-*.part"):
            if other != part:
                other.unlink()
        if _size(part) < size:
            _check_room(part, size)
            self._origin.fetch(name, part, size, self._closing.is_set)
        if _size(part) < size:
            came = f"{_size(part)} of {size} bytes received"
            raise UpdateError(f"{self._origin.shown}/{name}: {came}; the next download continues there.")
        content = part.read_bytes()
        part.unlink()
        return content

    def _adopt(self, offer: Offer, pipeline: ModelUser) -> None:
        judged = version(self._arrived)
        try:
            classifier, reason = self._use.judged(self._arrived, pipeline, self._closing)
            if self._closing.is_set():
                if classifier is not None:
                    classifier.close()
                return
            if classifier is None:
                raise _Refused(reason.replace(str(self._arrived), offer.shown))
            self._good.keep(judged, classifier.card.labels)
            self._use.adopted(classifier)
            pipeline.offer(classifier)
        finally:
            self._arrived.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop looking."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(1)


class _Refused(ModelError):
    """An offer is refused until another one takes its place."""


def _check_room(part: Path, size: int) -> None:
    """Raise UpdateError, and give back what was brought, if the disk has no room for it and two copies of the model."""
    needed, free = 3 * size - _size(part), shutil.disk_usage(part.parent).free
    if free < needed:
        part.unlink(missing_ok=True)
        raise UpdateError(f"{part.parent}: {free / 1e6:.0f} MB free, an update needs {needed / 1e6:.0f} MB.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
