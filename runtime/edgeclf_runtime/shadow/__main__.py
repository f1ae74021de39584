"""The process that ``edgeclf deploy --shadow`` starts on a device: ``python -m edgeclf_runtime.shadow --help``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["main"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_PATH)
@click.argument("state", type=_PATH)
@click.option("--config", type=_PATH, required=True, help="Read the settings of the new service from this run.toml.")
@click.option("--seconds", type=click.FloatRange(1), required=True, help="Compare for this time.")
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for images on which both models differ.")
def main(model: Path, state: Path, config: Path, seconds: float, output: Path) -> None:
    """Run MODEL next to the model of the service with the folder STATE, and print how often both agreed."""
    os.environ["STATE_DIRECTORY"] = str(state.absolute())  # where the service keeps the zones drawn on its page
    try:
        click.echo(json.dumps(_compared(model, state, config, seconds, output)))
    except EdgeclfError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _compared(model: Path, state: Path, config: Path, seconds: float, output: Path) -> dict[str, object]:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.config.settings import read_settings
    from edgeclf_runtime.pipeline.zone_changes import settings_and_changes
    from edgeclf_runtime.shadow.pace import give_way
    from edgeclf_runtime.shadow.trial import compare
    from edgeclf_runtime.trust.keys import TrustedKeys

    chosen, _ = settings_and_changes(read_settings(config), {}, str(config), model, None)
    admit = TrustedKeys(Path(chosen.trusted_key)).check if chosen.trusted_key else None
    with Classifier.load(model, threads=1, admit=admit) as classifier:
        classifier.warm_up()
        give_way()  # only now, or it would not be ready for minutes on a busy device
        return compare(classifier, chosen, state, seconds, output)


if __name__ == "__main__":
    main(prog_name="python -m edgeclf_runtime.shadow")
