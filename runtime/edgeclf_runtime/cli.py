"""The ``edgeclf`` command: a group of commands from the entry points of all installed packages."""

from __future__ import annotations

import errno
import functools
import os
import sys
import threading
import warnings
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from edgeclf_runtime import __version__
from edgeclf_runtime.errors import EdgeclfError, UsageError
from edgeclf_runtime.system.plain_text import plain

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["cli", "main"]

_GROUP = "edgeclf.commands"
_READERS = ("frames", "ahead", "lane", "sink")  # name prefixes of threads that may block in libraries
_DESKTOP = ("demo", "data", "train", "report", "evaluate", "export", "import", "promote", "compare", "search")
"""Commands of the desktop package, to name it when it is not installed."""

_FLEET = ("deploy", "fleet")
"""Commands of the fleet package."""

_RUNNING = (
    "doctor",
    "capture",
    "sort",
    "teach",
    "background",
    "init-config",
    "run",
    "classify",
    "service",
    "inspect",
    "verify",
    "bench",
)
_BRINGING = ("sign", "publish")
_OWN = frozenset((*_RUNNING, *_BRINGING))
"""Commands of this package; they are entry points, too, but to look these up takes 3 MiB and some time."""

_SECTIONS = {
    "Train and export, on a desktop": _DESKTOP,
    "Run, on a Raspberry Pi, a Coral board or here": _RUNNING,
    "Bring it to devices": (*_BRINGING, *_FLEET),
}
"""Commands by section, in the order in which they are usually used; the help lists them so."""


class _Missing(click.ClickException):
    exit_code = 2


class _Group(click.Group):
    """Imports commands from entry points when they are called, and shows errors of this project in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        entries, ordered = _entries(), [name for names in _SECTIONS.values() for name in names]
        return [name for name in ordered if name in entries] + sorted(set(entries) - set(ordered))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        others = [name for name in commands if not any(name in names for names in _SECTIONS.values())]
        limit = formatter.width - 6 - max(map(len, commands))
        for title, names in {**_SECTIONS, "Other commands": others}.items():
            listed = [(name, commands[name]) for name in names if name in commands]
            if rows := [(name, command.get_short_help_str(limit)) for name, command in listed if command]:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _OWN and name not in _entries():
            return None
        try:
            command = _own(name) if name in _OWN else _entries()[name].load()
            if not isinstance(command, click.Command):
                raise TypeError(f"{_entries()[name].value}: expected a click.Command, got {type(command).__name__}")
        except Exception as error:  # an import error of one package must not break the help of the others
            return _broken(name, error)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        is_known = name in _OWN or name.startswith("-") or ctx.resilient_parsing or name in _entries()
        if not is_known:
            raise _unknown(name, _entries(), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise click.UsageError(_shown(error)) from error
        except EdgeclfError as error:
            raise click.ClickException(_shown(error)) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                where = f" writing {error.filename}" if error.filename else ""
                raise click.ClickException(f"No space left{where}; free some or write elsewhere.") from error
            if error.errno is None or error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}.") from error


def _shown(error: EdgeclfError) -> str:
    """Return the message of an error without control characters: it may quote a damaged or hostile file."""
    return "\n".join(plain(line) for line in str(error).split("\n"))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgeclf", message="%(prog)s %(version)s")
def cli() -> None:
    """Train an image classifier on a folder of photographs and run it on cameras."""


def main() -> None:
    """Run the command line and exit: 0, 1 after an error, 2 after wrong usage, 130 when interrupted."""
    if not sys.warnoptions:  # warnings of libraries are for developers, who use -W or PYTHONWARNINGS
        warnings.simplefilter("ignore")
    try:
        cli(prog_name="edgeclf")
    except SystemExit as ended:
        _leave(ended.code)
        raise


def _leave(code: object) -> None:
    """Exit at once if a thread still waits for a device or a server.

    Python would end such a thread when it returns from the library's code, which aborts the process (SIGABRT).
    """
    if not any(thread.name.startswith(_READERS) for thread in threading.enumerate()):
        return
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _own(name: str) -> Any:
    name = name.replace("-", "_")
    return getattr(import_module(f"edgeclf_runtime.commands.{name}"), name)


@functools.cache
def _entries() -> dict[str, EntryPoint]:
    """Find the entry points once: this reads a file of every installed package, and the help needs all commands."""
    from importlib.metadata import entry_points

    if sys.version_info >= (3, 10):
        entries = entry_points(group=_GROUP)
    else:
        entries = entry_points().get(_GROUP, ())
    return {entry.name: entry for entry in entries}


def _broken(name: str, error: Exception) -> click.Command:
    """Return a placeholder for a command that cannot be imported: the help shows why, a call raises the error."""

    def fail() -> None:
        raise error

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    reason = " ".join(f"(broken: {type(error).__name__}: {error})".split())
    return click.Command(
        name, callback=fail, short_help=reason, help=reason, add_help_option=False, context_settings=settings
    )


def _unknown(name: str, entries: dict[str, EntryPoint], ctx: click.Context) -> click.ClickException:
    if name in _DESKTOP:
        return _Missing(f"edgeclf {name} comes with the desktop package: pip install --find-links dist edgeclf")
    if name in _FLEET:
        return _Missing(f"edgeclf {name} comes with the fleet package: pip install --find-links dist edgeclf-fleet")
    import difflib

    near = difflib.get_close_matches(name, [*entries, *_DESKTOP, *_FLEET], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return click.UsageError(f"No command {name!r}.{hint}", ctx)
