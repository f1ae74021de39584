"""``edgeclf publish``."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.commands.sign import asked_passphrase

if TYPE_CHECKING:
    from edgeclf_runtime.trust.statement import Statement
    from edgeclf_runtime.updates.offer import Offer

__all__ = ["publish"]

_DELTAS = 3  # number of earlier models from which a delta is offered
_WORTH = 0.5  # maximum size of a delta, as a share of the model's


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), required=True, help="Sign the update with this private key.")
def publish(model: Path, folder: Path, key: Path) -> None:
    """Publish MODEL for devices that check DIR for updates.

    These devices use edgeclf run --update. DIR is a folder of a web server with HTTPS, or is copied to a USB stick.
    Earlier models stay in it: to go back to one, publish its file again.
    """
    from edgeclf_runtime.model.file import checked_content
    from edgeclf_runtime.system.atomic_file import written_beside
    from edgeclf_runtime.trust.keys import SigningKey
    from edgeclf_runtime.trust.sealing import attached, sealed_digest, split
    from edgeclf_runtime.trust.statement import MODEL, shown_version
    from edgeclf_runtime.updates.offer import OFFER

    signing, content = SigningKey(key, asked_passphrase), checked_content(model)
    folder.mkdir(parents=True, exist_ok=True)
    before = (split(content)[1], split(_content(folder / OFFER))[1])
    version = max([int(time.time() * 1000), *(one.version + 1 for one in before if one is not None)])
    statement = signing.statement(MODEL, sealed_digest(content), version)
    signed = attached(content, statement)
    offer = _offer(model, content, len(signed), statement)
    if not _is_there(folder / offer.file, statement.digest):
        with written_beside(folder / offer.file) as hidden:
            hidden.write_bytes(signed)
    offer = _with_deltas(offer, folder, content)
    with written_beside(folder / OFFER) as hidden:  # last, when the files that it names are there
        hidden.write_bytes(offer.to_bytes(signing))
    when = shown_version(version)
    click.echo(f"{folder}: offers {offer.shown}, signed on {when} with the key {signing.fingerprint}.")
    for old, size in offer.deltas.items():
        kilobytes = f"{size / 1000:.1f} kB instead of {offer.size / 1000:.1f} kB"
        click.echo(f"Devices with the model {old[:8]} download {kilobytes}.")


def _with_deltas(offer: Offer, folder: Path, content: bytes) -> Offer:
    """Write deltas from the models offered before, if they are much smaller than the model."""
    from edgeclf_runtime.system.atomic_file import written_beside
    from edgeclf_runtime.trust.sealing import to_sign
    from edgeclf_runtime.updates.delta import delta

    others = sorted(folder.glob("*.tflite"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    deltas = {}
    for path in [path for path in others if path.name != offer.file and _is_there(path, path.stem)][:_DELTAS]:
        data = delta(to_sign(_content(path)), to_sign(content))
        if len(data) < offer.size * _WORTH:
            with written_beside(folder / offer.delta_file(path.stem)) as hidden:
                hidden.write_bytes(data)
            deltas[path.stem] = len(data)
    return replace(offer, deltas=deltas)


def _offer(model: Path, content: bytes, size: int, statement: Statement) -> Offer:
    """Return the offer of a model file; a file of another tool has no card."""
    from edgeclf_runtime.backends.edgetpu import is_compiled
    from edgeclf_runtime.model.archive import Archive
    from edgeclf_runtime.updates.offer import Offer

    card = json.loads(Archive(content).read("edgeclf.json", 4 << 20) or "{}")
    return Offer(statement, size, str(card.get("name", model.stem)), card.get("format", 1), is_compiled(content))


def _is_there(path: Path, digest: str) -> bool:
    """Return whether a file has the content with this digest, whatever its signature."""
    from edgeclf_runtime.trust.sealing import sealed_digest

    return path.exists() and sealed_digest(_content(path)) == digest


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
