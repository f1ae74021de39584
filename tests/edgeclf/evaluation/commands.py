"""Runs ``edgeclf evaluate`` for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from edgeclf.commands.evaluate import evaluate as command

__all__ = ["evaluated_json", "run_evaluate", "write_list"]


def run_evaluate(*words: object) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(command, [str(word) for word in words])


def evaluated_json(*words: object) -> dict[str, Any]:
    """Return the output of the command with ``--json``; it must succeed."""
    done = run_evaluate(*words, "--json")
    assert done.exit_code == 0, done.output
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def write_list(folder: Path, name: str, lines: list[str]) -> Path:
    """Write lines to a file, such as a CSV list of images; return its path."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
