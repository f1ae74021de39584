"""The tables of a config file, each as one object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from edgeclf.config.options import Options
from edgeclf.config.train import TUNES, TrainConfig, make_config
from edgeclf.model.backbones.registry import BACKBONES, backbone

__all__ = ["ExportConfig", "SearchConfig", "TrainTable"]


class TrainTable(TrainConfig):
    """Table ``[train]``: the options of a training, and its photographs.

    Attributes:
        data: one or several folders of photographs, used if the command line names none.
    """

    data: Path | Annotated[tuple[Path, ...], Field(min_length=1)] | None = None

    def config(self) -> TrainConfig:
        """Return the training's options without the photographs."""
        return make_config(self.model_dump(exclude={"data"}, exclude_unset=True))


class ExportConfig(BaseModel):
    """Table ``[export]``: options for exporting a run's model file.

    Attributes:
        mode: int8, float32, float16 or dynamic.
        method: for int8: auto, ptq or qat; see ``edgeclf_converters.search_int8``.
        max_drop: for int8: the largest accuracy loss allowed, in percentage points; None aims at 0.5.
        edgetpu: also compile the int8 file for an Edge TPU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["int8", "float32", "float16", "dynamic"] = "int8"
    method: Literal["auto", "ptq", "qat"] = "auto"
    max_drop: Annotated[float, Field(ge=-100, le=100)] | None = None
    edgetpu: bool = False


class SearchConfig(Options):
    """Table ``[search]``: options of a search for the most accurate model within a latency.

    Attributes:
        budget_minutes: wall-clock time in minutes. A trial that would exceed it is not started, except the first.
        latency_ms: maximum inference time of the int8 file per image, in ms, on this machine; None for no limit.
        trials: maximum number of trials; None for no limit.
        backbones: names of backbones; those whose weights are not available are skipped. By default all that need no
            ``weights`` file.
        sizes: heights and widths of the input to try, in pixels.
        tunes: which parts of the network to train; from ``config.train.TUNES``.
    """

    budget_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    latency_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    trials: Annotated[int, Field(ge=1)] | None = None
    backbones: Annotated[tuple[str, ...], Field(min_length=1)] = tuple(
        name for name, entry in BACKBONES.items() if not entry.repository
    )
    sizes: Annotated[tuple[Annotated[int, Field(ge=32, le=1024)], ...], Field(min_length=1)] = (96, 128, 160, 192, 224)
    tunes: Annotated[tuple[str, ...], Field(min_length=1)] = TUNES

    @field_validator("backbones")
    @classmethod
    def _backbone_exists(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(backbone(name).name for name in names))

    @field_validator("sizes")
    @classmethod
    def _rising(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(sizes)))

    @field_validator("tunes")
    @classmethod
    def _tunes(cls, tunes: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := sorted(set(tunes) - set(TUNES)):
            raise ValueError(f"{', '.join(wrong)}: expected some of {', '.join(TUNES)}")
        return tuple(tune for tune in TUNES if tune in tunes)  # cheapest first
