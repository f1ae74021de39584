"""The history of a training: the validation figures of every network tried, and the weights of the best."""

from __future__ import annotations

from typing import Any

from edgeclf.model.network import get_weights, tempered
from edgeclf.runs.run import Run
from edgeclf.training.judged import Judged
from edgeclf_converters.distribution import Distribution

__all__ = ["History"]


class History:
    """Entries of ``history.json``; a better network's weights go to ``weights.npz``."""

    def __init__(self, run: Run, model: Any, distribution: Distribution) -> None:
        self._run, self._model, self._distribution = run, model, distribution
        self._entries: list[dict[str, float]] = []

    def note(self, epoch: int, figures: dict[str, float], judged: Judged, better: bool) -> bool:
        """Add an entry; if the network is better, keep its weights with the temperature in the head.

        Returns:
            Whether it is kept; several workers follow the first one's answer.
        """
        kept = bool(self._distribution.agree(float(better)))
        measured = {f"validation_{judged.measure}": judged.value, "validation_log_loss": judged.log_loss}
        entry = {**figures, **measured, "temperature": judged.temperature, "kept": kept}
        self._entries.append({"epoch": epoch, **entry})
        if kept:
            self._run.write_arrays("weights", tempered(get_weights(self._model), judged.temperature))
        self._run.write_json("history", self._entries)
        return kept

    def read(self, epochs: int) -> None:
        """Read the entries of a training that stopped after this many epochs, without those of its choice of alpha."""
        entries = self._run.read_json("history")
        self._entries = [entry for entry in entries if entry["epoch"] <= epochs and "alpha" not in entry]

    @property
    def first(self) -> dict[str, float]:
        """The entry of the network before fine-tuning."""
        return self._entries[0]

    @property
    def kept(self) -> dict[str, float]:
        """The entry of the network whose weights are kept."""
        return next(entry for entry in reversed(self._entries) if entry["kept"])

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return int(max(entry["epoch"] for entry in self._entries))
