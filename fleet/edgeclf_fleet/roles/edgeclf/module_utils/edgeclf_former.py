"""Go back to a release kept on the device: deploy its model, settings and environment again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .edgeclf_calls import call
from .edgeclf_deploying import deploy
from .edgeclf_layout import Layout, ReleaseError, digest_of
from .edgeclf_wanted import Wanted, without_key

__all__ = ["Former", "find_former", "roll_back"]

_SEAL = """
import sys
from pathlib import Path
from edgeclf_runtime.trust.sealing import attached, sealed_digest, split
from edgeclf_runtime.trust.statement import Statement

content = Path(sys.argv[1]).read_bytes()
statement = split(content)[1]
print(sealed_digest(content))
print(statement.to_bytes().decode() if statement else "")
if len(sys.argv) > 2:
    Path(sys.argv[3]).write_bytes(attached(content, Statement.read(sys.argv[2].strip().encode() + b"\\n")))
"""


@dataclass(frozen=True)
class Former:
    """A release to go back to.

    Attributes:
        release: id of the release; empty if there is nothing to do.
        about: contents of its release.json.
        digest: SHA-256 covered by a signature of its model; empty if models need not be signed.
        statement: the signed statement at the end of its model; empty if there is none, or if none is needed.
    """

    release: str
    about: dict[str, Any]
    digest: str = ""
    statement: str = ""


def find_former(layout: Layout, to: str = "") -> Former:
    """Find a release kept on the device.

    Args:
        layout: the folders.
        to: first digits of its model's digest; empty for the release before the current one.

    Raises:
        ReleaseError: there is none.
    """
    if not layout.current:
        raise ReleaseError("nothing is deployed here.")
    if layout.pending() is not None:
        raise ReleaseError("a deployment was interrupted or is still running; deploy again to see its state.")
    present = layout.about(layout.current)
    if to:
        release = _with_model(layout, to)
        is_present = layout.about(release).get("model") == present.get("model")
    else:
        is_present = bool(present.get("rolled_back_from"))
        release = str(present.get("before", ""))
    if is_present:
        return Former("", present)
    about = layout.about(release)
    if not about:
        raise ReleaseError("no previous release is kept on this device; deploy its model instead.")
    needs_signature = (layout.link / "trusted.pub").exists()
    return Former(release, about, *(_seal(layout, layout.releases / release) if needs_signature else ()))


def _with_model(layout: Layout, to: str) -> str:
    kept = {path.name: layout.about(path.name) for path in sorted(layout.releases.iterdir())}
    for release, about in kept.items():
        digests = [str(about.get("model", ""))]
        if (layout.releases / release / "trusted.pub").exists():
            digests.append(_seal(layout, layout.releases / release)[0])
        if any(digest.startswith(to.lower()) for digest in digests):
            return release
    shown = ", ".join("{} ({})".format(about["name"], about["model"][:8]) for about in kept.values() if about)
    raise ReleaseError(
        f"no release with the model {to} is kept on this device, only {shown}; deploy the model instead."
    )


def _seal(layout: Layout, folder: Path, statement: str = "", target: Path | None = None) -> tuple[str, str]:
    """Return the digest that a signature covers, and its statement; write the model with another one to a file."""
    words = [statement, target] if statement else []
    python = layout.link / "environment/bin/python"
    said = call([python, "-I", "-c", _SEAL, folder / "model.tflite", *words], "the model cannot be read")
    digest, _, present = said.partition("\n")
    return digest, present.strip()


def roll_back(given: dict[str, Any], to: str, statements: dict[str, str], check: bool = False) -> tuple[bool, str]:
    """Go back to an earlier release, with the same trial and watch as in a deployment.

    Args:
        given: further fields of ``Wanted``, with ``root``.
        to: see ``find_former``.
        statements: newly signed statements by the model's digest; with ``check``, their contents are not needed.
        check: change nothing, and return what would be done.

    Raises:
        ReleaseError: there is no such release, it was refused, or it needs a signature; the current one is in use.
    """
    layout = Layout(given["root"])
    former = find_former(layout, to)
    about = former.about
    if not former.release:
        return False, "nothing to do: {} ({}) is already in use.".format(about["name"], str(about["model"])[:8])
    folder, digest = layout.releases / former.release, str(about["model"])
    if former.digest:
        if former.digest not in statements:
            raise ReleaseError(f"this device accepts signed models only, and {_how_to_sign(former)}")
        digest = digest if check else _signed_again(layout, folder, statements[former.digest])
    wanted = {
        **given,
        "environment": about["environment"],
        "version": about["version"],
        "model_name": about["name"],
        "model_digest": digest,
        "config": without_key((folder / "run.toml").read_text("utf-8")),
        "rolled_back_from": layout.current,
    }
    unused = {"python": "", "archive_digest": "", "offline": False, "extras": [], "system_packages": False}
    return deploy(Wanted(**{**unused, **wanted}), check)


def _how_to_sign(former: Former) -> str:
    if former.statement:
        return (
            "none signed before the current one: sign the previous model again with --key KEY, the key that signed it."
        )
    return "the previous one was never signed: sign its file and deploy it."


def _signed_again(layout: Layout, folder: Path, statement: str) -> str:
    """Put the model with a new statement where new models arrive; return its digest."""
    layout.incoming.mkdir(exist_ok=True)
    arriving = layout.incoming / "signed.tflite"
    _seal(layout, folder, statement, arriving)
    digest = digest_of(arriving)
    arriving.replace(layout.incoming / f"{digest}.tflite")
    return digest
