"""``edgeclf train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeclf.commands.options import distribute_option
from edgeclf_runtime.commands.options import region_option

__all__ = ["train"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=_PATH, nargs=-1)
@click.option("--out", type=_PATH, help="The run's folder; by default runs/NAME-1, runs/NAME-2 ...")
@click.option("--resume", type=_PATH, metavar="RUN", help="Go on with an interrupted training.")
@click.option("--config", type=_PATH, help="A TOML file of these options; by default edgeclf.toml where there is one.")
@click.option(
    "--backbone",
    help="The pretrained network: efficientnet-lite0, by default, -lite1, -lite2, mobilenet-v2, "
    "mobilenet-v3-small-minimalistic or mobilenet-v3-large-minimalistic.",
)
@click.option("--weights", type=_PATH, help="Its ImageNet weights, where they do not come from a package.")
@click.option("--size", type=int, help="Height and width of the model's input in pixels; by default the backbone's.")
@click.option("--train-size", type=int, help="The same for the fine-tuning's pictures; by default 6/7 of it.")
@click.option(
    "--own-size", type=float, help="Share of the epochs, the last ones, with pictures of --size: 0.3 by default."
)
@click.option("--validation", type=float, help="Share of the pictures to choose by, 0.15 by default.")
@click.option("--test", type=float, help="Share of the pictures kept for a last measurement, 0 by default.")
@click.option(
    "--group",
    type=click.Choice(["none", "near", "time"]),
    help="Keep in one part of the split: nothing more than the source says; near-duplicates of a class; also images of "
    "a class taken within 2 s of one another (time, the default).",
)
@click.option("--seed", type=int, help="Of everything random, 0 by default.")
@click.option(
    "--deterministic/--no-deterministic",
    default=None,
    help="Repeatable bit for bit on a GPU, too, which is slower; off by default. On a CPU it always is.",
)
@click.option(
    "--adapt", help="full, every weight, by default; scale, a scale and shift per channel; head, alone, in seconds."
)
@click.option(
    "--fixed-stride",
    type=int,
    help="Layers up to this stride keep ImageNet's weights, which is faster; 0, for none, by default.",
)
@click.option("--head", help="linear, by default, or mixed: with a layer of nonlinear features before it.")
@click.option("--init", help="imagenet, by default, or scratch: random weights.")
@click.option(
    "--alpha/--no-alpha", default=None, help="Choose how far to go from the pretrained weights; off by default."
)
@click.option("--epochs", type=int, help="Of fine-tuning, at most; 10 by default.")
@click.option(
    "--patience", type=int, help="Epochs of clearly worse validation results after which to stop, 5 by default."
)
@click.option("--batch-size", type=int, help="Pictures a step, 32 by default.")
@click.option(
    "--learning-rate",
    type=float,
    help="The highest of the schedule; by default what suits --adapt, --init and --batch-norm.",
)
@click.option("--batch-norm", help="frozen, ImageNet's statistics, by default; or train.")
@click.option("--weight-decay", type=float, help="Of kernels, 0.02 by default.")
@click.option("--decay-towards", help="zero, by default, or pretrained: the weights' decay (L2-SP).")
@click.option(
    "--ema", type=float, help="Of the weights' moving average, 0.98 by default, 0.99 with --adapt scale; 0 for none."
)
@click.option("--mixup", type=float, help="Pictures blended with one another; 0, for none, by default.")
@click.option("--cutmix", type=float, help="Pictures cut into one another; 0, for none, by default.")
@click.option("--rand-augment", type=float, help="Strength of more random changes, up to 10; 0, for none, by default.")
@click.option("--label-smoothing", type=float, help="Share of a target spread over all classes, 0.1 by default.")
@click.option("--dropout", type=float, help="Share of the features zeroed in a step, 0 by default.")
@click.option(
    "--flip/--no-flip",
    default=None,
    help="Mirror pictures at random; not for letters or left against right. On by default.",
)
@click.option(
    "--turn/--no-turn",
    default=None,
    help="Turn pictures by quarters at random: for things that lie any way round; off by default.",
)
@click.option("--class-weights", help="auto, by default, or none: whether rare classes weigh more.")
@click.option("--precision", help="float32, by default, mixed_float16 or mixed_bfloat16, of the fine-tuning.")
@click.option("--xla/--no-xla", default=None, help="Compile the fine-tuning's steps with XLA; off by default.")
@region_option
@click.option(
    "--rotate", type=int, help="By which a camera's pictures are turned before: 90, 180 or 270 degrees clockwise."
)
@click.option("--camera-flip", help="How they are then mirrored: horizontal or vertical; none by default.")
@click.option(
    "--whole",
    is_flag=False,
    flag_value="",
    multiple=True,
    metavar="[SOURCE]",
    help="DATA, or this SOURCE of it, are whole camera pictures: turn and cut them so, too; off by default: they show "
    "what the network is to see, and --region, --rotate and --camera-flip go into the model file alone.",
)
@distribute_option("Over")
def train(
    data: tuple[Path, ...],
    out: Path | None,
    resume: Path | None,
    config: Path | None,
    distribute: str,
    whole: tuple[str, ...],
    **options: Any,
) -> None:
    """Train a classifier on DATA, a folder with one sub-folder of photographs per class.

    DATA can also be a CSV of file,label[,part][,group], or a folder written by edgeclf data shard, or several of these:
    photographs and sorted snapshots, say, whose classes are taken together.
    """
    from edgeclf_runtime.errors import UsageError

    given = {name: value for name, value in options.items() if value is not None}
    if whole:
        given["whole"] = True if "" in whole else tuple(map(Path, whole))
    if resume is not None:
        if data or out is not None or config is not None or given:
            raise UsageError("--resume goes on as the training began: give it alone.")
        return _resume(resume, distribute)
    if distribute == "multi-worker" and out is None:
        raise UsageError("--distribute multi-worker needs --out: all workers use one folder.")
    _train(data, out, config, given, distribute)


def _train(
    data: tuple[Path, ...], out: Path | None, file: Path | None, options: dict[str, object], distribute: str
) -> None:
    from edgeclf.configfile import configure
    from edgeclf.reporter import Terminal
    from edgeclf.run import new_folder
    from edgeclf.settings import TrainTable
    from edgeclf.sources import paths_of
    from edgeclf.training import train as begin
    from edgeclf_runtime.errors import UsageError

    reporter = Terminal()
    table = configure(TrainTable, options, file, reporter.say)
    known = data or (() if table.data is None else paths_of(table.data))
    named = [path.resolve() for path in known]
    chosen = (*known, *(path for path in table.whole_sources if path.resolve() not in named))
    if not chosen:
        raise UsageError("Give the folder of photographs, or --resume RUN.")
    _conclude(begin(chosen, out or new_folder(chosen), table.config(), reporter, distribute))


def _resume(path: Path, distribute: str) -> None:
    from edgeclf.reporter import Terminal
    from edgeclf.training import resume

    _conclude(resume(path, Terminal(), distribute))


def _conclude(run: Any) -> None:
    metrics = run.read_json("metrics")
    for part in ("validation", "test"):
        if part in metrics:
            figures = metrics[part]
            interval = f"95% interval {figures['low']:.1%} to {figures['high']:.1%}"
            click.echo(f"{part}: {figures['accuracy']:.1%} of {figures['count']} right ({interval})")
    if metrics["status"] == "interrupted":
        click.echo(f"Interrupted; the best so far is kept. Go on: edgeclf train --resume {run.path}")
    click.echo(f"Report: {run.path / 'report.html'}")
    click.echo(f"Next: edgeclf export --int8 {run.path}")
    if metrics["status"] == "interrupted":
        raise click.exceptions.Exit(130)
