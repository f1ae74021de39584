"""``edgeclf fleet rollback``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_fleet.commands.targets import Targets, rollout_options, target_options, tell_outcomes

if TYPE_CHECKING:
    from edgeclf_fleet.rollout import Rollout

__all__ = ["rollback"]


@click.command()
@click.option("--to", default="", metavar="DIGEST", help="Go back to the model whose digest starts with these digits.")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sign the previous model again with this private key, for devices that accept signed models only.",
)
@click.option("--check", is_flag=True, help="Print what would be done and change nothing.")
@click.option("--watch-seconds", type=click.FloatRange(0), help="Watch the service for this time (default: 20).")
@rollout_options
@target_options
def rollback(
    targets: Targets, rollout: Rollout | None, to: str, key: Path | None, check: bool, watch_seconds: float | None
) -> None:
    """Go back to the previous release.

    Restores its model, settings and runtime. They are tested and watched as in a deployment; if something is wrong, the
    current release stays in use. A second run changes nothing.
    """
    from edgeclf_runtime.errors import UsageError

    targets.check()
    if to and not set(to.lower()) <= set("0123456789abcdef"):
        raise UsageError(f"--to {to}: expected the first digits of a digest, as shown by edgeclf fleet status.")
    statements = _statements(targets, to, key, check) if key is not None else {}
    variables = {"edgeclf_to": to, "edgeclf_statements": statements, "edgeclf_watch_seconds": watch_seconds}
    tell_outcomes(targets.run("rollback", variables, ["--check"] if check else [], rollout))


def _statements(targets: Targets, to: str, key: Path, check: bool) -> dict[str, str]:
    """Ask the devices which models they would go back to, and sign these again; the private key stays here.

    With ``check``, nothing is signed.
    """
    from edgeclf_fleet.signing import signed_anew
    from edgeclf_runtime.commands.sign import asked_passphrase
    from edgeclf_runtime.trust.keys import SigningKey

    signing = SigningKey(key, asked_passphrase)
    return signed_anew(targets.run("rollback", {"edgeclf_to": to, "edgeclf_ask": True}), signing, check)
