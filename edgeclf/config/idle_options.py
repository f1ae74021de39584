"""Options that have no effect in combination with others."""

from __future__ import annotations

from collections.abc import Collection

from edgeclf.config.train import TrainConfig

__all__ = ["without_effect"]

_FINE_TUNING = ["train_size", "full_size_epochs", "freeze_stride", "epochs", "patience", "batch_size", "learning_rate"]
_FINE_TUNING += ["batch_norm", "weight_decay", "ema", "label_smoothing", "dropout", "mixup", "cutmix"]
_FINE_TUNING += ["rand_augment", "camera", "flip", "rotate90", "xla", "rehearsal"]
"""Options of fine-tuning, which have no effect if only the head is trained."""


def without_effect(config: TrainConfig, parts: Collection[str]) -> dict[str, list[str]]:
    """Return the changed options that have no effect, with the reason; ``parts`` are the source's parts."""
    given = [name for name, field in TrainConfig.model_fields.items() if getattr(config, name) != field.default]
    idle = {
        "tune is head": _FINE_TUNING if config.tune == "head" else [],
        "images may have several labels": ["class_weights"] if config.several_labels else [],
        "each image has one label": [] if config.several_labels else ["label_precision"],
        "no run to begin from is given": ["rehearsal"] if config.from_run is None else [],
        "init is scratch": ["weights", "batch_norm"] if config.init == "scratch" else [],
        "no region, rotate or camera_flip is set": [] if config.view.changes else ["whole"],
        "the photographs have this part": [part for part in ("validation", "test") if part in parts],
    }
    without = {reason: [name for name in given if name in names] for reason, names in idle.items()}
    return {reason: names for reason, names in without.items() if names}
