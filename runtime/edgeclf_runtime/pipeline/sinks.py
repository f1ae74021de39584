"""Check and open the configured sinks."""

from __future__ import annotations

import difflib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgeclf_runtime.config.settings import SINK_KINDS, SinkSettings
from edgeclf_runtime.decision.control import ZoneControl
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.identity import ModelIdentity
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.sinks.keys import Opening
from edgeclf_runtime.sinks.sink import NO_ZONE, Sink, ZoneName
from edgeclf_runtime.sinks.zone_editor import ZoneEditor

__all__ = ["check_labels", "check_sinks", "open_sinks"]


def check_sinks(asked: SinkSettings) -> None:
    """Check the settings of the sinks and the packages they need, without opening anything.

    Raises:
        SinkError: something is wrong; the message names all mistakes.
    """
    wrong = []
    for kind in SINK_KINDS:
        for check in kind.checks(asked):
            try:
                check()
            except SinkError as error:
                wrong.append(str(error).rstrip("."))
    if wrong:
        raise SinkError(f"{'; '.join(wrong)}.")


def check_labels(asked: SinkSettings, labels: tuple[str, ...]) -> None:
    """Check that all labels in the settings belong to the model: an alarm for a misspelt label would never come.

    Raises:
        SinkError: some labels are unknown; the message names all of them.
    """
    answers = tuple(label for label in labels if label != NOTHING)
    wrong = [
        f"{key}: the model has no label {label!r}{_near(label, answers)}"
        for kind in SINK_KINDS
        for key, named, others in kind.named_labels(asked)
        for label in named
        if label not in (*answers, *others)
    ]
    if wrong:
        raise SinkError(f"Sinks: {'; '.join(wrong)}.")


def _near(label: str, labels: tuple[str, ...]) -> str:
    folded = {name.casefold(): name for name in labels}
    near = difflib.get_close_matches(label.casefold(), folded, n=1)
    return f", did you mean {folded[near[0]]!r}?" if near else f"; its labels: {', '.join(labels[:10])}"


def open_sinks(
    asked: SinkSettings,
    labels: tuple[str, ...],
    model: str,
    gap: float = 0.0,
    cooldown: float = 0.0,
    *,
    endless: bool = False,
    familiarity: bool = False,
    examples: Examples | None = None,
    zones: tuple[ZoneName, ...] = (),
    zone: ZoneName = NO_ZONE,
    is_first: bool = True,
    control: ZoneControl | None = None,
    page: str = "",
    editor: ZoneEditor | None = None,
    several_labels: bool = False,
    models: tuple[ModelIdentity, ...] = (),
) -> list[Sink]:
    """Open all configured sinks, or none.

    Args:
        asked: settings of the sinks.
        labels, model, gap, cooldown, endless, familiarity, examples, zones, zone, is_first, control, page, editor,
            several_labels, models: see ``Opening``.

    Raises:
        SinkError: a sink cannot be opened; those already open are closed.
    """
    snapshots = Path(asked.snapshots) if asked.snapshots else None
    run = Opening(labels, model, gap, cooldown, endless, snapshots, _secrets(asked), familiarity, examples)
    run = replace(run, zones=zones, zone=zone, is_first=is_first, control=control, page=page, editor=editor)
    run = replace(run, several_labels=several_labels, models=models)
    if several_labels and snapshots is not None:
        raise SinkError(
            f"snapshots {snapshots}: a folder has one label, but the model has several an image; remove it."
        )
    with ExitStack() as stack:
        sinks: list[Sink] = []
        try:
            for kind in SINK_KINDS:
                for sink in kind.open(asked, run):
                    sinks.append(sink)
                    stack.callback(sink.close)
        except (OSError, ValueError) as error:
            if isinstance(error, SinkError):
                raise
            where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            raise SinkError(f"{where}{getattr(error, 'strerror', None) or error}.") from error
        stack.pop_all()
        return sinks


def _secrets(asked: SinkSettings) -> tuple[str, ...]:
    """Return all passwords and tokens, including passwords in addresses, encoded and decoded."""
    secrets = asked.values("secret")
    passwords = [urlsplit(text).password or "" for text in secrets if "://" in text]
    return (*secrets, *filter(None, passwords), *map(unquote, filter(None, passwords)))
