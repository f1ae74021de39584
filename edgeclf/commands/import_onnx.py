"""``edgeclf import``."""

from __future__ import annotations

from pathlib import Path

import click

from edgeclf.commands.options import verbose_option
from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.commands.options import channels

__all__ = ["import_onnx"]

_PATH = click.Path(path_type=Path)


@click.command("import")
@click.argument("model", type=_PATH)
@click.option("-o", "--output", type=_PATH, help="File to write (default: MODEL with the suffix .tflite).")
@click.option("--labels", type=_PATH, required=True, help="File with one label per line, in the network's order.")
@click.option(
    "--mean",
    type=channels,
    required=True,
    metavar="N|R,G,B",
    help="Mean to subtract; the network's input is (pixel - mean) / std. If std is below 1, both are for pixels from 0 "
    "to 1, as in PyTorch; otherwise for pixels from 0 to 255.",
)
@click.option(
    "--std", type=channels, required=True, metavar="N|R,G,B", help="Standard deviation to divide by; see --mean."
)
@click.option("--size", type=int, help="Height and width of the input in pixels, if the file does not fix them.")
@click.option(
    "--crop",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Use only the centre of images, this share of the largest crop: PyTorch's Resize(256), CenterCrop(224) is "
    "0.875. By default, the whole image is stretched to the input.",
)
@click.option(
    "--calibration",
    type=_PATH,
    required=True,
    metavar="DIR",
    help="Images to calibrate and judge the int8 file on; images in folders named after labels count as labelled.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(-100, 100),
    metavar="POINTS",
    help="Exit with status 3 if int8 loses more accuracy than this, in percentage points.",
)
@click.option(
    "--environment",
    type=_PATH,
    help="Virtual environment with onnx2tf (default: ~/.local/share/edgeclf/onnx2tf).",
)
@verbose_option
def import_onnx(
    model: Path,
    output: Path | None,
    labels: Path,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    size: int | None,
    crop: float | None,
    calibration: Path,
    max_drop: float | None,
    environment: Path | None,
    verbose: bool,
) -> None:
    """Convert MODEL, an ONNX classifier, to an int8 model file.

    MODEL takes one RGB image and returns a score for each label. It is converted by onnx2tf, which needs an environment
    of its own.
    """
    from edgeclf.framework_errors import tensorflow_errors
    from edgeclf.importing import converter
    from edgeclf.importing.import_model import InputRule
    from edgeclf.importing.import_model import import_onnx as run_import
    from edgeclf.progress import Terminal
    from edgeclf_runtime.model.labels import given_labels

    path = output or model.with_suffix(".tflite")
    if max(std) < 1:
        mean, std = (tuple(255 * value for value in values) for values in (mean, std))
    rule, place = InputRule(mean, std, crop, size), environment or converter.default_environment()
    before = _written(path)
    with interruptible(lambda: f"; {_left(path, before)}"), tensorflow_errors():
        done = run_import(model, path, given_labels(labels), rule, calibration, place, Terminal(), max_drop=max_drop)
    conversion = done.conversion
    assert conversion.report is not None
    click.echo(conversion.report.text(verbose))
    click.echo(f"{done.edgetpu}")
    click.echo(f"Wrote {conversion.path} ({conversion.bytes / 1e6:.2f} MB)")
    click.echo(f"Full comparison of float and int8: {conversion.path.with_suffix('.parity.html')}")
    if conversion.interrupted:
        click.echo("Interrupted: not all methods were tried.", err=True)
        raise click.exceptions.Exit(130)
    if max_drop is not None and not conversion.within:
        click.echo(f"Error: no method stays within --max-drop {max_drop:g}; kept as {conversion.path}", err=True)
        raise click.exceptions.Exit(3)
    click.echo(f"Next: edgeclf run {conversion.path} --source 0")


def _written(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _left(path: Path, before: int | None) -> str:
    """Return what is left after an interrupted import."""
    if _written(path) != before:
        return f"{path} is complete and checked, but its page was not written."
    return f"{path} is unchanged." if before else "no model file was written."
