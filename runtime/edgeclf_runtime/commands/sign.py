"""``edgeclf sign``."""

from __future__ import annotations

import time
from pathlib import Path

import click

__all__ = ["asked_passphrase", "sign"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_PATH, required=False)
@click.option("--key", type=_PATH, help="Sign MODEL with this private key (ed25519, PEM).")
@click.option("-o", "--output", type=_PATH, metavar="FILE", help="Write the signed file here (default: MODEL itself).")
@click.option("--new-key", type=_PATH, metavar="FILE", help="Create a key: FILE is private, FILE.pub is for devices.")
def sign(model: Path | None, key: Path | None, output: Path | None, new_key: Path | None) -> None:
    """Sign MODEL, so that devices can refuse unsigned files.

    A file that is signed later counts as newer, and devices refuse older ones. To go back to an old file, sign it
    again.
    """
    from edgeclf_runtime.errors import UsageError

    if new_key is not None:
        if model or key or output:
            raise UsageError("--new-key creates a key and takes no other arguments; sign with the key afterwards.")
        return _make_key(new_key)
    if model is None or key is None:
        raise UsageError(
            "Give a model and a key: edgeclf sign MODEL --key KEY. To create a key: edgeclf sign --new-key KEY"
        )
    _sign(model, key, output or model)


def _make_key(path: Path) -> None:
    from edgeclf_runtime.trust.keys import write_key_pair

    public, fingerprint = write_key_pair(path)
    click.echo(
        f"{path}: private key, keep it secret and keep a copy; {public}: for devices. Fingerprint: {fingerprint}."
    )


def _sign(model: Path, key: Path, output: Path) -> None:
    from edgeclf_runtime.model.file import checked_content
    from edgeclf_runtime.system.atomic_file import written_beside
    from edgeclf_runtime.trust.keys import SigningKey
    from edgeclf_runtime.trust.sealing import split
    from edgeclf_runtime.trust.statement import shown_version

    signing, content = SigningKey(key, asked_passphrase), checked_content(model)
    before = split(content)[1]
    version = max(int(time.time() * 1000), before.version + 1 if before else 0)
    with written_beside(output) as hidden:
        hidden.write_bytes(signing.signed(content, version))
    click.echo(f"{output}: signed on {shown_version(version)} with the key {signing.fingerprint}.")


def asked_passphrase() -> str:
    """Ask for the passphrase of a key on the terminal."""
    return str(click.prompt("Passphrase of the key", hide_input=True, err=True))
