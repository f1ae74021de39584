"""The 1,000 ImageNet classes of the published networks."""

from __future__ import annotations

from pathlib import Path

__all__ = ["imagenet_classes"]


def imagenet_classes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return WordNet ids and English names, in the order of the networks' outputs."""
    lines = (Path(__file__).parent / "imagenet_classes.txt").read_text("utf-8").splitlines()
    ids, labels = zip(*(line.split("\t") for line in lines), strict=True)
    return ids, labels
