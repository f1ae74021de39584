"""Models whose answers show which of them gave them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

from tests.model_files import variant, wrong_golden

__all__ = ["ALL_ANSWERS", "named", "speaking", "speaking_models"]

_KEPT = Path(__file__).parents[1] / "kept" / "0.1" / "model.tflite"
ALL_ANSWERS = """\
[decision]
threshold = 0
reject = 0
[sinks]
jsonl = "answers.jsonl"
"""
"""Settings of a service that always answers, and keeps all answers in its working folder."""


def named(name: str, text: str) -> str:
    """Return a card with this name."""
    return json.dumps({**json.loads(text), "name": name})


def speaking(model: Path, path: Path, name: str, **changed: Callable[[str], str]) -> Path:
    """Write a variant of a model with a name, with which its answers begin."""

    def labels(text: str) -> str:
        return "".join(f"{name} {label}\n" for label in text.splitlines())

    return variant(model, path, card=functools.partial(named, name), labels=labels, **changed)


def speaking_models(folder: Path) -> dict[str, Path]:
    """Write model files: "one" and "two" are good, "lies" does not give its golden scores."""
    good = {name: speaking(_KEPT, folder / f"{name}.tflite", name) for name in ("one", "two")}
    return {**good, "lies": speaking(_KEPT, folder / "lies.tflite", "lies", golden=wrong_golden)}
