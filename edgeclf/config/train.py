"""What a training is told to do, checked in one place."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from edgeclf.errors import ConfigError
from edgeclf.model.backbones.registry import Backbone, backbone
from edgeclf.renamed import OPTIONS, VALUES
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.pictures.view import WHOLE, Region, View, region_mistakes
from edgeclf_runtime.renamed import in_new_names, warn_about

__all__ = [
    "TUNES",
    "Options",
    "TrainConfig",
    "make_config",
    "mistakes",
    "preprocessing",
    "trained_otherwise",
    "without_effect",
]

TUNES = ("head", "batch-norm", "full")
"""What is trained, as ``TrainConfig.tune``, from the cheapest on."""

_FINE_TUNING = ["train_size", "full_size_epochs", "freeze_stride", "epochs", "patience", "batch_size", "learning_rate"]
_FINE_TUNING += ["batch_norm", "weight_decay", "ema", "label_smoothing", "dropout", "mixup", "cutmix"]
_FINE_TUNING += ["rand_augment", "flip", "rotate90", "xla"]
"""Options of the stage that a training of the head alone has not."""

_Share = Annotated[float, Field(ge=0, lt=0.9)]


class Options(BaseModel):
    """Options that Python may still give and read by their old names, of ``edgeclf.renamed``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**_by_new_names(type(self), options))

    # Else pydantic calls it for what it reads as JSON, too, and takes that for Python's objects.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        return super().model_validate(_by_new_names(cls, obj) if isinstance(obj, dict) else obj, **options)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            new = OPTIONS.get(name)
            if new not in type(self).model_fields:
                return super().__getattr__(name)
            warn_about([f"{name} is called {new} now"])
            value, old = getattr(self, new), {now: before for before, now in VALUES.get(new, {}).items()}
            return tuple(old.get(item, item) for item in value) if isinstance(value, tuple) else old.get(value, value)


