"""The judge of an int8 search: it runs each file on the same images and compares it with the float network."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeclf_converters.graph.nodes import Node
from edgeclf_converters.parity.label_sets import compare_sets, set_log_loss
from edgeclf_converters.parity.parity import compare
from edgeclf_converters.parity.scores import Labelled, Scores, file_scores, log_loss
from edgeclf_converters.quantize.trials import Step, Trial
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.system.plain_text import counted

__all__ = ["AIM", "Judge"]

AIM = 0.5
"""Allowed accuracy loss in percentage points if no limit is given; or the loss of one image, if that is more."""


class Judge:
    """Runs files on the same images, and knows how much they may lose.

    Args:
        images: of the input's size, with the right answers.
        before: the float network's scores for them, float32 ``[images, classes]``.
        rule: the model's preprocessing.
        max_drop: the largest accuracy loss allowed, in percentage points; None for ``AIM``, or one image if that is
            more.
        say: called with a line if one image is more.
    """

    def __init__(
        self,
        images: Labelled,
        before: Scores,
        rule: Preprocessing,
        max_drop: float | None,
        say: Callable[[str], None],
    ) -> None:
        self._images, self._before, self._rule = images, before, rule
        self.source = images.source
        self.has_several = images.presence is not None  # labels per image
        self._bound = self._allowed(max_drop, say)

    def _allowed(self, max_drop: float | None, say: Callable[[str], None]) -> float:
        count = len(self._images.targets)
        if max_drop is not None or 100 / count <= AIM:
            return AIM if max_drop is None else max_drop
        images = f"Evaluating on {counted(count, 'image')}"
        if self.has_several:
            say(f"{images}: a loss of {100 / count:.1f} points of mAP is accepted.")
        else:
            say(f"{images}: one is {100 / count:.1f} points, so a loss of one image is accepted.")
        return 100 / count

    def allows(self, trial: Trial) -> bool:
        """Return whether a file loses no more than is allowed."""
        return trial.parity.drop <= self._bound + 1e-9  # rounding may put a drop of 0.5 slightly above

    def trial(self, name: str, content: bytes, floats: list[Node] | None, started: float) -> Trial:
        """Run a file on the images.

        Args:
            name: name of the step that made it.
            content: bytes of the file.
            floats: the float network with its layers, if known.
            started: when the step began, on the monotonic clock.
        """
        scores = file_scores(content, self._images.pixels, self._rule)
        presence = self._images.presence
        if presence is None:
            classes = self._images.classes
            parity, loss = compare(self._before, scores, classes), log_loss(scores, classes)
        else:
            parity = compare_sets(self._before, scores, presence, self._images.thresholds)
            loss = set_log_loss(scores, presence)
        step = Step(name, parity.int8_accuracy, parity.drop, loss, time.monotonic() - started)
        return Trial(step, content, parity, floats)
