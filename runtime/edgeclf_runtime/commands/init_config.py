"""``edgeclf init-config``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import click

from edgeclf_runtime.errors import UsageError

__all__ = ["init_config"]

_WITH_PASSWORDS = 0o600  # the file may contain passwords of the camera and the broker


@click.command("init-config")
@click.argument("file", type=click.Path(path_type=Path), default=Path("run.toml"))
@click.option("--source", default="0", show_default=True, help="Camera, video, image folder or address.")
@click.option("--web", metavar="[HOST:]PORT", help="Serve a live page.")
@click.option("--mqtt", metavar="URL", help="Publish to mqtt://[user:password@]host.")
@click.option("--snapshots", metavar="DIR", help="Save images of uncertain answers to DIR.")
def init_config(file: Path, source: str, **sinks: str | None) -> None:
    """Write a commented settings file for edgeclf run.

    FILE (default: run.toml) lists every setting with its default. It works as it is with a camera that may be
    unplugged, and with edgeclf service install.
    """
    from edgeclf_runtime.config.settings import settings
    from edgeclf_runtime.config.template import settings_text
    from edgeclf_runtime.pipeline.sinks import check_sinks
    from edgeclf_runtime.sources import is_live
    from edgeclf_runtime.system.atomic_file import written_beside

    if file.exists():
        raise UsageError(f"{file}: exists already; edit it, or choose another name.")
    camera = {"reopen": True, "wait": True} if is_live(source) else {"watch": True}
    chosen: dict[str, dict[str, Any]] = {"": {"source": source, "reload": True}, "camera": camera}
    chosen["sinks"] = {name: value for name, value in sinks.items() if value is not None}
    check_sinks(settings({}, chosen, "").sinks)
    with written_beside(file) as hidden:
        hidden.write_text(settings_text(chosen), "utf-8")
        os.chmod(hidden, _WITH_PASSWORDS)
    click.echo(f"Wrote {file}. Next: edgeclf run MODEL --config {shlex.quote(str(file))}")
