"""The folder of one training run, with everything needed to use, resume or repeat it."""

from __future__ import annotations

import csv
import json
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from edgeclf.config.file import config_text, configure
from edgeclf.config.tables import TrainTable
from edgeclf.config.train import TrainConfig, make_config
from edgeclf.data.dataset import PARTS, Dataset, Skipped
from edgeclf.data.label_cell import split_names
from edgeclf.data.label_sets import with_presence
from edgeclf.data.sources import SourcePaths, paths_of, shown, unlisted
from edgeclf.errors import RunError
from edgeclf.renamed import OPTIONS, VALUES
from edgeclf.runs.environment import environment
from edgeclf_runtime.model.not_a_file import is_run_folder, near_names
from edgeclf_runtime.renamed import in_new_names
from edgeclf_runtime.system.atomic_file import write_text, written_beside

__all__ = ["AUGMENTED", "Run", "new_folder"]

AUGMENTED = "augmented.jpg"
"""File in a run folder with some augmented training images of the first step."""

_BEGINNING = ("config.toml", "environment.json")
_LOST = "Restore it from a copy of the run, or train again."

Arrays = Mapping[str, npt.NDArray[Any]]


class Run:
    """The folder of one training run; ``sources`` are the sources of its photographs, ``data`` is the first.

    Files: ``config.toml``, ``split.csv`` (file, label, part, group), ``skipped.csv``, ``environment.json``,
    ``history.json``, ``weights.npz`` (the best so far), ``metrics.json``, ``scores.npz`` (of validation and test
    images), ``report.html``, ``report.json`` and ``augmented.jpg``. While fine-tuning is unfinished also ``state.npz``,
    and, if they are needed later, ``start.npz`` and ``tuned.npz``, the weights before and after fine-tuning.
    ``digests.npz`` has a hash of each file of the split, by which a later training recognizes them. A training that
    starts from a run has ``before.json``, what it took from it, and until it is finished ``before.npz``, its weights.
    """

    def __init__(self, path: Path, config: TrainConfig, data: SourcePaths) -> None:
        self.path, self.config, self.sources = path, config, paths_of(data)
        self.data = self.sources[0]

    @classmethod
    def create(cls, path: Path, config: TrainConfig, data: SourcePaths) -> Run:
        """Create a new run folder.

        Raises:
            RunError: the folder exists and is not empty.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError(
                f"{path}: already exists. Choose another --out, or resume it with: edgeclf train --resume {path}"
            )
        path.mkdir(parents=True, exist_ok=True)
        run = cls(path, config, [source.resolve() for source in paths_of(data)])
        write_text(path / "config.toml", config_text(run.sources, config))
        run.write_json("environment", environment(config.weights))
        return run

    def abandon(self) -> None:
        """Remove a new folder that holds nothing of value yet, unless there are other files in it."""
        if sorted(item.name for item in self.path.iterdir()) == sorted(_BEGINNING):
            for name in _BEGINNING:
                (self.path / name).unlink()
            with suppress(OSError):  # a link, the current folder or a mount point stays, empty
                self.path.rmdir()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run folder.

        Raises:
            RunError: it is not a run folder.
        """
        old = not (path / "config.toml").is_file()  # versions up to 0.1 wrote config.json
        file = path / ("config.json" if old else "config.toml")
        if not file.is_file():
            raise RunError(f"{path}: not a run folder{_instead(path)}")
        try:
            config, data = _read_old(file) if old else _read_config(file)
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{file}: cannot be read ({error}).") from None
        return cls(path, config, data)

    def write_json(self, name: str, content: object) -> None:
        """Write ``name.json``."""
        write_text(self.path / f"{name}.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def read_json(self, name: str) -> Any:
        """Read ``name.json``.

        Raises:
            RunError: it is missing or damaged.
        """
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise self._missing(path) from None
        except ValueError as error:
            raise RunError(f"{path}: cannot be read ({error}).") from None

    def _missing(self, path: Path) -> RunError:
        return RunError(
            f"{path}: missing{f'. {_LOST}' if self.is_finished else '; the training did not get that far.'}"
        )

    @property
    def is_finished(self) -> bool:
        """Whether the training was completed."""
        if self.has_arrays("state") or not (self.path / "metrics.json").exists():
            return False
        return bool(self.read_json("metrics")["status"] == "finished")

    def write_split(
        self, data: Dataset, skipped: Sequence[Skipped], digests: npt.NDArray[np.uint64] | None = None
    ) -> None:
        """Write the part of each file, and the files that were skipped.

        Args:
            digests: uint64 ``[files]``, see ``Fingerprints``; None if unknown.
        """
        if digests is not None:
            self.write_arrays("digests", {"digests": digests})
        columns = (data.files, data.parts, data.groups)
        named = enumerate(zip(*columns, strict=True))
        rows = [(file, data.label_text(i), part, group if group >= 0 else "") for i, (file, part, group) in named]
        self.write_json("labels", list(data.labels))
        write_text(self.path / "skipped.csv", _table(("file", "reason"), [(s.file, s.reason) for s in skipped]))
        write_text(
            self.path / "split.csv", _table(("file", "label", "part", "group"), rows)
        )  # written last: if it exists, the split is complete

    def read_split(self) -> Dataset:
        """Read files, labels and parts as ``write_split`` wrote them.

        Raises:
            RunError: missing or damaged.
        """
        path, labels = self.path / "split.csv", tuple(self.read_json("labels"))
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [(row["file"], self._targets(row["label"], labels), row["part"]) for row in csv.DictReader(file)]
        except FileNotFoundError:
            raise self._missing(path) from None
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{path}: cannot be read ({error}). {_LOST}") from None
        if not rows or {row[2] for row in rows} - set(PARTS):
            raise RunError(f"{path}: cannot be read (empty, or with an unknown part).")
        files, targets, parts = zip(*rows, strict=True)
        groups, several = np.full(len(files), -1, np.int64), bool(self.config.several_labels)
        numbers = np.zeros(len(files), np.int64) if several else np.array(targets, np.int64)[:, 0]
        source = unlisted(self.sources)
        listed = replace(source, labels=labels, files=files, targets=numbers, parts=parts, groups=groups)
        if several:
            presence = np.array([[label in own for label in range(len(labels))] for own in targets], np.bool_)
            listed = with_presence(listed, presence)
        return self.seen(listed)

    def _targets(self, cell: str, labels: tuple[str, ...]) -> list[int]:
        """Return the classes named in a cell of the split."""
        return [labels.index(name) for name in (split_names(cell) if self.config.several_labels else [cell])]

    def seen(self, listed: Dataset) -> Dataset:
        """Return the dataset with the rotation, mirroring and region that the config sets for its sources.

        Raises:
            RunError: the option ``whole`` lists a path that is not a source.
        """
        sources = [source.resolve() for source in self.sources]
        if other := next((path for path in self.config.whole_sources if path.resolve() not in sources), None):
            raise RunError(f"whole: {other} is not one of the sources of photographs, {shown(self.sources)}.")
        views = [self.config.view_of(source) for source in self.sources]
        if not listed.sources:
            return replace(listed, view=views[0])
        pairs = zip(listed.sources, views, strict=True)
        return replace(listed, sources=tuple(replace(source, view=view) for source, view in pairs))

    def read_skipped(self) -> list[Skipped]:
        """Read the skipped files that ``write_split`` wrote.

        Raises:
            RunError: missing or damaged.
        """
        path = self.path / "skipped.csv"
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return [Skipped(row["file"], row["reason"]) for row in csv.DictReader(file)]
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{path}: cannot be read ({error}).") from None

    def write_arrays(self, name: str, arrays: Arrays) -> None:
        """Write ``name.npz``."""
        with written_beside(self.path / f"{name}.npz") as hidden, hidden.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def read_arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Read ``name.npz``.

        Raises:
            RunError: missing or damaged.
        """
        path = self.path / f"{name}.npz"
        try:
            with np.load(path, allow_pickle=False) as content:
                return {key: content[key] for key in content.files}
        except FileNotFoundError:
            raise self._missing(path) from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"{path}: cannot be read ({error}). {_LOST}") from None

    def remove_arrays(self, name: str) -> None:
        """Remove ``name.npz`` if it exists."""
        (self.path / f"{name}.npz").unlink(missing_ok=True)

    def has_arrays(self, name: str) -> bool:
        """Return whether ``name.npz`` exists."""
        return (self.path / f"{name}.npz").is_file()


def _instead(path: Path) -> str:
    """Return what a path is if not a run folder, and what was probably meant."""
    if path.is_file():
        return (
            f" but a file. To evaluate it: edgeclf evaluate {path} DATA" if path.suffix == ".tflite" else " but a file."
        )
    if not path.exists():
        siblings = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
        near = near_names(path, [item.name for item in siblings if is_run_folder(item)])
        return f": there is no such folder.{near or ' Train with: edgeclf train DATA'}"
    if runs := [item for item in sorted(path.iterdir()) if is_run_folder(item)]:
        return f", but it contains some. Pass one of them: {', '.join(map(str, runs[:3]))}"
    return f" (no config.toml). Train with: {shlex.join(['edgeclf', 'train', str(path)])}"


def new_folder(data: SourcePaths) -> Path:
    """Return ``runs/NAME-N`` with the first free N; NAME is the name of the first source."""
    data = paths_of(data)[0]
    stem = (data.stem if data.is_file() else data.resolve().name) or "run"
    number = 1
    while (Path("runs") / f"{stem}-{number}").exists():
        number += 1
    return Path("runs") / f"{stem}-{number}"


def _read_config(file: Path) -> tuple[TrainConfig, SourcePaths]:
    table = configure(TrainTable, {}, file)
    if table.data is None:
        raise ValueError("train.data is missing")
    return table.config(), table.data


def _read_old(file: Path) -> tuple[TrainConfig, Path]:
    content = json.loads(file.read_text("utf-8"))
    options = dict(content["options"])
    if options.pop("head_only", False):
        options["tune"] = "head"
    return make_config({"jpeg": "full", **in_new_names(options, OPTIONS, VALUES)[0]}), Path(content["data"])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
