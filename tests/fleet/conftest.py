"""Fixtures of the tests of deployments."""

from __future__ import annotations

from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / "kept" / "0.1"


@pytest.fixture
def kept_model() -> Path:
    """A small model file, which need not be trained."""
    return next(KEPT.glob("*.tflite"))
