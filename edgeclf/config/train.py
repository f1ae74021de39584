"""Options of a training, with all their checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from edgeclf.config.options import Options, mistakes
from edgeclf.errors import ConfigError
from edgeclf.model.backbones.registry import Backbone, backbone
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.pictures.view import WHOLE, Region, View, region_mistakes

__all__ = [
    "TUNES",
    "TrainConfig",
    "make_config",
    "preprocessing",
    "trained_otherwise",
]

TUNES = ("head", "batch-norm", "full")
"""Values of ``TrainConfig.tune``, cheapest first."""

_Share = Annotated[float, Field(ge=0, lt=0.9)]


class TrainConfig(Options):
    """Options of a training.

    Attributes:
        backbone: name of the pretrained network.
        weights: a file of ImageNet weights for the backbone, which some need (``Backbone.repository``); None takes the
            installed package's.
        size: height and width of the model's input in pixels; None takes the backbone's own.
        train_size: height and width of the images in fine-tuning steps; None takes 6/7 of ``size``. Objects in random
            crops of these smaller images appear about as large as in the whole images seen in use (Touvron et al.,
            NeurIPS 2019), and steps are faster.
        full_size_epochs: share of final epochs with images of ``size`` pixels whatever ``train_size`` is, so that the
            last layers adapt to the features of larger images (the final fine-tuning of that paper).
        validation, test: shares of the images to hold out if the source has no such part.
        group: images that stay in one part of the split: ``none``, only groups of the source; ``near``, also
            near-duplicates within a class; ``time``, also images of a class taken within 2 s of one another according
            to EXIF data or file names.
        several_labels: an image may have several labels or none, listed in a CSV (``edgeclf.data.label_sets``). None:
            each has one label, and a CSV that may list several is refused.
        label_precision: with ``several_labels``, target precision of each label on the validation set, for which its
            threshold is chosen.
        seed: random seed of the split, the order of the images and their augmentation.
        deterministic: make training on a GPU reproducible bit for bit, as it always is on a CPU; slower.
        tune: what is trained: ``full``, every weight; ``batch-norm``, scale and shift per channel and the head, with
            fixed convolutions; ``head``, only the head, on frozen features.
        freeze_stride: freeze the early layers whose output is at most this many times smaller than the input; 0 for
            none.
        head: ``linear``, one dense layer; ``mixed``, a layer of nonlinear features added before it.
        init: ``imagenet``, pretrained weights; ``scratch``, random weights.
        alpha: after fine-tuning, choose on the validation set how far to go from pretrained to fine-tuned weights.
        epochs: maximum number of epochs of fine-tuning.
        patience: stop after this many epochs in a row whose validation result is clearly worse than the best.
        batch_size: images per step.
        learning_rate: the peak of the schedule; None takes a value that suits ``tune``, ``init`` and ``batch_norm``.
        batch_norm: ``frozen`` keeps ImageNet's statistics, and so the features that the head was fitted on; ``train``
            uses each batch's statistics and keeps their moving average, as training from scratch always does.
        weight_decay: decoupled decay (Loshchilov & Hutter, ICLR 2019) of kernels; of scales if ``tune`` is
            ``batch-norm``.
        decay_towards: ``zero``, or ``pretrained`` weights (L2-SP: Li et al., ICML 2018).
        ema: decay of the weights' moving average, which is evaluated and kept (Polyak & Juditsky, 1992). 0 for none;
            None takes 0.99 if ``tune`` is ``batch-norm``, whose learning rate stays high to the end, else 0.98.
        label_smoothing: share of a target that is spread over all classes.
        dropout: share of the pooled features set to zero in a step.
        mixup, cutmix: parameters of the Beta distribution by which two images are mixed; 0 for none.
        rand_augment: strength of two more random changes to every image, up to 10; 0 for none.
        camera: add random camera faults to training images: noise, over- or underexposure, colour cast, loss of colour,
            low contrast, blur, greater distance; never those in ``edgeclf.training.augmentation.camera.HELD_OUT``.
        flip: mirror images at random; not for digits, letters, or classes that differ only in left and right.
        rotate90: rotate images by random quarter turns, for objects that appear in any orientation, such as from above.
        class_weights: ``auto`` gives rare classes more weight if the largest has over 1.5 times the images of the
            smallest.
        jpeg: how JPEGs are decoded, in training and, by the model file, on the device: ``reduced``, at the smallest of
            1, 1/2, 1/4 and 1/8 of their size that fills the model's input, which is faster; ``full``, at their own
            size, as versions up to 0.1 did. By default reduced, but full if ``region`` is set: of an image that just
            fills the input, a region would have to be enlarged.
        precision: number format of fine-tuning; the mixed formats need a GPU or CPU that supports them.
        xla: compile fine-tuning steps with XLA.
        region: the part of the camera's image that the network sees on the device, as shares: left, top, width,
            height; None for all. It is stored in the model file, as are ``rotate`` and ``camera_flip``.
        rotate: degrees clockwise by which camera images are rotated first: 0, 90, 180 or 270.
        camera_flip: how they are mirrored next: ``none``, ``horizontal`` (left and right) or ``vertical`` (top
            and bottom).
        whole: which photographs are whole camera images and need rotation, mirroring and cropping, too: all of them, or
            those of these sources. The others already show only the region.
        from_run: folder of a finished run to start from, see ``edgeclf.config.grown``; None starts from ``init``.
        rehearsal: share of the images that this run was trained on in each epoch; they take turns, and new images are
            in all epochs.
    """

    backbone: str = "efficientnet-lite0"
    weights: Path | None = None
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=1)] | None = None
    train_size: Annotated[int, Field(ge=32, le=1024)] | None = None
    full_size_epochs: Annotated[float, Field(ge=0, le=1)] = 0.3
    validation: Annotated[float, Field(gt=0, lt=0.9)] = 0.15
    test: _Share = 0.0
    group: Literal["none", "near", "time"] = "time"
    several_labels: bool | None = None
    label_precision: Annotated[float, Field(gt=0, le=1)] = 0.9
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
    camera: bool = False
    flip: bool = True
    rotate90: bool = False
    class_weights: Literal["auto", "none"] = "auto"
    jpeg: Literal["reduced", "full"] = "reduced"
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    xla: bool = False
    region: Region | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    camera_flip: Literal["none", "horizontal", "vertical"] = "none"
    whole: bool | Path | Annotated[tuple[Path, ...], Field(min_length=1)] = False
    from_run: Path | None = None
    rehearsal: Annotated[float, Field(gt=0, le=1)] = 0.33

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
    def _whole_regions(self) -> Self:
        """Decode at full size what is then cropped to a region, unless the option is given."""
        if self.region is not None and "jpeg" not in self.model_fields_set:
            self.__dict__["jpeg"] = "full"  # the object is frozen, but not in use yet
        return self

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.validation + self.test >= 0.9:
            raise ValueError("validation and test together leave too few images to train on")
        if self.init == "scratch" and (self.tune != "full" or self.alpha or self.decay_towards != "zero"):
            raise ValueError("tune, alpha and decay_towards need pretrained weights, but init is scratch")
        if self.init == "scratch" and self.freeze_stride:
            raise ValueError("freeze_stride keeps ImageNet's weights, but init is scratch")
        if self.several_labels and self.cutmix:
            raise ValueError("cutmix may cover the very thing that one of several labels names; use mixup instead")
        if self.several_labels and self.from_run is not None:
            raise ValueError("from_run does not go with several_labels yet; train without it")
        if self.tune == "head" and self.alpha:
            raise ValueError("alpha chooses how far to fine-tune, but tune head does not fine-tune")
        if self.decay_towards == "pretrained" and self.tune != "full":
            raise ValueError(f"decay_towards pretrained needs tune full; {self.tune} always decays to them")
        return self

    @property
    def view(self) -> View:
        """The rotation, mirroring and region applied to camera images."""
        return View(self.region or WHOLE, self.rotate, self.camera_flip)

    @property
    def whole_sources(self) -> tuple[Path, ...]:
        """The sources that ``whole`` lists."""
        return (self.whole,) if isinstance(self.whole, Path) else self.whole if isinstance(self.whole, tuple) else ()

    def view_of(self, source: Path) -> View:
        """Return the rotation, mirroring and region applied to a source's photographs."""
        named = source.resolve() in [path.resolve() for path in self.whole_sources]
        return self.view if self.whole is True or named else View()

    @property
    def network(self) -> Backbone:
        """The backbone named in the config."""
        return backbone(self.backbone)

    @property
    def input_size(self) -> int:
        """Height and width of the model's input in pixels."""
        return self.size or self.network.size

    def step_size(self, epoch: int) -> int:
        """Return height and width of the images in an epoch's fine-tuning steps, in pixels; epochs count from 0."""
        if epoch >= self.epochs - round(self.full_size_epochs * self.epochs):
            return self.input_size
        return self.train_size or max(32, round(self.input_size * 6 / 7 / 32) * 32)

    @property
    def average(self) -> float:
        """``ema``, or its default for ``tune``."""
        if self.ema is not None:
            return self.ema
        return 0.99 if self.tune == "batch-norm" else 0.98

    @property
    def trains_batch_norm(self) -> bool:
        """Whether batch norm's statistics are computed from the training images."""
        return self.init == "scratch" or self.batch_norm == "train"


