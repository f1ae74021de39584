"""The tables ``[[camera]]`` and ``[[zone]]`` of run.toml."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from edgeclf_runtime.config.polygon import polygon_mistakes, region_around
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.pictures.view import Polygon, Region, region_mistakes
from edgeclf_runtime.sinks.gpio import output_of
from edgeclf_runtime.sources.source import SourceOptions

__all__ = ["CameraKeys", "CameraSettings", "ZoneKeys", "ZoneSettings", "duplicates"]

_NAME = re.compile(r"[^\W_][\w-]{0,39}")


@dataclass(frozen=True)
class CameraKeys:
    """The keys of ``[[camera]]`` in addition to those of ``[camera]``."""

    name: str = ""
    source: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        wrong = [*_name_mistakes(self.name), *([] if self.source else ["source is missing"])]
        if wrong:
            raise UsageError("; ".join(wrong))


@dataclass(frozen=True)
class ZoneKeys:
    """The keys of ``[[zone]]`` in addition to its tables; see ``ZoneSettings``."""

    name: str = ""
    camera: str = ""
    model: str = ""
    region: Optional[tuple[float, float, float, float]] = None  # noqa: UP045  read at run time, on Python 3.9 too
    polygon: tuple[tuple[float, float], ...] = ()
    on: Optional[tuple[str, ...]] = None  # noqa: UP045
    after: Optional[tuple[str, ...]] = None  # noqa: UP045
    command: Optional[str] = None  # noqa: UP045
    webhook: Optional[str] = field(default=None, repr=False, metadata={"secret": True})  # noqa: UP045
    gpio: Optional[tuple[str, ...]] = None  # noqa: UP045

    def __post_init__(self) -> None:
        wrong = [*_name_mistakes(self.name), *polygon_mistakes(self.polygon)]
        wrong += [] if self.region is None else region_mistakes(self.region)
        if not all(output_of(text)[0] for text in self.gpio or ()):
            wrong.append('gpio: expected PIN=LABEL, such as "17=open"')
        wrong += ["region or polygon, not both"] if self.region is not None and self.polygon else []
        if wrong:
            raise UsageError("; ".join(wrong))


@dataclass(frozen=True)
class CameraSettings:
    """A camera: its name, its source (see ``open_source``), and its options."""

    name: str
    source: str = field(repr=False)
    options: SourceOptions


@dataclass(frozen=True)
class ZoneSettings:
    """A zone: a part of a camera's images, its model, and what is done with its answers.

    Attributes:
        name: name of the zone.
        camera: name of its camera.
        model: path of its model file; None for the command line's.
        region, polygon: the part that is classified; None for the model's, or the whole image.
        decision, gate: rules; values that the zone does not set come from the tables of these names.
        on, after, command, webhook, gpio: override those of ``[sinks]``; None for the same.
    """

    name: str
    camera: str
    model: Path | None
    region: Region | None
    polygon: Polygon
    decision: DecisionRule
    gate: GateRule
    on: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    command: str | None = None
    webhook: str | None = field(default=None, repr=False)
    gpio: tuple[str, ...] | None = None

    @classmethod
    def made(cls, keys: ZoneKeys, camera: str, decision: DecisionRule, gate: GateRule) -> ZoneSettings:
        """Return a zone from its keys; a polygon's region is the smallest around it."""
        region = region_around(keys.polygon) if keys.polygon else keys.region
        model = Path(keys.model) if keys.model else None
        calls = keys.on, keys.after, keys.command, keys.webhook, keys.gpio
        return cls(keys.name, camera, model, region, keys.polygon, decision, gate, *calls)


def duplicates(names: Sequence[str]) -> list[str]:
    """Return names that occur more than once, ignoring case: they are also names of folders."""
    counts = Counter(name.casefold() for name in names if name)
    return list({name.casefold(): name for name in names if counts[name.casefold()] > 1}.values())


def _name_mistakes(name: str) -> Iterator[str]:
    if not name:
        yield "name is missing"
    elif not _NAME.fullmatch(name):
        yield f"name {name!r}: expected 1 to 40 letters, digits, - or _, and first a letter or digit"
