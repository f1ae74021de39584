"""The methods that are compared on unfamiliar images, by name, and sums of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edgeclf_runtime.learning.familiarity import fit_familiarity
from tests.benchmarks.unfamiliar_scores import (
    Features,
    Floats,
    Known,
    Method,
    Score,
    ash,
    energy,
    mahalanobis,
    max_logit,
    neighbours,
    own_prototypes,
    prototypes,
    react,
    relative_mahalanobis,
    scale,
    softmax,
    subspace,
    unit_mahalanobis,
    vim,
)

__all__ = ["COMBINATIONS", "METHODS", "combined"]


def compressed(compress: Callable[[Floats], Floats], method: Method) -> Method:
    """Return the method on compressed features, so a few large ones count less. They are divided by their mean."""

    def compressed_method(known: Known) -> Score:
        size = float(np.abs(known.features.values).mean()) or 1.0

        def changed(seen: Features) -> Features:
            return replace(seen, values=np.sign(seen.values) * compress(np.abs(seen.values) / size))

        score = method(replace(known, features=changed(known.features)))
        return lambda seen: score(changed(seen))

    return compressed_method


def product(known: Known) -> Score:
    """Return the familiarity of the model file, which includes its calibration."""
    train, validation = (features.values.astype(np.float32) for features in (known.features, known.validation))
    fitted = fit_familiarity(train, known.targets, validation)
    return lambda seen: np.array([fitted.of(row) for row in seen.values.astype(np.float32)])


_COMPRESSED: dict[str, Method] = {
    "neighbour 1": neighbours(1),
    "Mahalanobis, unit": unit_mahalanobis,
    **{f"prototypes {count}": prototypes(count) for count in (20, 40, 80)},
    "own prototypes 80": own_prototypes(80),
    **{f"subspace {count}": subspace(count) for count in (32, 64, 128)},
}

METHODS: dict[str, Method] = {
    "familiarity": product,
    "best score": softmax,
    "energy": energy,
    "max logit": max_logit,
    "ReAct": react,
    "ASH": ash,
    "SCALE": scale,
    "Mahalanobis": mahalanobis,
    "Mahalanobis, unit": unit_mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "ViM": vim,
    **{f"neighbour {count}": neighbours(count) for count in (1, 5, 10)},
    **{f"prototypes {count}": prototypes(count) for count in (5, 10, 20, 40)},
    **{f"own prototypes {count}": own_prototypes(count) for count in (5, 10, 20, 40)},
    **{f"subspace {count}": subspace(count) for count in (64, 128, 256)},
    "centred subspace 64": subspace(64, centred=True),
    **{f"root {name}": compressed(np.sqrt, method) for name, method in _COMPRESSED.items()},
    **{f"log {name}": compressed(np.log1p, method) for name, method in _COMPRESSED.items()},
}
"""By name: "own", of the class that the picture is taken for; "root" and "log", of compressed features."""

COMBINATIONS: dict[str, tuple[str, ...]] = {
    " + ".join(names): names
    for names in (
        ("prototypes 20", "subspace 128"),
        ("prototypes 20", "energy"),
        ("subspace 128", "energy"),
        ("Mahalanobis, unit", "energy"),
        ("prototypes 20", "subspace 128", "energy"),
        ("prototypes 20", "subspace 128", "max logit"),
        ("prototypes 20", "Mahalanobis, unit", "energy"),
        ("root prototypes 20", "root subspace 128"),
        ("root prototypes 40", "root subspace 128"),
        ("root prototypes 80", "root subspace 128"),
        ("root prototypes 40", "root subspace 128", "energy"),
        ("log prototypes 20", "log subspace 128"),
        ("log prototypes 40", "log subspace 64"),
        ("log prototypes 40", "log subspace 128"),
        ("log prototypes 80", "log subspace 128"),
        ("log own prototypes 80", "log subspace 128"),
        ("log neighbour 1", "log subspace 128"),
        ("log prototypes 80", "log subspace 128", "energy"),
        ("log prototypes 80", "log subspace 128", "best score"),
        ("log neighbour 1", "log subspace 128", "energy"),
    )
}
"""Sums of scores, each with mean 0 and spread 1 on the validation part."""


def combined(names: Sequence[str], scores: dict[str, Floats], validation: dict[str, Floats]) -> Floats:
    """Add up standardized scores of the named methods."""
    return np.sum(
        [(scores[name] - validation[name].mean()) / (validation[name].std() + 1e-12) for name in names], axis=0
    )