def make_config(options: dict[str, object]) -> TrainConfig:
    """Build a config from options.

    Raises:
        ConfigError: options are wrong; the error lists all of them.
    """
    try:
        return TrainConfig.model_validate(options)
    except ValidationError as error:
        wrong = [": ".join(filter(None, item)) for item in mistakes(error)]
        raise ConfigError(f"Options: {'; '.join(wrong)}.") from None


def trained_otherwise(config: TrainConfig, tune: str, init: str = "imagenet", **others: object) -> TrainConfig:
    """Return the config with another ``tune`` or ``init``, without the options that do not apply to it.

    Raises:
        ConfigError: the training starts from a run, whose network it keeps.
    """
    if config.from_run is not None:
        raise ConfigError("Options: from_run applies to edgeclf train alone; remove it here.")
    if config.several_labels:
        raise ConfigError("Options: several_labels applies to edgeclf train alone; remove it here.")
    chosen: dict[str, object] = {"tune": tune, "init": init, **others}
    if tune == "head" or init == "scratch":
        chosen["alpha"] = False
    if tune != "full" or init == "scratch":
        chosen["decay_towards"] = "zero"
    if init == "scratch":
        chosen["freeze_stride"] = 0
    return make_config({**config.model_dump(), **chosen})


def preprocessing(config: TrainConfig) -> Preprocessing:
    """Return the preprocessing that a model trained with this config expects."""
    size, network = config.input_size, config.network
    return Preprocessing(size, size, mean=network.mean, std=network.std, jpeg=config.jpeg)
