"""What ``edgeclf run`` needs before its first frame, and what works beside its pipeline."""

from __future__ import annotations

import faulthandler
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

from edgeclf_runtime.commands.options import Opener, words_of

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.config.settings import RunSettings
    from edgeclf_runtime.decision.gate import GateRule
    from edgeclf_runtime.pipeline.watched import ModelUser, Watched
    from edgeclf_runtime.service.heartbeat import Heartbeat
    from edgeclf_runtime.sources import SourceOptions
    from edgeclf_runtime.trust.admission import Admission
    from edgeclf_runtime.updates.reload import ModelWatch

__all__ = [
    "FILES",
    "PAGE",
    "ModelUse",
    "await_time",
    "by_table",
    "decoding_cores",
    "in_background",
    "longest_gap",
    "model_use",
    "watch_memory",
]

FILES = ("jsonl", "jsonl_every", "csv", "rotate_bytes", "rotate_keep", "snapshots", "video")
"""Options of files that are written."""

PAGE = ("web", "tls")
"""Options of the page."""

_SINKS = (*FILES, "window", "command", "webhook", "mqtt", "metrics", "web")


def await_time() -> None:
    """Wait for the clock: a service may start before the network has set the clock of a Raspberry Pi."""
    from edgeclf_runtime.service import Notifier
    from edgeclf_runtime.system.clock import wait_for_time

    if Notifier().wanted and (unset := wait_for_time()):
        click.echo(unset, err=True)


@dataclass(frozen=True)
class ModelUse:
    """How a model file is opened, tried and followed.

    Attributes:
        path: of the file.
        opened: opens a file in its place for use.
        words: further options of ``edgeclf verify``, which tries a file in another process.
        suits: raises EdgeclfError if the labels of a model do not fit the settings.
        admission: refuses files without a trusted signature; None admits all.
    """

    path: Path
    opened: Callable[[Path], Classifier]
    words: list[str]
    suits: Callable[[tuple[str, ...]], None]
    admission: Admission | None = None

    def start(self, endless: bool) -> tuple[Classifier, str]:
        """Open the classifier; an endless run falls back to the last good copy, and the reason is returned, too."""
        from edgeclf_runtime.updates.starting import open_suited, start_model

        if endless:
            classifier, refused = start_model(self.path, self.words, self.opened, self.suits)
        else:
            classifier, refused = open_suited(self.opened, self.path, self.suits), ""
        self.adopted(classifier)
        return classifier, refused

    def watch(self) -> ModelWatch:
        """Return what follows the file when it is replaced; it is not started yet."""
        from edgeclf_runtime.updates.reload import ModelWatch

        return ModelWatch(self.path, self.words, self.opened, self.suits, self.adopted)

    def admit(self, content: bytes) -> None:
        """Raise SignatureError if a file with this content is not admitted."""
        if self.admission is not None:
            self.admission.check(self.path, content)

    def adopted(self, classifier: Classifier) -> None:
        """Note that a model is in use, so that older ones are refused."""
        if self.admission is not None:
            self.admission.note(classifier.statement)


def model_use(
    model: Path, open_model: Opener, suits: Callable[[tuple[str, ...]], None], trusted_key: str = ""
) -> ModelUse:
    """Return how a model file is opened, with the options of the command line.

    Raises:
        UsageError: the file of trusted keys cannot be used.
        SignatureError: the package for signatures is missing.
    """
    from edgeclf_runtime.commands.verify import verify

    given = {**click.get_current_context().params, "trusted_key": Path(trusted_key) if trusted_key else None}
    words = words_of(verify, given)
    if not trusted_key:
        return ModelUse(model, open_model, words, suits)
    from edgeclf_runtime.trust.admission import Admission
    from edgeclf_runtime.trust.keys import TrustedKeys

    admission = Admission(TrustedKeys(Path(trusted_key)), model)
    return ModelUse(model, functools.partial(open_model, admit=admission.check), words, suits, admission)


@contextmanager
def in_background(pipeline: Watched, watches: Sequence[tuple[ModelWatch, ModelUser]]) -> Iterator[Heartbeat]:
    """Run the watchdog messages and, each with what uses its model, the model watches in the background."""
    from edgeclf_runtime.service import Notifier
    from edgeclf_runtime.service.heartbeat import Heartbeat

    notifier = Notifier()
    if notifier.wanted:
        faulthandler.enable()  # the journal then shows where it was when the watchdog ended it
    heartbeat = Heartbeat(notifier, pipeline)
    for watch, user in watches:
        watch.start(user)
    try:
        yield heartbeat
    finally:
        for watch, _ in watches:
            watch.close()
        heartbeat.close()


def longest_gap(gate: GateRule, camera: SourceOptions) -> float:
    """Return the longest interval between two classified frames of a working live source, in seconds."""
    return max([gate.refresh if gate.motion else 1.0, *(1 / rate for rate in (gate.max_fps, camera.fps) if rate)])


def watch_memory(model: Path, chosen: RunSettings, as_json: bool) -> Path | None:
    """Return the memory file that keeps a watched folder's images from being classified again after a restart.

    A user who only watches the terminal wants to see them again.
    """
    from edgeclf_runtime.config.settings import SinkSettings
    from edgeclf_runtime.sources.folder.memory import memory_path
    from edgeclf_runtime.system.state_folder import service_folder

    is_kept = as_json or chosen.sinks != SinkSettings() or service_folder() is not None
    if not chosen.camera.watch or not is_kept:
        return None
    return memory_path(model, Path(chosen.source), chosen.sinks.recipients())


def decoding_cores() -> int:
    """Return how many interpreters one thread can decode images for."""
    from edgeclf_runtime.system.cores import usable_cores

    return min(4, usable_cores())  # one thread cannot decode images for more


def by_table(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options of the command line by table of run.toml; None is not given."""
    size, certificate = given["size"] or (None, None), given["tls"] or (None, None)
    camera = {"width": size[0], "height": size[1], "fps": given["fps"], "format": given["format_"]}
    return {
        "": {"source": given["source"], "reload": given["reload"], "trusted_key": _text(given["trusted_key"])},
        "camera": {
            **camera,
            "rotate": None if given["rotate"] is None else int(given["rotate"]),
            **{name: given[name] for name in ("reopen", "watch", "realtime", "fast_decode", "insecure", "flip")},
        },
        "decision": {name: given[name] for name in ("threshold", "reject", "margin", "smoothing", "hold", "cooldown")},
        "gate": {name: given[name] for name in ("max_fps", "motion", "region")},
        "sinks": {**{name: given[name] for name in _SINKS}, "web_cert": certificate[0], "web_key": certificate[1]},
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
