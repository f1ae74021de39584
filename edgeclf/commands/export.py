"""``edgeclf export``."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf.commands.options import cache_option, config_option, distribute_option, verbose_option
from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.system.plain_text import counted

if TYPE_CHECKING:
    from edgeclf.config.tables import ExportConfig
    from edgeclf_converters.export import Conversion

__all__ = ["export"]

_AGAIN = "Start again with the same command."
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=_PATH, required=False)
@click.option(
    "--int8", "mode", flag_value="int8", help="Quantize to integers, for all devices and Edge TPUs. The default."
)
@click.option("--float32", "mode", flag_value="float32", help="Keep 32-bit floating-point weights.")
@click.option("--float16", "mode", flag_value="float16", help="Store weights in 16 bits.")
@click.option("--dynamic", "mode", flag_value="dynamic", help="Quantize the weights only (dynamic-range quantization).")
@click.option("-o", "--output", type=_PATH, help="File to write (default: model.tflite in RUN).")
@click.option(
    "--pretrained",
    metavar="NAME",
    help="Export a pretrained backbone with its 1,000 ImageNet classes instead of a run.",
)
@click.option(
    "--weights",
    type=_PATH,
    help="Weights file for --pretrained; some backbones need one (default: from the installed package).",
)
@click.option("--calibration", type=_PATH, metavar="DIR", help="Images to calibrate --pretrained --int8 on.")
@config_option
@click.option("--edgetpu/--no-edgetpu", default=None, help="Also compile the int8 file for a Coral Edge TPU.")
@click.option(
    "--method",
    type=click.Choice(["auto", "ptq", "qat"]),
    help="Method for int8: try the cheapest first (auto, the default), post-training quantization (ptq), or "
    "quantization-aware training (qat).",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(-100, 100),
    metavar="POINTS",
    help="Maximum loss of validation accuracy by int8, in percentage points; exit with status 3 if every method loses "
    "more. Without it, methods are tried until the loss is at most 0.5 points or a single image.",
)
@click.option(
    "--frigate",
    type=_PATH,
    metavar="DIR",
    help="Also write the int8 file to DIR/NAME for Frigate's custom classification; NAME is the run's folder.",
)
@verbose_option
@distribute_option("Run quantization-aware training")
@cache_option
def export(
    run: Path | None,
    mode: str | None,
    output: Path | None,
    pretrained: str | None,
    weights: Path | None,
    calibration: Path | None,
    method: str | None,
    max_drop: float | None,
    edgetpu: bool | None,
    frigate: Path | None,
    config: Path | None,
    distribute: str,
    verbose: bool,
    cache: Path | None,
) -> None:
    """Convert RUN to a TFLite model file and measure its accuracy.

    RUN is the folder of a training. If a quantization method fails, or you press Ctrl-C, the best file so far is kept.
    """
    from edgeclf.data.decoded_cache import using_cache
    from edgeclf_runtime.errors import UsageError

    if run is None and pretrained is None:
        raise UsageError("Give RUN, the folder of a training, or --pretrained NAME.")
    if run is not None and pretrained is not None:
        raise UsageError(f"{run}: --pretrained takes no RUN; its images are given by --calibration DIR.")
    if run is not None and (weights or calibration):
        raise UsageError("--weights and --calibration need --pretrained: a run has its own weights and images.")
    if cache is not None and run is None:
        raise UsageError("--cache keeps the images of a run: give RUN.")
    if (method is not None or max_drop is not None) and (run is None or mode not in (None, "int8")):
        raise UsageError("--method and --max-drop apply to the int8 file of a run only.")
    options = _options(config, {"mode": mode, "method": method, "max_drop": max_drop, "edgetpu": edgetpu})
    if (method is not None or max_drop is not None) and options.mode != "int8":
        raise UsageError(f"--method and --max-drop need --int8; the config file sets mode = {options.mode}.")
    if distribute != "none" and (run is None or options.mode != "int8"):
        raise UsageError("--distribute applies to the int8 file of a run only: the other modes train nothing.")
    if edgetpu and options.mode != "int8":
        raise UsageError("--edgetpu needs --int8: the Edge TPU computes in integers only.")
    if frigate is not None and (run is None or options.mode != "int8"):
        raise UsageError("--frigate needs RUN and --int8: Frigate reads a run's int8 file.")
    if frigate is not None:
        _say_what_frigate_lacks(Path(str(run)))
    compiles = options.edgetpu and options.mode == "int8"
    if compiles:
        _say_without_compiler()
    path: Path | None
    if run is None:
        path = _export_pretrained(str(pretrained), options.mode, output, weights, calibration)
    else:
        with using_cache(cache, lambda line: click.echo(line, err=True)):
            path = _export_run(run, options.mode, output, options.method, options.max_drop, distribute, verbose)
    if compiles and path is not None:
        _compile(path)
    if frigate is not None and path is not None:
        _write_for_frigate(path, frigate)


def _say_what_frigate_lacks(folder: Path) -> None:
    """Print what Frigate lacks early: the search may take long."""
    from edgeclf.exporting.frigate import frigate_doubts
    from edgeclf.runs.run import Run
    from edgeclf_runtime.errors import UsageError
    from edgeclf_runtime.pictures.view import View

    run = Run.open(folder)
    if run.config.several_labels:
        raise UsageError("--frigate: Frigate takes one label per image, but this run has several.")
    doubts = frigate_doubts(run.config.input_size, run.read_split().labels, run.config.view == View())
    for line in doubts:
        click.echo(f"Warning: {line}", err=True)


def _write_for_frigate(path: Path, folder: Path) -> None:
    from edgeclf.exporting.frigate import frigate_config, write_for_frigate
    from edgeclf_runtime.model.file import read_model

    card = read_model(path).card
    place = write_for_frigate(path, card, folder)
    click.echo(f"Wrote {place}: model.tflite and labelmap.txt, for Frigate's /config/model_cache/{place.name}.")
    click.echo(f"Add to Frigate's config, and restart it:\n\n{frigate_config(card)}")


def _say_without_compiler() -> None:
    """Print early that there is no compiler: the search may take long, and its file is usable anyway."""
    from edgeclf_converters.edgetpu.compiler import find_compiler
    from edgeclf_converters.errors import ConversionError

    try:
        find_compiler()
    except ConversionError as error:
        click.echo(f"The model will be exported and checked but not compiled: {error}", err=True)


def _options(file: Path | None, flags: dict[str, object]) -> ExportConfig:
    from edgeclf.config.file import configure
    from edgeclf.config.tables import ExportConfig
    from edgeclf.progress import Terminal

    given = {name: value for name, value in flags.items() if value is not None}
    return configure(ExportConfig, given, file, Terminal().say)


def _export_pretrained(
    name: str, mode: str, output: Path | None, weights: Path | None, photographs: Path | None
) -> Path:
    from edgeclf.exporting.export import export_pretrained
    from edgeclf.framework_errors import tensorflow_errors
    from edgeclf.progress import Terminal

    path = output or Path(f"{name}-{mode}.tflite")
    with _interruptible(path), tensorflow_errors():
        done = export_pretrained(name, path, mode, Terminal(), weights=weights, photographs=photographs)
    return _conclude(done)


def _export_run(
    folder: Path,
    mode: str,
    output: Path | None,
    method: str,
    max_drop: float | None,
    distribute: str,
    verbose: bool,
) -> Path | None:
    from edgeclf.exporting.export import export_run
    from edgeclf.framework_errors import tensorflow_errors
    from edgeclf.progress import Terminal
    from edgeclf.runs.run import Run

    path = output or folder / ("model.tflite" if mode == "int8" else f"model-{mode}.tflite")
    run = Run.open(folder)
    if mode != "int8":
        max_drop = None  # it may come from a config file, but applies to int8 only
    with _interruptible(path), tensorflow_errors():
        done = export_run(run, path, mode, Terminal(), method=method, max_drop=max_drop, distribute=distribute)
    if not any(name in done.card.accuracy for name in (f"validation_{mode}", f"validation_{mode}_map")):
        click.echo("Done; the first worker writes the file.")
        return None
    click.echo(_accuracy(done, mode) if done.report is None else done.report.text(verbose))
    if done.interrupted:
        again = _command(folder, output, method, max_drop)
        click.echo(f"Interrupted. Kept the best file so far: {done.path}. Try all methods with: {again}")
        raise click.exceptions.Exit(130)
    return _conclude(done, max_drop)


def _accuracy(done: Conversion, mode: str) -> str:
    accuracy, lines = done.card.accuracy, []
    for part in ("validation", "test"):
        if f"{part}_{mode}" in accuracy:
            before, after = accuracy[f"{part}_float"], accuracy[f"{part}_{mode}"]
            lines.append(f"{part}: float {before:.1%}, {mode} file {after:.1%} ({(after - before) * 100:+.1f} points)")
        if f"{part}_{mode}_map" in accuracy:
            before, after = accuracy[f"{part}_float_map"], accuracy[f"{part}_{mode}_map"]
            change = f"{(after - before) * 100:+.1f} points"
            lines.append(f"{part}: mAP of float {before:.1%}, {mode} file {after:.1%} ({change})")
    return "\n".join(lines)


def _command(folder: Path, output: Path | None, method: str, max_drop: float | None) -> str:
    words = ["edgeclf", "export", "--int8", *([] if method == "auto" else ["--method", method])]
    words += [] if max_drop is None else ["--max-drop", f"{max_drop:g}"]
    return shlex.join([*words, str(folder), *([] if output is None else ["-o", str(output)])])


def _interruptible(path: Path) -> AbstractContextManager[None]:
    """Say on Ctrl-C what an export leaves; it writes the file only at its end."""

    def written() -> int | None:
        return path.stat().st_mtime_ns if path.exists() else None

    def kept() -> str:
        if written() != before:
            return f" before the comparison with float was finished; {path} is complete and checked."
        file = f"no model file was written. {_AGAIN}" if before is None else f"{path} is unchanged. {_AGAIN}"
        return f" before the export was finished; {file}"

    before = written()
    return interruptible(kept)


def _conclude(done: Conversion, max_drop: float | None = None) -> Path:
    click.echo(f"Wrote {done.path} ({done.bytes / 1e6:.2f} MB)")
    if done.report is not None:
        click.echo(f"Full comparison of float and int8: {done.path.with_suffix('.parity.html')}")
    if done.card.reject is not None:
        click.echo(f"What it refuses as unfamiliar: {done.path.with_suffix('.unfamiliar.html')}")
    if max_drop is not None and not done.within:
        assert done.search is not None
        drop = done.search.best.parity.drop
        click.echo(
            f"Error: no method stays within --max-drop {max_drop:g} (best: {0 - drop:+.2f}); kept as {done.path}",
            err=True,
        )
        raise click.exceptions.Exit(3)
    click.echo(f"Next: edgeclf run {done.path} --source 0")
    return done.path


def _compile(path: Path) -> None:
    from edgeclf_converters.edgetpu.check import check_edgetpu
    from edgeclf_converters.edgetpu.compiler import compile_edgetpu

    click.echo(check_edgetpu(path.read_bytes()))
    done = compile_edgetpu(path)
    click.echo(f"{done.path}: {counted(done.mapped, 'operator')} on the Edge TPU, {done.on_cpu} on the CPU")
    for reason in done.reasons:
        click.echo(f"  {reason}")