class TrainConfig(Options):
    """Options of a training.

    Attributes:
        backbone: name of the pretrained network.
        weights: its ImageNet weights, where not those of the installed package.
        size: height and width of the model's input in pixels; None takes the backbone's own.
        train_size: the same for the pictures of the fine-tuning steps; None takes 6/7 of ``size`` (a network
            fine-tuned on somewhat smaller, randomly cropped pictures sees objects at the size they have in the larger,
            whole ones it is used on: Touvron et al., NeurIPS 2019; and a step is that much faster).
        full_size_epochs: share of the epochs, the last ones, whose steps have pictures of ``size`` whatever
            ``train_size`` is: what the network answers to smaller ones is another distribution, which its last layers
            learn to leave behind (the fine-tuning at the end of the same paper).
        validation, test: shares of the pictures set aside, where the folder has no such part.
        group: images that stay in one part of the split: ``none``, those the source keeps together; ``near``,
            near-duplicates of a class too; ``time``, also those of a class taken within 2 s of one another, as EXIF
            data or names say.
        seed: of the split, the order of the pictures and their augmentation.
        deterministic: repeatable bit for bit on a GPU, too, as it is on a CPU in any case; slower there.
        tune: what is trained: ``full``, every weight; ``batch-norm``, its scale and shift per channel and the head, the
            convolutions fixed; ``head``, the head alone, on frozen features.
        freeze_stride: the early layers whose output is at most so many times smaller than the input keep ImageNet's
            weights; 0 for none.
        head: ``linear``, one dense layer; ``mixed``, a layer of nonlinear features added to the backbone's before it.
        init: ``imagenet``, pretrained weights; ``scratch``, random ones.
        alpha: after fine-tuning, choose on the validation pictures how far to go from the pretrained weights to it.
        epochs: of fine-tuning, at most.
        patience: epochs in a row whose validation result is clearly worse than the best after which it stops.
        batch_size: pictures a step.
        learning_rate: the highest of the schedule; None takes what suits ``tune``, ``init`` and ``batch_norm``.
        batch_norm: ``frozen`` keeps ImageNet's statistics, and so the features that the head was fitted on; ``train``
            normalizes with each batch's own and keeps their moving average, as from random weights in any case.
        weight_decay: of kernels (decoupled: Loshchilov & Hutter, ICLR 2019), of scales with ``tune`` ``batch-norm``.
        decay_towards: ``zero``, or ``pretrained`` weights (L2-SP: Li et al., ICML 2018).
        ema: the weights' moving average, which is what is measured and kept (Polyak & Juditsky, 1992); 0 for none; None
            takes what suits ``tune``: 0.99 for ``batch-norm``, whose rate stays high to the end, else 0.98.
        label_smoothing: share of a target spread over all classes.
        dropout: share of the pooled features zeroed in a step.
        mixup, cutmix: parameters of the Beta distribution by which two pictures are mixed; 0 for none.
        rand_augment: strength of two more random changes of every picture, up to 10; 0 for none.
        flip: mirror pictures at random; not for digits, letters, or left against right.
        rotate90: rotate images by random quarter turns: for a camera that sees things lie any way round, from above,
            say.
        class_weights: ``auto`` weighs rare classes up when the largest has more than 1.5 times the smallest's pictures.
        precision: of the fine-tuning's computations; the mixed ones for GPUs and CPUs that have them.
        xla: compile the fine-tuning's steps with XLA.
        region: the part of a camera's pictures that the network is to see on the device, as shares: left, top, width,
            height; None for all. It goes into the model file, as do ``rotate`` and ``camera_flip``.
        rotate: degrees clockwise by which a camera's pictures are turned before: 0, 90, 180 or 270.
        camera_flip: then ``none``, or mirrored: ``horizontal`` exchanges left and right, ``vertical`` top and bottom.
        whole: the photographs, or those of these sources, are such a camera's whole pictures, to be turned and cut so,
            too; the others show what the network is to see.
    """

    backbone: str = "efficientnet-lite0"
    weights: Path | None = None
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=1)] | None = None
    train_size: Annotated[int, Field(ge=32, le=1024)] | None = None
    full_size_epochs: Annotated[float, Field(ge=0, le=1)] = 0.3
    validation: Annotated[float, Field(gt=0, lt=0.9)] = 0.15
    test: _Share = 0.0
    group: Literal["none", "near", "time"] = "time"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    deterministic: bool = False
    tune: Literal["full", "batch-norm", "head"] = "full"
    freeze_stride: Literal[0, 2, 4, 8, 16] = 0
    head: Literal["linear", "mixed"] = "linear"
    init: Literal["imagenet", "scratch"] = "imagenet"
    alpha: bool = False
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 10
    patience: Annotated[int, Field(ge=1)] = 5
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    batch_norm: Literal["frozen", "train"] = "frozen"
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.02
    decay_towards: Literal["zero", "pretrained"] = "zero"
    ema: Annotated[float, Field(ge=0, lt=1)] | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    cutmix: Annotated[float, Field(ge=0, le=10)] = 0.0
    rand_augment: Annotated[float, Field(ge=0, le=10)] = 0.0
    flip: bool = True
    rotate90: bool = False
    class_weights: Literal["auto", "none"] = "auto"
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    xla: bool = False
    region: Region | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    camera_flip: Literal["none", "horizontal", "vertical"] = "none"
    whole: bool | Path | Annotated[tuple[Path, ...], Field(min_length=1)] = False

    @field_validator("backbone")
    @classmethod
    def _backbone_exists(cls, name: str) -> str:
        return backbone(name).name

    @field_validator("region")
    @classmethod
    def _inside(cls, region: Region | None) -> Region | None:
        if region is not None and (wrong := region_mistakes(region)):
            raise ValueError(wrong[0].removeprefix(f"region {region}: "))
        return region

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.validation + self.test >= 0.9:
            raise ValueError("validation and test together leave too little to train on")
        if self.init == "scratch" and (self.tune != "full" or self.alpha or self.decay_towards != "zero"):
            raise ValueError("tune, alpha and decay_towards start from pretrained weights; init is scratch")
        if self.init == "scratch" and self.freeze_stride:
            raise ValueError("freeze_stride keeps ImageNet's weights; init is scratch")
        if self.tune == "head" and self.alpha:
            raise ValueError("alpha chooses how far to fine-tune; tune head does not fine-tune")
        if self.decay_towards == "pretrained" and self.tune != "full":
            raise ValueError(f"decay_towards pretrained goes with tune full; {self.tune} does so by itself")
        return self

    @property
    def view(self) -> View:
        """What the network is to see of a camera's pictures."""
        return View(self.region or WHOLE, self.rotate, self.camera_flip)

    @property
    def whole_sources(self) -> tuple[Path, ...]:
        """The sources that ``whole`` names."""
        return (self.whole,) if isinstance(self.whole, Path) else self.whole if isinstance(self.whole, tuple) else ()

    def view_of(self, source: Path) -> View:
        """What it sees of the photographs of a source."""
        named = source.resolve() in [path.resolve() for path in self.whole_sources]
        return self.view if self.whole is True or named else View()

    @property
    def network(self) -> Backbone:
        """The backbone of that name."""
        return backbone(self.backbone)

    @property
    def input_size(self) -> int:
        """Height and width of the model's input in pixels."""
        return self.size or self.network.size

    def step_size(self, epoch: int) -> int:
        """Height and width of the pictures of the fine-tuning steps of an epoch, numbered from 0."""
        if epoch >= self.epochs - round(self.full_size_epochs * self.epochs):
            return self.input_size
        return self.train_size or max(32, round(self.input_size * 6 / 7 / 32) * 32)

    @property
    def average(self) -> float:
        """``ema``, or what suits ``tune``."""
        if self.ema is not None:
            return self.ema
        return 0.99 if self.tune == "batch-norm" else 0.98

    @property
    def trains_batch_norm(self) -> bool:
        """Whether batch norm's statistics are those of the pictures."""
        return self.init == "scratch" or self.batch_norm == "train"


