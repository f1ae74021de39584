"""Options that the commands share."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

from edgeclf_runtime.renamed import arguments_in_new_names, meant

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.model.file import ModelFile

__all__ = [
    "Command",
    "Opener",
    "SectionedCommand",
    "channels",
    "insecure_option",
    "json_option",
    "model_argument",
    "model_options",
    "reading_options",
    "region_option",
    "say_if_nothing_is_refused",
    "size_option",
    "tls_option",
    "top_option",
    "trusted_key_option",
    "turn_options",
    "untimed_model_options",
    "words_of",
]

Opener = Callable[..., "Classifier"]
"""A command's ``open_model``: opens the model at a path (with ``lanes``) with the user's options."""


def channels(value: str) -> tuple[float, ...]:
    """Read one number, or one for each channel, separated by commas."""
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
    "Interpreter to use: litert, tflite-runtime, tensorflow, edgetpu (also edgetpu:1, edgetpu:usb:0, edgetpu:all, or "
    "several separated by commas), or auto, which depends on the model and on what is installed."
)

_READING = (
    click.option(
        "--labels",
        type=click.Path(path_type=Path),
        help="File with one label per line, for a model that contains none.",
    ),
    click.option(
        "--mean",
        type=channels,
        metavar="N|R,G,B",
        help="Override the model's mean; its input is (pixel - mean) / std.",
    ),
    click.option(
        "--std", type=channels, metavar="N|R,G,B", help="Override the model's standard deviation; see --mean."
    ),
    click.option("--color", type=click.Choice(["RGB", "BGR"]), help="Override the model's channel order."),
    click.option(
        "--resize", type=click.Choice(["stretch", "crop"]), help="Override how images are fitted to the input."
    ),
    click.option(
        "--scores",
        type=click.Choice(["raw", "softmax", "sigmoid"]),
        help="How to turn outputs into scores (default: softmax if the network does not end with one).",
    ),
)
_BACKEND = click.option("--backend", default="auto", show_default=True, help=_BACKENDS)
_NAMES = ("labels", "mean", "std", "color", "resize", "scores", "backend", "threads")
_THREADS = click.option(
    "--threads", type=click.IntRange(1), help="Threads of the interpreter (default: its own choice)."
)

model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
size_option = click.option("--size", callback=_size, metavar="WxH", help="Frame size to request from the camera.")
insecure_option = click.option(
    "--insecure", is_flag=True, default=None, help="Do not verify the certificate of an https or rtsps camera."
)
tls_option = click.option(
    "--tls",
    nargs=2,
    metavar="CERT KEY",
    help="Serve the page over HTTPS, with the PEM files of a certificate and its key.",
)
trusted_key_option = click.option(
    "--trusted-key",
    type=click.Path(path_type=Path),
    metavar="KEY.pub",
    help="Refuse model files that this public key has not signed (see edgeclf sign).",
)
region_option = click.option(
    "--region",
    callback=_region,
    metavar="L,T,W,H",
    help="Part of the camera's image to classify: left, top, width and height as fractions.",
)
_TURNS = (
    click.option("--rotate", type=click.Choice(["0", "90", "180", "270"]), help="Rotate the camera's image clockwise."),
    click.option(
        "--flip",
        type=click.Choice(["none", "horizontal", "vertical"]),
        help="Mirror the camera's image, after rotating it.",
    ),
)
top_option = click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="Number of labels to show."
)


class Command(click.Command):
    """A command that also accepts old names of options, which the help omits.

    Args:
        renamed: new flag by old flag, such as "--tune" by "--adapt".
        renamed_values: new value by old value, by the new flag.
    """

    def __init__(
        self,
        *words: Any,
        renamed: Mapping[str, str] | None = None,
        renamed_values: Mapping[str, Mapping[str, str]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*words, **options)
        own = {flag for param in self.params for flag in (*param.opts, *param.secondary_opts)}
        self._renamed = {old: new for old, new in (renamed or {}).items() if new in own}
        self._renamed_values = renamed_values

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args, notices, wrong = arguments_in_new_names(args, self._renamed, self._renamed_values)
        for notice in notices if not wrong else ():
            click.echo(f"{notice}.", err=True)
        if wrong:
            raise click.UsageError(f"{'; '.join(wrong)}.", ctx)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            new = meant(error.option_name, self._renamed.values(), self._renamed)
            if not new or new in (error.possibilities or ()):
                raise
            raise click.UsageError(f"No such option {error.option_name!r}. Did you mean {new!r}?", ctx) from None


class SectionedCommand(Command):
    """A command whose help lists the options in sections.

    Args:
        sections: option names by section title; other options come last.
    """

    def __init__(self, *words: Any, sections: Mapping[str, Sequence[str]], **options: Any) -> None:
        super().__init__(*words, **options)
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        rows = {option.name: row for option in options if (row := option.get_help_record(ctx))}
        others = [name for name in rows if not any(name in names for names in self._sections.values())]
        for title, names in {**self._sections, "Other options": others}.items():
            if listed := [rows[name] for name in names if name in rows]:
                with formatter.section(title):
                    formatter.write_dl(listed)


def turn_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options ``--rotate`` and ``--flip``."""
    return functools.reduce(lambda function, option: option(function), reversed(_TURNS), command)


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for opening a model; the command gets ``open_model`` instead of them."""
    return _in_place(command, (*_READING, _BACKEND, _THREADS), "open_model", _load)


def untimed_model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the same options without ``--threads``, for a command that passes that number to ``open_model`` itself."""
    return _in_place(command, (*_READING, _BACKEND), "open_model", _load)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for reading a model file; the command gets ``read``, from a path to its ``ModelFile``."""
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
    from edgeclf_runtime.model.file import read_model

    return read_model(path, **options)


def say_if_nothing_is_refused(classifier: Classifier, reject: float | None) -> None:
    """Say that ``reject`` has no effect if the user set it and the model has no familiarity."""
    if reject and classifier.familiarity is None:
        how = "Export the run again; a file compiled for the Edge TPU cannot have it"
        click.echo(f"{classifier.path}: has no familiarity, so reject refuses nothing. {how}.", err=True)


def words_of(command: click.Command, values: Mapping[str, Any]) -> list[str]:
    """Return the values of a command's options as command-line words, with absolute paths."""
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
