"""The time of an int8 file on this machine before there is one: it does not depend on what the weights are."""

from __future__ import annotations

import numpy as np

from edgeclf.config import TrainConfig
from edgeclf.errors import WeightsError
from edgeclf.network import build_classifier, with_softmax
from edgeclf.reporter import Reporter
from edgeclf.searchspace import Candidate, train_config
from edgeclf.training import preprocessing
from edgeclf_converters.convert import convert
from edgeclf_converters.report import invoke_milliseconds
from edgeclf_runtime.preprocess import Pixels

__all__ = ["Prober", "plain_picture"]

_CLASSES = 10  # of the untrained head, whose time is nothing beside the network's


class Prober:
    """Asks each question about a network once.

    Args:
        base: of the trainings.
        reporter: told what takes its time.
    """

    def __init__(self, base: TrainConfig, reporter: Reporter) -> None:
        self._base, self._reporter = base, reporter
        self._missing: dict[str, str] = {}
        self._milliseconds: dict[tuple[str, int], float] = {}

    def missing(self, candidate: Candidate) -> str:
        """Why the backbone's weights cannot be had; empty where they can."""
        if candidate.backbone not in self._missing:
            config = train_config(candidate, self._base)
            try:
                config.network.load(build_classifier(config.network, None, _CLASSES), config.backbone, config.weights)
                self._missing[candidate.backbone] = ""
            except WeightsError as error:
                self._missing[candidate.backbone] = str(error)
        return self._missing[candidate.backbone]

    def milliseconds(self, candidate: Candidate) -> float:
        """Median of the interpreter's time for a picture of its int8 file, from an untrained network."""
        key = candidate.backbone, candidate.size
        if key not in self._milliseconds:
            self._reporter.say(f"Measuring the time of {candidate.backbone} at {candidate.size} pixels, untrained.")
            config = train_config(candidate, self._base)
            model, rule = build_classifier(config.network, None, _CLASSES), preprocessing(config)
            picture = [plain_picture(candidate.size)]
            content = convert(with_softmax(model), "int8", picture, rule)
            self._milliseconds[key] = invoke_milliseconds([content], picture, rule)[0]
        return self._milliseconds[key]


def plain_picture(size: int) -> Pixels:
    """A ramp from black to white: what is shown does not change the time."""
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (size, size, 3)))
