"""``edgeclf teach``."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.commands.options import Opener, model_options
from edgeclf_runtime.system.plain_text import counted, plain, printable

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.learning.image_features import ImageFeatures
    from edgeclf_runtime.learning.judgement import ClassJudgement, Judgement
    from edgeclf_runtime.learning.photographs import Photographs
    from edgeclf_runtime.learning.teaching import Kept

__all__ = ["teach"]

_SHOWN = 5  # mistakes


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Model file to write.")
@click.option("--keep", is_flag=True, help="Keep the classes of BASE and add those of PHOTOS.")
@click.option("--keep-exact", is_flag=True, help="As --keep, but do not change the logits of the classes of BASE.")
@model_options
def teach(open_model: Opener, base: Path, photos: Path, output: Path, keep: bool, keep_exact: bool) -> None:
    """Teach BASE the classes of PHOTOS, in seconds.

    PHOTOS has one sub-folder of images per class; about ten images per class are enough. Only the last layer of the
    network is fitted. BASE is any model file of edgeclf, such as one from `edgeclf export --pretrained`.
    """
    from edgeclf_runtime.commands.output import check_output
    from edgeclf_runtime.learning.photographs import list_photographs
    from edgeclf_runtime.learning.taught_file import write_taught
    from edgeclf_runtime.learning.teaching import Base, check_teachable, more_labels, teach, teach_more

    check_output(output)
    started = time.monotonic()
    keep = keep or keep_exact
    with interruptible(lambda: f"; {output} was not written. Start again with the same command."):
        photographs = list_photographs(photos, fewest=1 if keep else 2)
        check_teachable(base)
        with open_model(base, features=True) as classifier:
            beginning = Base.of(classifier, keep=keep)
            labels = photographs.labels
            if keep:
                labels = more_labels(beginning, labels, exact=keep_exact)
                photographs = photographs.with_labels(labels)
            examples = _looked(classifier, photographs)
        seen = time.monotonic()
        if keep:
            taught = teach_more(beginning, examples, labels, output.stem, exact=keep_exact)
        else:
            taught = teach(beginning, examples, labels, output.stem)
        fitted = time.monotonic()
        size = write_taught(output, taught, beginning, examples)
    for line in (*_report(taught.judgement, examples, photos), *_kept(taught.kept)):
        click.echo(line)
    spent = f"in {time.monotonic() - started:.1f} s (images {seen - started:.1f} s, last layer {fitted - seen:.1f} s)"
    click.echo(f"Wrote {output} ({size / 1e6:.2f} MB) {spent}")
    click.echo(f"Next: {shlex.join(['edgeclf', 'run', str(output)])} --source 0")


def _looked(classifier: Classifier, photographs: Photographs) -> ImageFeatures:
    """Compute the photographs' features, and report what was left out."""
    from edgeclf_runtime.learning.image_features import look

    if photographs.loose:
        loose = counted(photographs.loose, "image")
        click.echo(f"Left out {loose} next to the classes' folders: move them into one.", err=True)
    if sys.stderr is not None and sys.stderr.isatty():
        with click.progressbar(length=len(photographs.files), label="Images", file=sys.stderr) as bar:
            examples = look(classifier, photographs, bar.update)
    else:
        examples = look(classifier, photographs, lambda images: None)
    for reason in examples.unreadable:
        click.echo(f"Left out: {reason} Replace or remove it.", err=True)
    return examples


def _report(judgement: Judgement, examples: ImageFeatures, photos: Path) -> Iterator[str]:
    """Yield lines on how certain the new model is."""
    from edgeclf_runtime.learning.judgement import wilson

    alike = len(examples.files) - len(set(examples.groups.tolist()))
    near = f"; {counted(alike, 'near-duplicate')} left out with the original" if alike else ""
    yield f"{counted(len(examples.files), 'image')} of {counted(len(judgement.classes), 'class', 'classes')}{near}."
    if judgement.count:
        low, high = wilson(judgement.right, judgement.count)
        share = f"{judgement.right / judgement.count:.1%} of {counted(judgement.count, 'image')} are right"
        yield f"Left out in turn (in {judgement.folds} parts), {share} (95% interval {low:.1%} to {high:.1%})."
    width = max(len(each.label) for each in judgement.classes)
    for each in judgement.classes:
        yield f"  {each.label:<{width}}  {_share(each)}"
    if judgement.mistakes:
        yield "Wrong when left out, the most confident first; check whether they are in the right folder:"
    for mistake in judgement.mistakes[:_SHOWN]:
        file = examples.files[mistake.index].relative_to(photos)
        yield f"  {plain(printable(file))}: answered {mistake.answer} ({mistake.score:.0%})"
    if (needed := judgement.needed) is not None:
        yield f"Ten more images of {needed.label} would help most."


def _kept(kept: Kept | None) -> Iterator[str]:
    """Yield lines on what became of the existing classes."""
    if kept is None:
        return
    typical, classes = counted(kept.count, "typical image"), counted(kept.classes, "class", "classes")
    shares = f"{kept.after / kept.count:.1%} of their {typical} are right ({kept.before / kept.count:.1%} before)"
    yield f"Kept {classes} of BASE: {shares}."
    if kept.saturated:
        exceed = "exceeds" if kept.saturated == 1 else "exceed"
        yield (
            f"{counted(kept.saturated, 'image')} of the new classes {exceed} the range of logits that --keep-exact "
            "keeps, so the scores are lower than they could be. --keep adapts the range."
        )
    if kept.known:
        yield f"BASE was made from at least {kept.known} of these images, so the share that is right is too good."


def _share(each: ClassJudgement) -> str:
    if each.right is None:
        images = "one image" if each.count == 1 else f"{each.count} near-duplicates of one image"
        return f"{images}, so it cannot be judged"
    return f"{each.right} of {each.count} right"
