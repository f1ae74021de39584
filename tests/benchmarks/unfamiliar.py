"""Unfamiliar images: how well each method tells them from a model's own, by the features of its int8 file.

python -m tests.benchmarks.unfamiliar FOLDER... [--seeds 0,1,2] [--size 224] [--foreign FOLDER] [--ready] [--out RUNS]

Each FOLDER (TrashNet, pets) holds train/ and test/. A network is trained on train/ as ``edgeclf train`` does, and
exported. Far: the other FOLDERs, and drawn images. Near: a class of the first FOLDER that a training left out. Methods
are fitted on the training's train part and calibrated on its validation part. "choose" uses train/ of the other FOLDERs
and images drawn with one seed; everything else uses test/, another seed and --foreign. Trainings and features are kept
in --out, so that a stopped benchmark resumes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from tests.benchmarks.photographs import require
from tests.benchmarks.unfamiliar_cells import Cell, Sets
from tests.benchmarks.unfamiliar_methods import COMBINATIONS, METHODS, combined
from tests.benchmarks.unfamiliar_scores import Floats

REJECT = 0.05
_SHOWN = ("best score", "familiarity")  # with --pairs


@dataclass(frozen=True)
class Result:
    """The result of one method, training and set of foreign images; shares are 0..1.

    Attributes:
        part: "train" for sets that the method is chosen by, "test" for sets that are reported.
        count: number of foreign images.
        auroc: of the training's own test images against them.
        accepted: share of them at or above the threshold, which ``REJECT`` of the validation images are below.
        refused: share of the training's own test images below it.
    """

    method: str
    training: Cell
    foreign: str
    part: str
    count: int
    auroc: float
    accepted: float
    refused: float

    @property
    def near(self) -> bool:
        return bool(self.training.left_out)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--near-seeds", default="0,1,2", show_default=True, help='Of trainings without a class; "" for none.')
@click.option("--size", default=224, show_default=True, help="Input height and width in pixels.")
@click.option("--epochs", default=10, show_default=True)
@click.option("--count", default=150, show_default=True, help="Pictures to draw of each set.")
@click.option("--foreign", multiple=True, type=click.Path(path_type=Path), help="A folder of more foreign pictures.")
@click.option("--ready", is_flag=True, help="Only trainings that are in --out.")
@click.option("--pairs", is_flag=True, help=f"Every pair, too, for {' and '.join(_SHOWN)}.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/unfamiliar"), show_default=True)
def main(
    folders: tuple[Path, ...],
    seeds: str,
    near_seeds: str,
    size: int,
    epochs: int,
    count: int,
    foreign: tuple[Path, ...],
    ready: bool,
    pairs: bool,
    out: Path,
) -> None:
    """Print a row for each method: AUROC and share accepted of foreign images, own images refused."""
    for folder in folders:
        require(folder, "train", "test")
    sets, results = Sets(folders, foreign, count), []
    for cell in _cells(folders, _numbers(seeds), _numbers(near_seeds), {"size": size, "epochs": epochs}, out):
        if cell.is_ready or not ready:
            click.echo(cell.name)
            results += _measured(cell, sets)
    if pairs:
        _print_pairs(results)
    _print_methods(results, [folder.name for folder in folders])


def _numbers(listed: str) -> list[int]:
    return [int(number) for number in listed.split(",") if number]


def _cells(
    folders: tuple[Path, ...], seeds: list[int], near_seeds: list[int], options: dict[str, object], out: Path
) -> Iterator[Cell]:
    for seed in seeds:
        for folder in folders:
            yield Cell(folder, "", {**options, "seed": seed}, out)
    for seed in near_seeds:
        for left_out in sorted(path.name for path in (folders[0] / "train").iterdir() if path.is_dir()):
            yield Cell(folders[0], left_out, {**options, "seed": seed}, out)


def _measured(cell: Cell, sets: Sets) -> list[Result]:
    known, own = cell.known(), cell.part("test")
    foreign = {
        (name, part): cell.features(f"{name} {part}", images)
        for part in ("train", "test")
        for name, images in sets.strangers(cell.folder, cell.left_out, part).items()
    }
    every = {("own", "validation"): known.validation, ("own", "test"): own, **foreign}
    scores: dict[str, dict[tuple[str, str], Floats]] = {}
    for method, fit in METHODS.items():
        score = fit(known)
        scores[method] = {key: score(features) for key, features in every.items()}
    validation = {method: values["own", "validation"] for method, values in scores.items()}
    for method, parts in COMBINATIONS.items():
        scores[method] = {
            key: combined(parts, {name: scores[name][key] for name in parts}, validation) for key in every
        }
    found = []
    for method, values in scores.items():
        bound, own_scores = _bound(values["own", "validation"]), values["own", "test"]
        refused = float((own_scores < bound).mean())
        for name, part in foreign:
            others = values[name, part]
            auroc, accepted = _auroc(own_scores, others), float((others >= bound).mean())
            found.append(Result(method, cell, name, part, len(others), auroc, accepted, refused))
    return found


def _bound(validation: Floats) -> float:
    """Return the score that a share of ``REJECT`` of new images of the same kind is below.

    A share of k / (n + 1) is below the k-th of n scores, whatever their distribution; with few, the lowest is used.
    """
    shares = np.arange(1, len(validation) + 1) / (len(validation) + 1)
    return float(np.interp(REJECT, shares, np.sort(validation)))


def _auroc(own: Floats, foreign: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    is_own = np.repeat([1, 0], [len(own), len(foreign)])
    return float(roc_auc_score(is_own, np.concatenate([own, foreign])))


def _print_pairs(results: list[Result]) -> None:
    click.echo(f"\n{'training':<32} {'foreign':<14} {'n':>4}  " + "  ".join(f"{name:>16}" for name in _SHOWN))
    shown = [result for result in results if result.part == "test"]
    for name, foreign in dict.fromkeys((result.training.name, result.foreign) for result in shown):
        same = [result for result in shown if (result.training.name, result.foreign) == (name, foreign)]
        columns = [next(result for result in same if result.method == method) for method in _SHOWN]
        figures = "  ".join(f"{column.auroc:9.3f} {column.accepted:6.1%}" for column in columns)
        click.echo(f"{name:<32} {foreign:<14} {same[0].count:4}  {figures}")


def _print_methods(results: list[Result], folders: list[str]) -> None:
    click.echo(f"\n{'':<52} {'choose':>13}   {'far':<44} {'near':<14} own refused: {', '.join(folders)}")
    click.echo(f"{'':<52} {'far':>6} {'near':>6}   {'AUROC':<6} {'accepted':<8} {'worst pair':<28} AUROC  accepted")
    rows = {method: [result for result in results if result.method == method] for method in [*METHODS, *COMBINATIONS]}
    for method, row in sorted(rows.items(), key=lambda item: -_mean([r.auroc for r in item[1] if r.part == "train"])):
        choose = [_mean([r.auroc for r in row if r.part == "train" and r.near == near]) for near in (False, True)]
        far, near = ([r for r in row if r.part == "test" and r.near == kind] for kind in (False, True))
        worst = max(((r.accepted, f"{r.training.folder.name}/{r.foreign}") for r in far), default=(0.0, ""))
        refused = [_mean([r.refused for r in far if r.training.folder.name == name]) for name in folders]
        click.echo(
            f"{method:<52} {choose[0]:6.3f} {choose[1]:6.3f}   {_mean([r.auroc for r in far]):<6.3f} "
            f"{_mean([r.accepted for r in far]):<8.1%} {worst[0]:6.1%} {worst[1]:<21} "
            f"{_mean([r.auroc for r in near]):<6.3f} {_mean([r.accepted for r in near]):<8.1%} "
            + " ".join(f"{share:6.1%}" for share in refused)
        )


def _mean(values: list[float]) -> float:
    """Return the mean; NaN if there are no values."""
    return float(np.mean(values)) if values else float("nan")


if __name__ == "__main__":
    main()
