"""``edgeclf train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeclf.commands.options import cache_option, config_option, distribute_option
from edgeclf.commands.train_outcome import conclude, what_is_kept
from edgeclf.model.backbones.registry import BACKBONES
from edgeclf.renamed import FLAG_VALUES, FLAGS
from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.commands.options import SectionedCommand, region_option

__all__ = ["train"]

_PATH = click.Path(path_type=Path)
_SECTIONS = {
    "Basic options": (
        "out",
        "backbone",
        "size",
        "epochs",
        "flip",
        "rotate90",
        "test",
        "seed",
        "resume",
        "from_run",
        "config",
    ),
    "Data": ("from_frigate", "validation", "group", "several_labels", "label_precision", "class_weights", "jpeg"),
    "Camera": ("region", "rotate", "camera_flip", "whole"),
    "Network": ("weights", "tune", "freeze_stride", "head", "init", "alpha"),
    "Fine-tuning": (
        "train_size",
        "full_size_epochs",
        "patience",
        "batch_size",
        "learning_rate",
        "batch_norm",
        "weight_decay",
        "decay_towards",
        "ema",
        "label_smoothing",
        "dropout",
        "rehearsal",
    ),
    "Augmentation": ("camera", "mixup", "cutmix", "rand_augment"),
    "Computation": ("precision", "xla", "deterministic", "distribute", "cache"),
}


@click.command(cls=SectionedCommand, sections=_SECTIONS, renamed=FLAGS, renamed_values=FLAG_VALUES)
@click.argument("data", type=_PATH, nargs=-1)
@click.option("--out", type=_PATH, help="Folder for the run (default: runs/NAME-1, runs/NAME-2, ...).")
@click.option("--resume", type=_PATH, metavar="RUN", help="Resume an interrupted training.")
@click.option(
    "--from",
    "from_run",
    type=_PATH,
    metavar="RUN",
    help="Start from a finished training: keep its network, options and split, and add images or classes (default: "
    "start from --init).",
)
@click.option("--rehearsal", type=float, help="Share of a --from run's images in each epoch (default: 0.33).")
@click.option(
    "--from-frigate",
    type=_PATH,
    metavar="CLIPS",
    help="Also train on images that were sorted in Frigate: the folder clips/NAME of one of its models, or clips.",
)
@config_option
@click.option("--backbone", type=click.Choice([*BACKBONES]), help="Pretrained network (default: efficientnet-lite0).")
@click.option(
    "--weights",
    type=_PATH,
    help="File with ImageNet weights for the backbone; some backbones need one (default: from the installed package).",
)
@click.option("--size", type=int, help="Input height and width in pixels (default: the backbone's).")
@click.option("--train-size", type=int, help="Image size in fine-tuning steps (default: 6/7 of --size).")
@click.option("--full-size-epochs", type=float, help="Share of final epochs trained at full --size (default: 0.3).")
@click.option("--validation", type=float, help="Share of images for the validation set (default: 0.15).")
@click.option("--test", type=float, help="Share of images for the test set (default: 0).")
@click.option(
    "--group",
    type=click.Choice(["none", "near", "time"]),
    help="Images to keep in one part of the split: only groups named in DATA (none), also near-duplicates of a class "
    "(near), or also images of a class taken within 2 s of one another (time, the default).",
)
@click.option(
    "--several-labels/--no-several-labels",
    default=None,
    help="Allow several labels per image, or none: DATA is a CSV file with labels such as a|b, with _none for no "
    "label, or with one line per label (default: one label per image).",
)
@click.option(
    "--label-precision",
    type=float,
    help="Choose each label's threshold for this precision on the validation set, with --several-labels "
    "(default: 0.9).",
)
@click.option("--seed", type=int, help="Random seed (default: 0).")
@click.option(
    "--deterministic/--no-deterministic",
    default=None,
    help="Make results on a GPU repeatable bit for bit, which is slower (default: off). On a CPU they always are.",
)
@click.option(
    "--tune",
    type=click.Choice(["full", "batch-norm", "head"]),
    help="What to train: all weights (full, the default), the scales and shifts of batch norm and the head "
    "(batch-norm), or only the new head, in seconds (head).",
)
@click.option(
    "--freeze-stride",
    type=click.Choice(["0", "2", "4", "8", "16"]),
    help="Freeze the layers up to this stride, which is faster (default: 0, none).",
)
@click.option(
    "--head",
    type=click.Choice(["linear", "mixed"]),
    help="Head: a dense layer (linear, the default), or a dense layer with nonlinear features before it (mixed).",
)
@click.option(
    "--init",
    type=click.Choice(["imagenet", "scratch"]),
    help="Start from ImageNet weights (imagenet, the default) or from random ones (scratch).",
)
@click.option(
    "--alpha/--no-alpha",
    default=None,
    help="Choose the best interpolation between pretrained and fine-tuned weights, on the validation set (default: "
    "off).",
)
@click.option("--epochs", type=int, help="Maximum number of fine-tuning epochs (default: 10).")
@click.option("--patience", type=int, help="Stop after this many epochs that are clearly worse (default: 5).")
@click.option("--batch-size", type=int, help="Images per step (default: 32).")
@click.option(
    "--learning-rate", type=float, help="Peak learning rate (default: depends on --tune, --init and --batch-norm)."
)
@click.option(
    "--batch-norm",
    type=click.Choice(["frozen", "train"]),
    help="Keep the batch-norm statistics of ImageNet (frozen, the default) or update them (train).",
)
@click.option("--weight-decay", type=float, help="Decoupled weight decay (default: 0.02).")
@click.option(
    "--decay-towards",
    type=click.Choice(["zero", "pretrained"]),
    help="Decay the weights towards zero (default) or towards the pretrained ones (L2-SP).",
)
@click.option(
    "--ema",
    type=float,
    help="Decay of the weights' moving average (default: 0.98, or 0.99 with --tune batch-norm; 0 turns it off).",
)
@click.option("--mixup", type=float, help="Strength of mixup, which blends images (default: 0, off).")
@click.option("--cutmix", type=float, help="Strength of CutMix, which pastes parts of images (default: 0, off).")
@click.option("--rand-augment", type=float, help="Strength of RandAugment, up to 10 (default: 0, off).")
@click.option(
    "--camera/--no-camera",
    default=None,
    help="Add camera faults to training images at random: noise, darkness, blur, greater distance (default: off).",
)
@click.option("--label-smoothing", type=float, help="Label smoothing (default: 0.1).")
@click.option("--dropout", type=float, help="Dropout rate before the head (default: 0).")
@click.option(
    "--flip/--no-flip",
    default=None,
    help="Mirror images at random; turn this off for letters, or to tell left from right (default: on).",
)
@click.option(
    "--rotate90/--no-rotate90",
    default=None,
    help="Rotate images by quarter turns at random, for objects seen from above (default: off).",
)
@click.option(
    "--class-weights",
    type=click.Choice(["auto", "none"]),
    help="Give rare classes more weight (auto, the default), or all classes the same (none).",
)
@click.option(
    "--jpeg",
    type=click.Choice(["reduced", "full"]),
    help="Decode JPEGs, here and on the device, at the smallest of 1, 1/2, 1/4 and 1/8 of their size that fills the "
    "input (reduced, the default) or at their own size, slower (full, the default with --region).",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_float16", "mixed_bfloat16"]),
    help="Precision of the fine-tuning (default: float32).",
)
@click.option("--xla/--no-xla", default=None, help="Compile fine-tuning steps with XLA (default: off).")
@region_option
@click.option(
    "--rotate",
    type=click.Choice(["0", "90", "180", "270"]),
    help="Clockwise rotation of the camera's image, in degrees (default: 0).",
)
@click.option(
    "--camera-flip",
    type=click.Choice(["none", "horizontal", "vertical"]),
    help="Mirror the camera's image, after rotating it (default: none).",
)
@click.option(
    "--whole",
    is_flag=False,
    flag_value="",
    multiple=True,
    metavar="[SOURCE]",
    help="Rotate and crop the images of DATA, or only of this SOURCE, as given by --region, --rotate and --camera-flip "
    "(default: off; the images already show what the network will see, and these options are only stored in the model "
    "file).",
)
@distribute_option("Train")
@cache_option
def train(
    data: tuple[Path, ...],
    out: Path | None,
    resume: Path | None,
    from_frigate: Path | None,
    config: Path | None,
    distribute: str,
    cache: Path | None,
    whole: tuple[str, ...],
    **options: Any,
) -> None:
    """Train a classifier on a folder of photographs.

    DATA is a folder with one sub-folder of photographs per class, a CSV file of file,label[,part][,group], or a folder
    written by edgeclf data shard. Give several to train on all of them, such as photographs and sorted snapshots.

    With --from, give all photographs that the model is to know, both old and new: images that RUN was trained on are
    never used for validation, and classes without images are dropped.
    """
    from edgeclf_runtime.errors import UsageError

    given = {name: value for name, value in options.items() if value is not None}
    given |= {name: int(given[name]) for name in ("freeze_stride", "rotate") if name in given}
    if whole:
        given["whole"] = True if "" in whole else tuple(map(Path, whole))
    if resume is not None:
        if data or out is not None or from_frigate is not None or config is not None or given:
            raise UsageError("--resume continues with the options of the run: give it alone.")
        return _resume(resume, distribute, cache)
    if distribute == "multi-worker" and out is None:
        raise UsageError("--distribute multi-worker needs --out, a folder that all workers share.")
    if from_frigate is not None:
        from edgeclf.data.frigate import frigate_dataset
        from edgeclf.runs.run import new_folder

        dataset = frigate_dataset(from_frigate)
        out = out or new_folder(data or (dataset.parent,))
        data = (*data, dataset)
    _train(data, out, config, given, distribute, cache)


def _train(
    data: tuple[Path, ...],
    out: Path | None,
    file: Path | None,
    options: dict[str, object],
    distribute: str,
    cache: Path | None,
) -> None:
    from edgeclf.config.file import configure
    from edgeclf.config.tables import TrainTable
    from edgeclf.data.decoded_cache import using_cache
    from edgeclf.data.sources import paths_of
    from edgeclf.progress import Terminal
    from edgeclf.runs.run import new_folder
    from edgeclf.training.fit import train as begin
    from edgeclf_runtime.errors import UsageError

    reporter = Terminal()
    table = configure(TrainTable, options, file, reporter.say)
    sources = data or (() if table.data is None else paths_of(table.data))
    named = [path.resolve() for path in sources]
    chosen = (*sources, *(path for path in table.whole_sources if path.resolve() not in named))
    if not chosen:
        raise UsageError("Give DATA, the folder of photographs, or --resume RUN.")
    folder = out or new_folder(chosen)
    with interruptible(lambda: what_is_kept(folder)), using_cache(cache, reporter.say):
        run = begin(chosen, folder, table.config(), reporter, distribute)
    conclude(run)


def _resume(path: Path, distribute: str, cache: Path | None) -> None:
    from edgeclf.data.decoded_cache import using_cache
    from edgeclf.progress import Terminal
    from edgeclf.training.fit import resume

    reporter = Terminal()
    with interruptible(lambda: what_is_kept(path)), using_cache(cache, reporter.say):
        run = resume(path, reporter, distribute)
    conclude(run)
