"""``edgeclf export``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["export"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=_PATH, required=False)
@click.option("--int8", "mode", flag_value="int8", help="Full integer, for every device; the default.")
@click.option("--float32", "mode", flag_value="float32", help="As trained.")
@click.option("--float16", "mode", flag_value="float16", help="Weights of half size.")
@click.option("--dynamic", "mode", flag_value="dynamic", help="Weights int8, the rest float.")
@click.option("-o", "--output", type=_PATH, help="The file; by default model.tflite in the run's folder.")
@click.option("--pretrained", metavar="NAME", help="A backbone's own 1,000 ImageNet classes, without any training.")
@click.option("--weights", type=_PATH, help="With --pretrained: its weights, where they do not come from a package.")
@click.option("--calibration", type=_PATH, metavar="DIR", help="With --pretrained: photographs to calibrate int8 on.")
def export(
    run: Path | None,
    mode: str | None,
    output: Path | None,
    pretrained: str | None,
    weights: Path | None,
    calibration: Path | None,
) -> None:
    """Write the model file of RUN, a training's folder, and measure it."""
    from edgeclf_runtime.errors import UsageError

    if (run is None) == (pretrained is None):
        raise UsageError("Give a training's folder, or --pretrained NAME.")
    if run is not None and (weights or calibration):
        raise UsageError("--weights and --calibration go with --pretrained; a run has its own.")
    _export(run, mode or "int8", output, pretrained, weights, calibration)


def _export(
    run: Path | None,
    mode: str,
    output: Path | None,
    pretrained: str | None,
    weights: Path | None,
    calibration: Path | None,
) -> None:
    from edgeclf.exporting import export_pretrained, export_run
    from edgeclf.reporter import Terminal
    from edgeclf.run import Run

    name = "model.tflite" if mode == "int8" else f"model-{mode}.tflite"
    if pretrained is not None:
        path = output or Path(f"{pretrained}-{mode}.tflite")
        done = export_pretrained(pretrained, path, mode, Terminal(), weights=weights, photographs=calibration)
    else:
        assert run is not None
        path = output or run / name
        done = export_run(Run.open(run), path, mode, Terminal())
    _say(path, mode, done.bytes, dict(done.card.accuracy))


def _say(path: Path, mode: str, size: int, accuracy: dict[str, float]) -> None:
    if f"validation_{mode}" in accuracy:
        before, after = accuracy["validation_float"], accuracy[f"validation_{mode}"]
        change = f"({(after - before) * 100:+.1f} points)"
        click.echo(f"validation: float {before:.1%}, {mode} file {after:.1%} {change}")
    click.echo(f"{path}: {size / 1e6:.2f} MB")
    click.echo(f"Next: edgeclf run {path} --source 0")
