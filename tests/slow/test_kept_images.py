"""Trainings and exports that share decoded images and heads give the same results as separate ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet, Run, export, make_config, train
from edgeclf.data.dataset import Dataset
from edgeclf.data.decoded_cache import using_cache
from edgeclf_runtime.model.rewrite import network_of

pytestmark = pytest.mark.slow

HEAD_ONLY: dict[str, object] = {"size": 64, "tune": "head", "test": 0.15}


def _same_answers(one: Run, other: Run) -> bool:
    wanted, found = (run.read_arrays("scores") for run in (one, other))
    return all(np.array_equal(wanted[part], found[part]) for part in ("validation", "test"))


def test_a_second_training_decodes_and_fits_nothing_and_gives_the_same_network(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("done again")

    config = make_config(HEAD_ONLY)
    plain = train(digits, tmp_path / "plain", config, Quiet())
    with using_cache(tmp_path / "cache", print):
        assert _same_answers(plain, train(digits, tmp_path / "first", config, Quiet()))
        with monkeypatch.context() as patch:
            patch.setattr("edgeclf.training.trainer.fit_head", refuse)
            patch.setattr(Dataset, "decoded", refuse)
            second = train(digits, tmp_path / "second", config, Quiet())
        kept = export(second, tmp_path / "second.tflite", "int8", Quiet(), method="ptq")
    assert _same_answers(plain, second)
    assert (second.path / "split.csv").read_bytes() == (plain.path / "split.csv").read_bytes()
    alone = export(plain, tmp_path / "plain.tflite", "int8", Quiet(), method="ptq")
    assert network_of(kept.path.read_bytes()) != b""
    assert kept.card.accuracy == alone.card.accuracy