def _by_new_names(kind: type[BaseModel], options: dict[str, Any]) -> dict[str, Any]:
    """Raises ConfigError where one is there by both names."""
    names = {old: new for old, new in OPTIONS.items() if new in kind.model_fields}
    options, notices, wrong = in_new_names(options, names, VALUES)
    if wrong:
        raise ConfigError(f"Options: {'; '.join(wrong)}.")
    warn_about(notices)
    return options


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


def trained_otherwise(config: TrainConfig, tune: str, init: str = "imagenet", **others: object) -> TrainConfig:
    """The same training of more or less of the network, without the options that do not go with that."""
    chosen: dict[str, object] = {"tune": tune, "init": init, **others}
    if tune == "head" or init == "scratch":
        chosen["alpha"] = False
    if tune != "full" or init == "scratch":
        chosen["decay_towards"] = "zero"
    if init == "scratch":
        chosen["freeze_stride"] = 0
    return make_config({**config.model_dump(), **chosen})


def without_effect(config: TrainConfig, parts: Collection[str]) -> dict[str, list[str]]:
    """Options that are not the default's and change nothing, by why; ``parts`` are those of the source."""
    given = [name for name, field in TrainConfig.model_fields.items() if getattr(config, name) != field.default]
    idle = {
        "tune is head": _FINE_TUNING if config.tune == "head" else [],
        "init is scratch": ["weights", "batch_norm"] if config.init == "scratch" else [],
        "no region, rotate or camera_flip is given": [] if config.view.changes else ["whole"],
        "the photographs have such a part": [part for part in ("validation", "test") if part in parts],
    }
    without = {reason: [name for name in given if name in names] for reason, names in idle.items()}
    return {reason: names for reason, names in without.items() if names}


def mistakes(error: ValidationError) -> list[tuple[str, str]]:
    """Option and what is wrong with it, of each mistake; an empty name where several do not go together."""
    return [
        (".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, ").rstrip("."))
        for item in error.errors()
    ]


def preprocessing(config: TrainConfig) -> Preprocessing:
    """How the model of such a training wants its pictures."""
    size, mean, std = config.input_size, config.network.mean, config.network.std
    return Preprocessing(size, size, mean=(mean,) * 3, std=(std,) * 3)
