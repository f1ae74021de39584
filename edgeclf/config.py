"""What a training is told to do, checked in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from edgeclf.backbones.registry import Backbone, backbone
from edgeclf.errors import ConfigError

__all__ = ["TrainConfig", "make_config", "mistakes"]

_BATCH_NORM_PICTURES, _BATCH_NORM_BATCH = 500, 16

_Share = Annotated[float, Field(ge=0, lt=0.9)]


class TrainConfig(BaseModel):
    """Options of a training.

    Attributes:
        backbone: name of the pretrained network.
        weights: its ImageNet weights, where not those of the installed package.
        size: height and width of the model's input in pixels; None takes the backbone's own.
        train_size: the same for the pictures of the fine-tuning steps; None takes 6/7 of ``size`` (a network
            fine-tuned on somewhat smaller, randomly cropped pictures sees objects at the size they have in the larger,
            whole ones it is used on: Touvron et al., NeurIPS 2019; and a step is that much faster).
        validation, test: shares of the pictures set aside, where the folder has no such part.
        seed: of the split, the order of the pictures and their augmentation.
        head_only: stop after the head.
        epochs: of fine-tuning, at most.
        patience: epochs without a better validation result after which it stops.
        batch_size: pictures a step.
        learning_rate: the highest of the cosine schedule; None takes 5e-4 where batch norm is trained, else 1e-4.
        batch_norm: ``train`` normalizes with each batch's own statistics and keeps their moving average; ``frozen``
            keeps ImageNet's, which know more than a few small batches do; ``auto`` trains from 500 pictures and
            batches of 16.
        weight_decay: of kernels (decoupled: Loshchilov & Hutter, ICLR 2019).
        label_smoothing: share of a target spread over all classes.
        dropout: share of the pooled features zeroed in a step.
        flip: mirror pictures at random; not for digits, letters, or left against right.
        class_weights: ``auto`` weighs rare classes up when the largest has more than 1.5 times the smallest's pictures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = "efficientnet-lite0"
    weights: Path | None = None
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=1)] | None = None
    train_size: Annotated[int, Field(ge=32, le=1024)] | None = None
    validation: Annotated[float, Field(gt=0, lt=0.9)] = 0.15
    test: _Share = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    head_only: bool = False
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 10
    patience: Annotated[int, Field(ge=1)] = 5
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    batch_norm: Annotated[str, Field(pattern="^(auto|train|frozen)$")] = "auto"
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.02
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    flip: bool = True
    class_weights: Annotated[str, Field(pattern="^(auto|none)$")] = "auto"

    @field_validator("backbone")
    @classmethod
    def _known(cls, name: str) -> str:
        return backbone(name).name

    @model_validator(mode="after")
    def _leaves_some_to_train_on(self) -> Self:
        if self.validation + self.test >= 0.9:
            raise ValueError("validation and test together leave too little to train on")
        return self

    @property
    def network(self) -> Backbone:
        """The backbone of that name."""
        return backbone(self.backbone)

    @property
    def input_size(self) -> int:
        """Height and width of the model's input in pixels."""
        return self.size or self.network.size

    @property
    def step_size(self) -> int:
        """Height and width of the pictures of the fine-tuning steps."""
        return self.train_size or max(32, round(self.input_size * 6 / 7 / 32) * 32)

    def trains_batch_norm(self, pictures: int) -> bool:
        """Whether batch norm is trained on so many pictures."""
        if self.batch_norm != "auto":
            return self.batch_norm == "train"
        return pictures >= _BATCH_NORM_PICTURES and self.batch_size >= _BATCH_NORM_BATCH


def make_config(options: dict[str, object]) -> TrainConfig:
    """The config of these options.

    Raises:
        ConfigError: names every option that is wrong, at once.
    """
    try:
        return TrainConfig.model_validate(options)
    except ValidationError as error:
        wrong = [": ".join(filter(None, item)) for item in mistakes(error)]
        raise ConfigError(f"Options: {'; '.join(wrong)}.") from None


def mistakes(error: ValidationError) -> list[tuple[str, str]]:
    """Option and what is wrong with it, of each mistake; an empty name where several do not go together."""
    return [
        (".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, ").rstrip("."))
        for item in error.errors()
    ]
