"""Options that the commands share."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.modelfile import ModelFile

__all__ = [
    "Opener",
    "insecure_option",
    "json_option",
    "model_argument",
    "model_options",
    "reading_options",
    "region_option",
    "size_option",
    "top_option",
    "turn_options",
    "untimed_model_options",
    "words_of",
]

Opener = Callable[..., "Classifier"]
"""What a command gets as ``open_model``: a model's path (and ``lanes``) to its classifier, with the user's options."""


def _channels(value: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(piece) for piece in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise click.BadParameter(f"{value!r}: expected one number, or three separated by commas.")
    return numbers


def _region(context: click.Context, option: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        shares = tuple(float(piece) for piece in value.split(","))
    except ValueError:
        shares = ()
    if len(shares) != 4:
        raise click.BadParameter(f"{value!r}: expected LEFT,TOP,WIDTH,HEIGHT as shares, such as 0.25,0,0.5,1.")
    return shares


def _size(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    width, _, height = value.lower().partition("x")
    if not width.isdecimal() or not height.isdecimal():
        raise click.BadParameter(f"{value!r}: expected WIDTHxHEIGHT, such as 1280x720.")
    return int(width), int(height)


_BACKENDS = (
    "litert, tflite-runtime, tensorflow; edgetpu, edgetpu:1, edgetpu:usb:0, several with commas, edgetpu:all; or auto,"
    " by the model and what is installed."
)

_READING = (
    click.option(
        "--labels", type=click.Path(path_type=Path), help="A file with a label per line, for a model without."
    ),
    click.option(
        "--mean", type=_channels, metavar="N|R,G,B", help="In place of the file's: the model sees (pixel - mean) / std."
    ),
    click.option("--std", type=_channels, metavar="N|R,G,B", help="See --mean."),
    click.option("--color", type=click.Choice(["RGB", "BGR"]), help="In place of the file's order of channels."),
    click.option("--resize", type=click.Choice(["stretch", "crop"]), help="In place of the file's way of fitting."),
    click.option(
        "--scores",
        type=click.Choice(["raw", "softmax", "sigmoid"]),
        help="How outputs become scores; by default a softmax is added where the network ends without one.",
    ),
)
_BACKEND = click.option("--backend", default="auto", show_default=True, help=_BACKENDS)
_NAMES = ("labels", "mean", "std", "color", "resize", "scores", "backend", "threads")
_THREADS = click.option("--threads", type=click.IntRange(1), help="Of the interpreter; by default its own choice.")

model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
size_option = click.option("--size", callback=_size, metavar="WxH", help="Of a camera's pictures.")
insecure_option = click.option(
    "--insecure", is_flag=True, default=None, help="Send an https or rtsps camera's password unverified."
)
region_option = click.option(
    "--region",
    callback=_region,
    metavar="L,T,W,H",
    help="The part of a camera's pictures that the network sees: left, top, width, height as shares.",
)
_TURNS = (
    click.option("--rotate", type=click.Choice(["0", "90", "180", "270"]), help="Turn a camera's pictures clockwise."),
    click.option("--flip", type=click.Choice(["none", "horizontal", "vertical"]), help="Then mirror them."),
)
top_option = click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="Labels to show.")


def turn_options(command: Callable[..., None]) -> Callable[..., None]:
    """``--rotate`` and ``--flip``."""
    return functools.reduce(lambda function, option: option(function), reversed(_TURNS), command)


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how to open a model; the command gets ``open_model`` in their place."""
    return _in_place(command, (*_READING, _BACKEND, _THREADS), "open_model", _load)


def untimed_model_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same without ``--threads``, for a command that gives ``open_model`` their number itself."""
    return _in_place(command, (*_READING, _BACKEND), "open_model", _load)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Those that say how to read a model file; the command gets ``read``, a path to its ``ModelFile``."""
    return _in_place(command, _READING, "read", _read)


def _in_place(
    command: Callable[..., None], options: Sequence[Callable[..., Any]], name: str, open_: Callable[..., Any]
) -> Callable[..., None]:
    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        own = {key: given.pop(key) for key in _NAMES if key in given}
        command(**{name: functools.partial(open_, **own)}, **given)

    return functools.reduce(lambda function, option: option(function), reversed(options), wrapper)


def _load(path: Path, **options: Any) -> Classifier:
    from edgeclf_runtime.classifier import Classifier

    classifier = Classifier.load(path, **options)
    if classifier.score_rule.note:
        click.echo(f"{path}: {classifier.score_rule.note}", err=True)
    return classifier


def _read(path: Path, **options: Any) -> ModelFile:
    from edgeclf_runtime.modelfile import read_model

    return read_model(path, **options)


def words_of(command: click.Command, values: Mapping[str, Any]) -> list[str]:
    """Options as they are written for a command, of those values that it takes; paths in full."""
    words = []
    for option in command.params:
        value = values.get(option.name or "")
        if isinstance(option, click.Option) and value not in (None, False):
            words.append(option.opts[0])
            words += [] if value is True else [_word(value)]
    return words


def _word(value: Any) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
