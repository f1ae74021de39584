"""``edgeclf deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeclf_fleet.commands.duration import Duration
from edgeclf_fleet.commands.targets import Targets, rollout_options, target_options, tell_outcomes

if TYPE_CHECKING:
    from edgeclf_fleet.rollout import Rollout

__all__ = ["deploy"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("model", type=_FILE)
@click.option("--config", type=_FILE, help="Run the service with this run.toml (default: the one on the device).")
@click.option("--check", is_flag=True, help="Print what would be done and change nothing.")
@click.option(
    "--wheels", type=_FOLDER, help="Take the runtime's wheel from this folder (default: the installed runtime)."
)
@click.option(
    "--offline", type=_FOLDER, help="Install all packages from this folder of wheels instead of a package index."
)
@click.option(
    "--key",
    type=_FILE,
    metavar="KEY.pub",
    help="From now on, let the devices refuse models that this key has not signed.",
)
@click.option(
    "--latency-ms",
    type=click.FloatRange(0),
    help="Maximum latency per image on the device, in ms; above it, the deployment fails.",
)
@click.option("--watch-seconds", type=click.FloatRange(0), help="Watch the new service for this time (default: 20).")
@click.option(
    "--shadow",
    type=Duration(),
    metavar="TIME",
    help="Before the switch, run the new model beside the current one on the same frames for this time, such as 10m.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 1),
    help="Switch after --shadow only if both models gave the same answer on this share of frames (default: 0.9).",
)
@rollout_options
@target_options
def deploy(
    targets: Targets,
    rollout: Rollout | None,
    model: Path,
    config: Path | None,
    check: bool,
    key: Path | None,
    **given: Any,
) -> None:
    """Install MODEL on devices over ssh and run it as a service.

    Each device is examined before anything is changed. The new version is installed beside the current one and tested
    on the device. Then the service switches to it and is watched; if something is wrong, the previous version is
    restored.
    """
    from edgeclf_runtime.errors import UsageError
    from edgeclf_runtime.model.file import read_model
    from edgeclf_runtime.trust.keys import TrustedKeys

    targets.check()
    if given["min_agreement"] is not None and given["shadow"] is None:
        raise UsageError("--min-agreement needs --shadow.")
    read_model(model)  # a damaged file is refused before any device is contacted
    if key is not None:
        key = _public(key)
        TrustedKeys(key).check(model, model.read_bytes())
    if config is not None:
        _check_config(config)
    given.update(model=model, config=config, key=key)
    variables = {
        f"edgeclf_{name}": str(value.absolute()) if isinstance(value, Path) else value for name, value in given.items()
    }
    tell_outcomes(targets.run("main", variables, ["--check"] if check else [], rollout))


def _public(key: Path) -> Path:
    """Return the public key next to a private one, which never leaves this machine; return any other file unchanged."""
    beside = key.with_name(f"{key.name}.pub")
    return beside if beside.exists() and b"PRIVATE KEY" in key.read_bytes() else key


def _check_config(path: Path) -> None:
    """Check the settings before any device is contacted; a file encrypted by Ansible Vault is checked on the device."""
    from edgeclf_runtime.config.settings import read_settings, settings
    from edgeclf_runtime.service.plan import check_source

    if not path.read_bytes().startswith(b"$ANSIBLE_VAULT"):
        key = {"trusted_key": "the device's"}  # a deployment adds this to the settings
        check_source(settings(read_settings(path), {"": key}, str(path)))
