"""Options that the commands share."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier

__all__ = ["Opener", "json_option", "model_argument", "model_options", "size_option", "top_option", "words_of"]

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

_OPTIONS = (
    click.option(
        "--labels", type=click.Path(path_type=Path), help="A file with a label per line, for a model without."
    ),
    click.option("--backend", default="auto", show_default=True, help=_BACKENDS),
    click.option("--threads", type=click.IntRange(1), help="Of the interpreter; by default its own choice."),
    click.option(
        "--mean", type=_channels, metavar="N|R,G,B", help="In place of the file's: the model sees (pixel - mean) / std."
    ),
    click.option("--std", type=_channels, metavar="N|R,G,B", help="See --mean."),
    click.option("--color", type=click.Choice(["RGB", "BGR"]), help="In place of the file's order of channels."),
    click.option("--resize", type=click.Choice(["stretch", "crop"]), help="In place of the file's way of fitting."),
)

model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
size_option = click.option("--size", callback=_size, metavar="WxH", help="Of a camera's pictures.")
top_option = click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="Labels to show.")


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how to open a model; the command gets ``open_model`` in their place."""

    @functools.wraps(command)
    def wrapper(
        *,
        labels: Path | None,
        backend: str,
        threads: int | None,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        color: str | None,
        resize: str | None,
        **others: Any,
    ) -> None:
        def open_model(path: Path, lanes: int = 1) -> Classifier:
            from edgeclf_runtime.classifier import Classifier

            return Classifier.load(
                path,
                labels=labels,
                backend=backend,
                threads=threads,
                lanes=lanes,
                mean=mean,
                std=std,
                color=color,
                resize=resize,
            )

        command(open_model=open_model, **others)

    return functools.reduce(lambda function, option: option(function), reversed(_OPTIONS), wrapper)


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
