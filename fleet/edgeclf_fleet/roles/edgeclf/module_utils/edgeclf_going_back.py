"""Go back to the previous release after a switch that failed or was interrupted."""

from __future__ import annotations

import os
from contextlib import suppress

from .edgeclf_layout import Layout, ReleaseError
from .edgeclf_managers import Manager
from .edgeclf_wanted import SHOWN
from .edgeclf_watch import Bounds, watch

__all__ = ["sentence", "take_back"]

_FORMER_SECONDS = 90.0  # minimum time limit for the previous version's first answer


def take_back(layout: Layout, manager: Manager, before: str, definition: str | None, start_seconds: float) -> str:
    """Go back to a release and the definition of its service; return the result for the user.

    Args:
        layout: the folders of the device.
        manager: manager of its service.
        before: id of the release; empty if there was none.
        definition: the service's definition; None if there was no service.
        start_seconds: maximum time until the service's first answer, at least 90 s.
    """
    layout.switch(before)
    text = "Nothing was installed before, and nothing is left behind."
    if manager.runs_service:
        for record in manager.health.parent.glob("*.version"):  # or the previous model would be refused as older
            with suppress(OSError):  # in any case, the previous service is started
                record.unlink()
        try:
            manager.restore(definition)
            if definition is not None:
                text = _former_answers(layout, manager, before, start_seconds)
        except ReleaseError as error:
            text = f"The previous version is in use again, but: {sentence(error)}"
    elif before:
        text = "The previous version is in use again."
    layout.settle()
    return text


def _former_answers(layout: Layout, manager: Manager, before: str, start_seconds: float) -> str:
    about = layout.about(before)
    name = "{} ({})".format(about["name"], str(about["model"])[:SHOWN]) if about else "The previous service"
    if not about and not manager.health.exists():  # of a version that does not report its health
        return f"{name} runs again." if manager.process() else f"{name} does not run."
    try:
        watch(manager, Bounds(max(_FORMER_SECONDS, start_seconds), 0))
    except ReleaseError as error:
        return f"{name} is in use again, but: {sentence(error)}"
    return f"{name} is in use again and answers."


def sentence(error: BaseException) -> str:
    """Return the text of an error as a sentence."""
    if isinstance(error, OSError):
        text = "{}: {}".format(error.filename or "a file", os.strerror(error.errno or 0))
    else:
        text = str(error)
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
