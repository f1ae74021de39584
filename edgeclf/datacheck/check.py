"""Check labelled photographs for problems before training on them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.data.division import FEWEST
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.grouping import Grouping
from edgeclf.data.image_cache import Pictures, decode
from edgeclf.data.leakage import leaks
from edgeclf.data.near_duplicates import exact_groups, members
from edgeclf.data.nothing import classes_text
from edgeclf.data.skipped import no_readable
from edgeclf.data.sources import SourcePaths, read_source, refuse_inside, shown
from edgeclf.datacheck.labels import doubted, folds, judged
from edgeclf.framework_errors import start_tensorflow
from edgeclf.frameworks import device_in_use, seed_everything
from edgeclf.model.backbones.registry import backbone
from edgeclf.model.network import build_classifier
from edgeclf.progress import Reporter
from edgeclf.training.linear_probe import features
from edgeclf_converters.distribution import Distribution
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.system.plain_text import counted

__all__ = ["Check", "Finding", "check"]

_BACKBONE = "efficientnet-lite0"
_UNBALANCED = 3.0  # ratio of images in the largest class to the smallest
_TINY = 64  # shorter side, in pixels
_LONG = 3.0  # ratio of the longer side to the shorter

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Finding:
    """One kind of problem.

    Attributes:
        kind: its name for programs.
        text: the problem in one line, with its count.
        way_out: what to do about it.
        groups: the files of each case: copies of an image, or a single file.
        notes: a short note on each case.
    """

    kind: str
    text: str
    way_out: str
    groups: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Check:
    """All problems found in a source; ``counts`` has the number of readable images by label."""

    source: str
    data: Dataset
    counts: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def classes(self) -> str:
        """Number of classes as text; images of nothing are named separately."""
        return classes_text(list(self.counts))

    def to_json(self) -> str:
        """Return all findings with all their files as JSON."""
        content = {
            "source": self.source,
            "pictures": sum(self.counts.values()),
            "counts": self.counts,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return json.dumps(content, indent=1, ensure_ascii=False)

    def text(self) -> str:
        """Return the findings as text, a few lines each."""
        lines = [f"{self.source}: {counted(sum(self.counts.values()), 'image')} of {self.classes}."]
        for finding in self.findings:
            lines += [f"- {finding.text}", *(f"    {_case(*case)}" for case in _first(finding)), f"  {finding.way_out}"]
        return "\n".join(lines if self.findings else [*lines, "No problems found."])


def check(source: SourcePaths, folder: Path, reporter: Reporter) -> Check:
    """Find unreadable files, copies, doubtful labels, rare classes and unusual sizes.

    Args:
        source: see ``edgeclf.data.sources.read_source``.
        folder: the report's folder, which also holds decoded images during the check.
        reporter: shows the progress.

    Raises:
        DataError: the source cannot be used or has no readable image, or the folder is inside it.
    """
    refuse_inside(source, folder)
    with reporter.bar("Listing", 0):
        listed, skipped = read_source(source, reporter.say)
    start_tensorflow(reporter)
    seed_everything(0)
    network, fingerprints = backbone(_BACKBONE), Fingerprints.of(len(listed.files))
    reporter.say(f"Computing on {device_in_use()}.")
    rule = Preprocessing(network.size, network.size, mean=network.mean, std=network.std)
    pictures, unread = decode(listed, rule, 0, folder / ".pictures", reporter, fingerprints)
    with pictures:
        if not fingerprints.readable.any():
            raise no_readable(listed.root, sorted([*skipped, *unread], key=lambda item: item.file))
        with reporter.bar("Comparing", 0):
            grouping = Grouping(listed, fingerprints, "near")
            data = grouping.grouped()
        findings = [
            *_unreadable(skipped, unread),
            *_copies(data, fingerprints, grouping),
            *_labels(data, fingerprints, pictures, reporter),
            *_balance(data, fingerprints),
            *_sizes(data, fingerprints),
        ]
    counts = np.bincount(data.targets[fingerprints.readable], minlength=len(data.labels)).tolist()
    return Check(shown(source), data, dict(zip(data.labels, counts, strict=True)), tuple(findings))


def _unreadable(skipped: Sequence[Skipped], unread: Sequence[Skipped]) -> Iterator[Finding]:
    if skipped or unread:
        items = sorted([*skipped, *unread], key=lambda item: item.file)
        yield Finding(
            "unreadable",
            f"{counted(len(items), 'file')} cannot be used.",
            "Training skips them. Copy them again from their source, convert them to JPEG, move them into the "
            "folder of a class, or delete them.",
            tuple((item.file,) for item in items),
            tuple(item.reason_alone for item in items),
        )


def _copies(data: Dataset, fingerprints: Fingerprints, grouping: Grouping) -> Iterator[Finding]:
    exact = members(exact_groups(fingerprints))
    if exact:
        text = f"{_images(exact)} are identical files."
        yield _group_finding("exact-duplicates", text, "Keep one of each group and delete the others.", data, exact)
    same = {tuple(rows) for rows in exact}
    near = [rows for rows in members(grouping.near) if tuple(rows) not in same]
    if near:
        text = f"{_images(near)} are near-duplicates."
        advice = "Nothing to do: training keeps each group in one part of the split."
        yield _group_finding("near-duplicates", text, advice, data, near)
    across = leaks(data)
    if across:
        text = f"{_images(across)} of duplicates are in more than one part of the split."
        advice = "Accuracy will look too good: move each group into one part."
        yield _group_finding("across-parts", text, advice, data, across)
    conflicts = grouping.conflicts()
    if conflicts:
        text = f"{_images(conflicts)} are the same photograph under different labels."
        advice = "One of the labels is wrong: look at the images and move each to its class."
        yield _group_finding("two-labels", text, advice, data, conflicts)


def _labels(data: Dataset, fingerprints: Fingerprints, pictures: Pictures, reporter: Reporter) -> Iterator[Finding]:
    rows = np.flatnonzero(fingerprints.readable)
    counts = np.bincount(data.targets[rows], minlength=len(data.labels))
    rows = rows[counts[data.targets[rows]] >= FEWEST]
    labels, targets = np.unique(data.targets[rows], return_inverse=True)
    if len(labels) < 2:
        return
    parts = folds(targets, data.groups[rows])
    if not parts:
        return reporter.say("Labels were not checked: nearly all images of a class are near-duplicates.")
    network = backbone(_BACKBONE)
    model = build_classifier(network, None, len(labels))
    network.load(model, _BACKBONE, None)
    computed = features(model, pictures.inputs, rows, network, Distribution(), reporter)
    with reporter.bar("Checking labels", 0):
        doubts = doubted(judged(computed, targets, parts), targets)
    if doubts:
        names = [data.labels[label] for label in labels]
        yield Finding(
            "labels",
            f"{counted(len(doubts), 'label')} may be wrong ({len(doubts) / len(rows):.1%}), most likely first.",
            "Look at each image and move it to its class, or leave it.",
            tuple((data.files[rows[doubt.row]],) for doubt in doubts),
            tuple(
                f"is {names[targets[d.row]]} ({d.own:.0%}), rather {names[d.rather]} ({d.probability:.0%})"
                for d in doubts
            ),
        )


def _balance(data: Dataset, fingerprints: Fingerprints) -> Iterator[Finding]:
    trained = fingerprints.readable & np.isin(data.parts, ("", "train"))
    counts = np.bincount(data.targets[trained], minlength=len(data.labels))
    few = [f"{label} ({count})" for label, count in zip(data.labels, counts, strict=True) if count < FEWEST]
    if few:
        text = f"Too few images to train on (fewer than {FEWEST}): {', '.join(few)}."
        yield Finding("too-few", text, "Training will be refused: add images or remove the class.")
    rare, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] > _UNBALANCED * counts[rare]:
        text = (
            f"Unbalanced classes: {counts[rare]} of {data.labels[rare]!r}, {counts[most]} of {data.labels[most]!r} "
            f"({counts[most] / max(1, counts[rare]):.1f} times as many)."
        )
        advice = "Training gives rare classes more weight; more images of them help more."
        yield Finding("unbalanced", text, advice)


def _sizes(data: Dataset, fingerprints: Fingerprints) -> Iterator[Finding]:
    rows = np.flatnonzero(fingerprints.readable)
    short, long = fingerprints.sizes[rows].min(axis=1), fingerprints.sizes[rows].max(axis=1)
    odd = {"tiny": short < _TINY, "long": long > _LONG * short}
    texts = {
        "tiny": (f"smaller than {_TINY} pixels", "Use the original images, or train with a smaller --size."),
        "long": (
            f"more than {_LONG:.0f} times as long as wide",
            "Training will squeeze them: crop them to the object.",
        ),
    }
    for kind, (text, advice) in texts.items():
        chosen = rows[odd[kind]]
        if len(chosen):
            middle = f"; the median shorter side is {int(np.median(short))} pixels" if kind == "tiny" else ""
            notes = tuple(f"{fingerprints.sizes[row][1]}x{fingerprints.sizes[row][0]}" for row in chosen)
            files = tuple((data.files[row],) for row in chosen)
            yield Finding(
                kind,
                f"{counted(len(chosen), 'image')} {'is' if len(chosen) == 1 else 'are'} {text}{middle}.",
                advice,
                files,
                notes,
            )


def _group_finding(kind: str, text: str, advice: str, data: Dataset, groups: Sequence[Indices]) -> Finding:
    files = tuple(tuple(data.files[row] for row in rows) for rows in groups)
    return Finding(kind, text, advice, files, tuple(_note(data, rows) for rows in groups))


def _note(data: Dataset, rows: Indices) -> str:
    """Return the labels and parts of a group, each once."""
    labels = sorted({data.labels[data.targets[row]] for row in rows})
    parts = sorted({data.parts[row] for row in rows} - {""})
    return "; ".join(filter(None, (", ".join(labels), ", ".join(parts))))


def _images(groups: Sequence[Indices]) -> str:
    return f"{counted(sum(map(len, groups)), 'image')} in {counted(len(groups), 'group')}"


def _first(finding: Finding) -> list[tuple[tuple[str, ...], str]]:
    return list(zip(finding.groups, finding.notes, strict=True))[:3]


def _case(files: tuple[str, ...], note: str) -> str:
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"{', '.join(files[:3])}{more}: {note}"
