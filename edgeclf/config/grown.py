"""The options of a training that starts from a finished run: its network, its preprocessing, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeclf.config.train import TrainConfig, make_config
from edgeclf.errors import ConfigError

__all__ = ["grown"]

_OF_THE_NETWORK = ("backbone", "input_size", "head", "init", "jpeg", "region", "rotate", "camera_flip")
_EPOCHS = 0.6  # of the earlier run's: with rehearsal, less than half of the time of a new training


def grown(config: TrainConfig, before: TrainConfig, old: Sequence[Path], sources: Sequence[Path]) -> TrainConfig:
    """Return the config with options that were not set taken from the earlier run.

    By default, train for 0.6 times its epochs, or as many if it started from a run itself. Sources that it treated
    as whole camera images are treated so again.

    Args:
        config: the options; those that are set explicitly are in ``model_fields_set``.
        before: the config of the earlier run.
        old, sources: the sources of the earlier run, and of this training.

    Raises:
        ConfigError: options contradict the earlier run, whose network and preprocessing are kept.
    """
    if before.several_labels:
        raise ConfigError(f"Options: --from {config.from_run}: has several labels per image, which --from cannot yet.")
    given = config.model_fields_set
    wrong = [
        f"{name} {getattr(config, field)}, but {config.from_run} has {getattr(before, field)}"
        for field in _OF_THE_NETWORK
        if (name := "size" if field == "input_size" else field) in given
        and getattr(config, field) != getattr(before, field)
    ]
    if "weights" in given and config.weights is not None:
        wrong.append(f"weights {config.weights}, but the weights are those of {config.from_run}")
    if wrong:
        raise ConfigError(f"Options: {'; '.join(wrong)}. Leave them out, or train without --from.")
    tune = config.tune if "tune" in given else before.tune
    is_short = before.from_run is not None or tune == "head"  # has no epochs
    epochs = before.epochs if is_short else max(1, round(_EPOCHS * before.epochs))
    whole = tuple(source for source in sources if source.resolve() in old and before.view_of(source).changes)
    defaults = {**before.model_dump(), "epochs": epochs, "weights": None, "whole": whole or False}
    set_here = {name: getattr(config, name) for name in given if name != "weights"}
    return make_config({**defaults, **set_here, "from_run": config.from_run})
