"""Run a new model next to the service's before switching, and compare their answers."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from .edgeclf_calls import call
from .edgeclf_layout import Layout, ReleaseError
from .edgeclf_managers import Manager
from .edgeclf_processes import commands

__all__ = ["Disagreement", "check_agreement", "check_comparable", "compared", "end_trial"]

_AFTER = 180.0  # seconds in addition to the trial's, for a slow start
_ITS_NAME = b"edgeclf_runtime.shadow"


class Disagreement(ReleaseError):
    """Two models agree on too few frames.

    Attributes:
        facts: the report, for the module's result.
    """

    def __init__(self, text: str, report: dict[str, Any]) -> None:
        super().__init__(text)
        self.facts = {"shadow": report}


def compared(layout: Layout, manager: Manager, folder: Path, seconds: float) -> dict[str, Any]:
    """Run the model of a release next to the service; return the report of ``edgeclf_runtime.shadow.trial``.

    Args:
        layout: the folders.
        manager: manager of the service.
        folder: folder of the release.
        seconds: duration of the trial.

    Raises:
        ReleaseError: the new model crashes, the service cannot be compared with, or another deployment ended the trial.
    """
    words: list[object] = [folder / "environment/bin/python", "-I", "-m", "edgeclf_runtime.shadow"]
    words += [folder / "model.tflite", manager.health.parent, "--config", folder / "run.toml"]
    words += ["--seconds", seconds, "-o", layout.root / "shadow"]
    printed = call(words, "the new model cannot be compared with the current one", layout.data, seconds + _AFTER)
    report: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return report


def check_agreement(report: dict[str, Any], least: float) -> None:
    """Raise Disagreement if the models agree on a smaller share of frames."""
    if report["agreement"] < least:
        text = "the new model gives the same answer as the current one on {:.1%} of {} frames, but {:.0%} are required."
        raise Disagreement(text.format(report["agreement"], report["frames"], least), report)


def end_trial(layout: Layout) -> bool:
    """End the trial of a deployment whose command may be gone; return whether there was one."""
    model = os.fsencode(layout.releases) + b"/"
    numbers = [
        number
        for number, words in commands().items()
        if _ITS_NAME in words and any(word.startswith(model) for word in words)
    ]
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
    return bool(numbers)


def check_comparable(manager: Manager, layout: Layout) -> None:
    """Raise ReleaseError if there is no service to compare with."""
    if not manager.runs_service or not layout.current or not manager.process():
        raise ReleaseError("--shadow compares with the model of a service, but none is running: deploy without it.")
