"""Keys and signed model files, made by the commands."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from edgeclf_runtime.cli import cli

__all__ = ["edgeclf", "key_pairs", "sign_model"]


def edgeclf(*words: object, status: int = 0) -> str:
    """Run the command; return what it prints."""
    done = CliRunner().invoke(cli, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def key_pairs(folder: Path) -> Path:
    """Make the key pairs "mine" and "other" in a folder; return the folder."""
    for name in ("mine", "other"):
        edgeclf("sign", "--new-key", folder / name)
    return folder


def sign_model(model: Path, key: Path, output: Path) -> Path:
    """Sign a model file; return the signed one, ``output``."""
    edgeclf("sign", model, "--key", key, "-o", output)
    return output
