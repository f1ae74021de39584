"""The photographs that benchmarks need."""

from __future__ import annotations

import sys
from pathlib import Path

import click


def require(folder: Path, *parts: str) -> None:
    """Exit with a message if TrashNet is missing."""
    if not all((folder / part).is_dir() for part in parts):
        expected = " and ".join(f"{folder}/{part}" for part in parts)
        click.echo(f"Skipped: TrashNet is not in {folder} (expected {expected}).")
        sys.exit(0)
