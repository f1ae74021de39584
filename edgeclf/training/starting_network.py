"""The network that training starts from."""

from __future__ import annotations

from typing import Any

from edgeclf.config.train import TrainConfig
from edgeclf.errors import ConfigError
from edgeclf.frameworks import precision
from edgeclf.model.network import Weights, build_classifier, set_weights
from edgeclf_converters.distribution import Distribution

__all__ = ["check_replicas", "starting_network"]


def starting_network(config: TrainConfig, classes: int, distribution: Distribution, kept: Weights | None = None) -> Any:
    """Build the network that training starts from, with pretrained or random weights in its backbone.

    Args:
        config: the options of the training.
        classes: number of outputs.
        distribution: where training runs.
        kept: all weights to start from when a training is resumed; None reads the pretrained ones.

    The weights of a training that starts from a run are not pretrained, see ``Start.fill``.

    Raises:
        WeightsError: there are no pretrained weights.
        ConfigError: the steps cannot be distributed this way.
    """
    if distribution.way != "none" and config.xla:
        raise ConfigError("Options: xla cannot be combined with --distribute.")
    with distribution.scope(), precision(config.precision):
        model = build_classifier(config.network, None, classes, config.head)
    if kept is not None:
        set_weights(model, kept)
    elif config.init == "imagenet" and config.from_run is None:
        config.network.load(model, config.backbone, config.weights)
    return model


def check_replicas(config: TrainConfig, distribution: Distribution, pictures: int) -> None:
    """Refuse options that do not work with several replicas."""
    if distribution.replicas > 1 and min(config.batch_size, pictures) < 2 * distribution.replicas:
        raise ConfigError(
            f"Options: batches of {config.batch_size} are too small for {distribution.replicas} replicas."
        )
