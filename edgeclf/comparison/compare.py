"""Compare methods on one split: hand-crafted features, training from scratch, and transfer learning by depth.

Each method is trained on nested shares of the training images, tuned on the same validation part and evaluated on the
same test part. Every finished cell is stored, so that a comparison that was stopped can be resumed.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from edgeclf.comparison.methods import HANDCRAFTED_RULE, METHODS, Cell, measure_cell, method_config
from edgeclf.comparison.page import write_comparison
from edgeclf.config.train import TrainConfig, make_config
from edgeclf.data.dataset import Dataset
from edgeclf.data.decoded_cache import cache_for_now
from edgeclf.data.division import split
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.image_cache import decode
from edgeclf.data.sources import SourcePaths, paths_of, read_source, refuse_inside
from edgeclf.errors import DataError, RunError
from edgeclf.framework_errors import start_tensorflow
from edgeclf.frameworks import device_in_use
from edgeclf.progress import Reporter
from edgeclf.renamed import VALUES
from edgeclf.runs.run import Run
from edgeclf.runs.split import divide
from edgeclf_runtime.renamed import warn_about

__all__ = ["compare", "subset"]

_TEST = 0.2  # share of the images, if neither the source nor the config has a test part


def compare(
    data: SourcePaths,
    out: Path,
    config: TrainConfig,
    reporter: Reporter,
    *,
    methods: Sequence[str] = tuple(METHODS),
    percentages: Sequence[int] = (5, 10, 25, 50, 100),
    seeds: Sequence[int] = (0,),
) -> list[Cell]:
    """Train and evaluate the missing cells; write compare.csv and compare.html after each.

    Args:
        data: a source as for ``train``; if it has no test part, one is split off.
        out: a new folder, or the folder of a stopped comparison of the same images and config.
        config: the options of all trainings, except those that the methods set.
        methods: names from ``METHODS``.
        percentages: shares of the training images in percent, 1 to 100; each class keeps at least one image.
        seeds: random seeds of subsets and trainings; the split uses the config's seed.
        reporter: shows the progress.

    Returns:
        one cell for each method, percentage and seed.

    Raises:
        ConfigError: an unknown method.
        DataError, RunError: the images or the folder cannot be used; see ``train``.
        KeyboardInterrupt: interrupted; the finished cells are kept.
    """
    old = VALUES["methods"]
    if any(method in old for method in methods):
        warn_about([f"methods: {method} is called {old[method]} now" for method in methods if method in old])
        methods = [old.get(method, method) for method in methods]
    refuse_inside(data, out)
    if (out / "cells.json").exists():  # may be from an earlier version
        config = make_config({**config.model_dump(), "jpeg": Run.open(out).config.jpeg})
    configs = {(method, seed): method_config(config, method, seed) for method in methods for seed in seeds}
    folder = _opened(out, config if config.test else make_config({**config.model_dump(), "test": _TEST}), data)
    divided = _split(folder, reporter)
    kept = (Cell(**item) for item in folder.read_json("cells"))
    cells = {cell.key: cell for cell in (replace(cell, method=old.get(cell.method, cell.method)) for cell in kept)}
    wanted = [(method, percent, seed) for seed in seeds for percent in percentages for method in methods]
    start_tensorflow(reporter)
    reporter.say(f"Computing on {device_in_use()}.")
    with reporter.bar("Comparing methods", len(wanted)) as bar, cache_for_now(folder.path / ".kept", reporter.say):
        for key in wanted:
            if key not in cells:
                method, percent, seed = key
                chosen, work = subset(divided, percent, seed), folder.path / "work"
                cells[key] = measure_cell(chosen, work, method, percent, configs[method, seed], reporter)
                folder.write_json("cells", [asdict(cell) for cell in cells.values()])
                write_comparison(folder, divided, list(cells.values()))
            bar.advance(1)
    write_comparison(folder, divided, list(cells.values()))
    return [cells[key] for key in wanted]


def subset(data: Dataset, percent: int, seed: int) -> Dataset:
    """Return the dataset with ``percent`` of each class's training images; larger shares contain the smaller ones."""
    kept = [int(row) for part in ("validation", "test") for row in data.rows(part)]
    rows = data.rows("train")
    for target in range(len(data.labels)):
        own = np.random.default_rng([seed, target]).permutation(rows[data.targets[rows] == target])
        kept += [int(row) for row in own[: max(1, round(len(own) * percent / 100))]]
    return data.take(sorted(kept))


def _opened(out: Path, config: TrainConfig, data: SourcePaths) -> Run:
    """Open or create the comparison's folder, a run folder with cells in place of weights."""
    if (out / "cells.json").exists():
        folder = Run.open(out)
        if folder.config != config or folder.sources != tuple(path.resolve() for path in paths_of(data)):
            raise RunError(f"{out}: is a comparison of other images or with other options. Choose another --out.")
        return folder
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: already exists and is not a comparison. Choose another --out.")
    read_source(data)  # raises before anything is written
    folder = Run.create(out, config, data)
    folder.write_json("cells", [])
    return folder


def _split(folder: Run, reporter: Reporter) -> Dataset:
    """Return the split of all readable images; it is made only once."""
    if not (folder.path / "split.csv").exists():
        with reporter.bar("Listing", 0):
            listed, skipped = read_source(folder.sources, reporter.say)
        listed = folder.seen(listed)
        fingerprints = Fingerprints.of(len(listed.files))
        pictures, unread = decode(listed, HANDCRAFTED_RULE, 0, folder.path / ".pictures", reporter, fingerprints)
        with pictures:
            cut = functools.partial(_with_test, config=folder.config)
            divide(folder, listed, skipped, unread, fingerprints, reporter, cut)
    divided = folder.read_split()
    if not len(divided.rows("test")):
        raise DataError(f"{divided.root}: the test part has no readable image.")
    return divided


def _with_test(listed: Dataset, config: TrainConfig) -> Dataset:
    """Split a test part off the training part if there is none; sources without parts are split by ``divide``."""
    if "test" in listed.parts or "train" not in listed.parts:
        return listed
    own = listed.rows("train")
    cut = split(listed.take(own).with_parts([""] * len(own)), config.test, 0.0, config.seed)
    parts = list(listed.parts)
    for row, part in zip(own, cut.parts, strict=True):
        parts[row] = "test" if part == "validation" else "train"
    return listed.with_parts(parts)
