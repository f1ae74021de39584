"""Open the model at the start: its file or, if that does not work or is refused, the last good copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import EdgeclfError, ModelError
from edgeclf_runtime.updates.last_good import LastGood, Version, version
from edgeclf_runtime.updates.trial import try_model
from edgeclf_runtime.verification import verify

__all__ = ["open_suited", "start_model", "why_not"]

_SECONDS = 60.0  # time-out of a trial; systemd waits 120 s for the whole start


def start_model(
    model: Path,
    words: Sequence[str],
    opened: Callable[[Path], Classifier],
    suits: Callable[[tuple[str, ...]], None],
    good: LastGood,
    refused: str = "",
) -> tuple[Classifier, str]:
    """Open a model file; if it differs from the last good copies, try it in another process first.

    Args:
        model: path of the file.
        words: further options of ``edgeclf verify``.
        opened: opens a file for use.
        suits: raises EdgeclfError if the labels of a model do not fit the settings.
        good: the copies of the file.
        refused: why the file must not be used, see ``Probation``; it is used in spite of that if there is no copy.

    Returns:
        The classifier, owned by the caller, and why the file was refused if the copy is used instead, else "".

    Raises:
        EdgeclfError: the file cannot be used, and there is no usable copy.
    """
    judged = version(model)
    copy, is_copied = good.find(), good.is_copied()
    reason = refused
    if copy is None:
        reason = ""
    elif not refused and not is_copied:
        reason = try_model(model, words, seconds=_SECONDS)
    if not reason:
        try:
            classifier = open_suited(opened, model, suits)
        except EdgeclfError as error:
            if copy is None:
                raise
            reason = str(error)
        else:
            _keep(good, judged, classifier, is_copied)
            return classifier, ""
    assert copy is not None
    used = "the previous model" if refused else "the last good copy of it"
    try:
        return open_suited(opened, copy, suits), f"{reason} Started with {used}."
    except EdgeclfError:
        raise ModelError(reason) from None


def _keep(good: LastGood, judged: Version | None, classifier: Classifier, is_copied: bool) -> None:
    try:
        if is_copied or not why_not(classifier):  # the label file next to it may have changed
            good.keep(judged, classifier.card.labels)
    except BaseException:
        classifier.close()
        raise


def open_suited(
    opened: Callable[[Path], Classifier], path: Path, suits: Callable[[tuple[str, ...]], None]
) -> Classifier:
    """Open a file; raise EdgeclfError if it cannot be opened or its labels do not fit."""
    classifier = opened(path)
    try:
        suits(classifier.card.labels)
    except EdgeclfError:
        classifier.close()
        raise
    return classifier


def why_not(classifier: Classifier) -> str:
    """Return why a model does not work on this device; empty if it does."""
    classifier.warm_up()
    if not classifier.golden or verify(classifier).passed:
        return ""
    return f"{classifier.path}: its golden images do not give the expected scores on this device."
