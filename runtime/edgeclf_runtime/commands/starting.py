"""What ``edgeclf run`` prepares before its first frame, and the tasks beside its pipeline."""

from __future__ import annotations

import faulthandler
import functools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

from edgeclf_runtime.commands.options import Opener, words_of

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.config.settings import RunSettings
    from edgeclf_runtime.decision.gate import GateRule
    from edgeclf_runtime.pipeline.watched import ModelFollower, ModelUser, Watched
    from edgeclf_runtime.service.heartbeat import Heartbeat
    from edgeclf_runtime.sources import SourceOptions
    from edgeclf_runtime.updates.probation import Probation
    from edgeclf_runtime.updates.use import ModelUse

__all__ = [
    "FILES",
    "PAGE",
    "await_time",
    "by_table",
    "decoding_cores",
    "in_background",
    "longest_gap",
    "model_use",
    "opened_model",
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


def model_use(
    model: Path, open_model: Opener, suits: Callable[[tuple[str, ...]], None], trusted_key: str = ""
) -> ModelUse:
    """Return how to open and follow a model file, by the options of the command line.

    Raises:
        UsageError: the file of trusted keys cannot be used.
        SignatureError: the package for signatures is missing.
    """
    from edgeclf_runtime.commands.verify import verify
    from edgeclf_runtime.updates.probation import Probation
    from edgeclf_runtime.updates.use import ModelUse

    given = {**click.get_current_context().params, "trusted_key": Path(trusted_key) if trusted_key else None}
    words = words_of(verify, given)
    if not trusted_key:
        return ModelUse(model, open_model, words, suits, Probation(model))
    from edgeclf_runtime.trust.admission import Admission
    from edgeclf_runtime.trust.keys import TrustedKeys

    admission = Admission(TrustedKeys(Path(trusted_key)), model)
    opened = functools.partial(open_model, admit=admission.check)
    return ModelUse(model, opened, words, suits, Probation(model), admission)


def opened_model(
    use: ModelUse, chosen: RunSettings, endless: bool, updates: bool
) -> tuple[Classifier, str, list[ModelFollower]]:
    """Open a model; return it, why its file was refused if another is used instead, and what watches for new files.

    Args:
        use: how the file is used.
        chosen: the settings, which say whether it is reloaded and where updates are.
        endless: whether to fall back to a last good copy.
        updates: whether this is the model that updates replace.

    Raises:
        EdgeclfError: neither the file nor a copy can be used.
    """
    followers: list[ModelFollower] = []
    if chosen.reload:
        from edgeclf_runtime.updates.reload import ModelWatch

        followers.append(ModelWatch(use))  # before the file is opened, or a change could be missed
    if not (updates and chosen.update):
        return *use.start(endless), followers
    from edgeclf_runtime.updates.origin import origin_of
    from edgeclf_runtime.updates.poll import UpdatePoll

    poll = UpdatePoll(origin_of(chosen.update, chosen.update_ca), use, chosen.update_every)
    opened = poll.open_newest(endless)
    click.echo(f"Updates: {poll.shown}", err=True)
    return *opened, [*followers, poll]


@contextmanager
def in_background(
    pipeline: Watched, watches: Sequence[tuple[ModelFollower, ModelUser]], probations: Sequence[Probation]
) -> Iterator[Heartbeat]:
    """Run the watchdog messages and, each with what uses its model, the model watches in the background.

    Args:
        pipeline: the run.
        watches: the model watches.
        probations: of the models, whose deaths are counted.
    """
    from edgeclf_runtime.service import Notifier
    from edgeclf_runtime.service.heartbeat import Heartbeat

    notifier = Notifier()
    if notifier.wanted:
        faulthandler.enable()  # the journal then shows where it was when the watchdog ended it
    heartbeat = Heartbeat(notifier, pipeline)
    with ExitStack() as stack:
        for probation in probations:
            stack.enter_context(probation.watching(pipeline))
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
        "": {
            "source": given["source"],
            "reload": given["reload"],
            "trusted_key": _text(given["trusted_key"]),
            "update": given["update"],
        },
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
