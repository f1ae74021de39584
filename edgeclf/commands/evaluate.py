"""``edgeclf evaluate``."""

from __future__ import annotations

import json
import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf.commands.options import verbose_option
from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.commands.options import Opener, model_options, say_if_nothing_is_refused

if TYPE_CHECKING:
    from edgeclf.evaluation.label_sets import SetEvaluation
    from edgeclf.evaluation.measuring import Measurement
    from edgeclf.evaluation.page import Evaluation
    from edgeclf.evaluation.under_faults import UnderFaults

__all__ = ["evaluate"]

_PATH = click.Path(path_type=Path)
_HARM = 3.0  # percentage points lost, from which a fault is worth advice
_ADVICE = 5  # lines


@click.command()
@click.argument("model", type=_PATH, metavar="MODEL|RUN")
@click.argument("data", type=_PATH, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--page",
    type=_PATH,
    metavar="FILE.html",
    help="Write a page with the confusion matrix and the misclassified images.",
)
@click.option(
    "--whole", is_flag=True, help="Treat DATA as uncropped camera images: rotate and crop them as the model file says."
)
@click.option(
    "--reject",
    type=click.FloatRange(0, 1),
    help="Refuse unfamiliar images; up to this share of familiar images may be refused, too (default: stored in the "
    "model; 0 turns it off).",
)
@click.option(
    "--camera-faults",
    is_flag=True,
    help="Also measure the accuracy under 16 camera faults, such as blur and darkness, on up to 200 of the images.",
)
@click.option(
    "--against",
    type=_PATH,
    metavar="MODEL|RUN",
    help="Compare with this model on the same images; exit with status 1 if MODEL is worse.",
)
@verbose_option
@model_options
def evaluate(
    open_model: Opener,
    model: Path,
    data: Path | None,
    as_json: bool,
    page: Path | None,
    whole: bool,
    reject: float | None,
    camera_faults: bool,
    against: Path | None,
    verbose: bool,
) -> None:
    """Measure the accuracy of a model file on labelled images.

    RUN is the folder of a training, whose int8 model is evaluated. DATA is a folder with one sub-folder of images per
    label, a CSV file of file,label[,part], or a folder of shards; if it is split, its test part is used. Without DATA,
    the run's own test part is used. Images of none of the classes have the label _none; the right answer to them is
    "unknown". For a model with several labels per image, DATA is a CSV file of file,label|label.

    With --against, MODEL is worse if the accuracy on the common classes is lower (the 95% interval of the difference is
    below 0), if one of these classes loses significantly, or if a class is missing. New classes are shown, but not
    judged.
    """
    if page is not None:
        _check_page(page)
    from edgeclf.evaluation.label_sets import SetEvaluation

    with interruptible(lambda: "; nothing was written. Start again with the same command."):
        evaluation = _evaluated(open_model, model, data, page, whole, reject, camera_faults, against)
    for item in evaluation.outcome.skipped:
        click.echo(f"Skipped: {item.reason}", err=True)
    if evaluation.warning:
        click.echo(f"Warning: {evaluation.warning}", err=True)
    if isinstance(evaluation, SetEvaluation):
        click.echo(json.dumps(evaluation.content(), ensure_ascii=False) if as_json else evaluation.text())
        return
    click.echo(json.dumps(evaluation.content(), ensure_ascii=False) if as_json else _text(evaluation, verbose))
    if page is not None:
        _write_page(page, evaluation, as_json)
    if evaluation.comparison is not None and evaluation.comparison.losses:
        raise click.exceptions.Exit(1)


def _evaluated(
    open_model: Opener,
    path: Path,
    source: Path | None,
    page: Path | None,
    whole: bool,
    reject: float | None,
    camera_faults: bool,
    against: Path | None,
) -> Evaluation | SetEvaluation:
    from edgeclf.evaluation import evaluate as on
    from edgeclf.evaluation.against import compare_models
    from edgeclf.evaluation.label_sets import SetEvaluation, label_set_images, measure_label_sets
    from edgeclf.evaluation.matched_labels import MatchedLabels
    from edgeclf.evaluation.measuring import measure_dataset
    from edgeclf.evaluation.page import Evaluation
    from edgeclf.evaluation.under_faults import measure_under_faults
    from edgeclf.progress import Terminal
    from edgeclf.runs.run import Run
    from edgeclf.runs.seen import seen_in_training
    from edgeclf_runtime.decision.decision import DecisionRule
    from edgeclf_runtime.errors import UsageError
    from edgeclf_runtime.system.plain_text import printable

    reporter = Terminal()
    if source is not None and source.suffix == ".tflite" and path.is_dir():
        raise UsageError(f"MODEL comes first: {shlex.join(['edgeclf', 'evaluate', str(source), str(path)])}")
    run = Run.open(path) if path.is_dir() else None
    if run is None and source is None:
        raise UsageError("Give DATA, the images to evaluate on; only a run has a test part of its own.")
    if whole and source is None:
        raise UsageError("--whole needs DATA; a run's test part is always prepared as in its training.")
    model = path if run is None else on.model_of_run(run)
    if run is not None and (stale := on.about_stale(run, model)):
        click.echo(f"Warning: {stale}", err=True)
    with ExitStack() as opened:
        classifier = opened.enter_context(open_model(model))
        if classifier.card.has_several_labels:
            given = {"--page": page, "--whole": whole, "--reject": reject, "--against": against}
            if wrong := [name for name, value in {**given, "--camera-faults": camera_faults}.items() if value]:
                raise UsageError(f"{', '.join(wrong)}: not available for a model with several labels per image.")
            name, data = label_set_images(source or Run.open(path), classifier.card)
            return SetEvaluation(printable(model), name, measure_label_sets(classifier, data, reporter))
        say_if_nothing_is_refused(classifier, reject)
        old = opened.enter_context(open_model(on.model_file(against))) if against is not None else None
        if old and against and against.is_dir() and (stale := on.about_stale(Run.open(against), old.path)):
            click.echo(f"Warning: {stale}", err=True)
        matched = MatchedLabels(classifier.card, old.card) if old is not None else None
        card = classifier.card if matched is None else matched.card
        if source is not None:
            images = on.images_of_source(source, card)
            images = on.as_whole(images, card, printable(model)) if whole else images
        else:
            assert run is not None
            images = on.images_of_run(run, card)
        rule, every = DecisionRule(reject=reject), images.data
        if matched is not None:
            matched.check(every)
            images = replace(images, data=matched.images(every, classifier.card, matched.new))
        outcome = measure_dataset(classifier, images.data, reporter, rule=rule)
        comparison = compare_models(outcome, old, matched, every, reporter, rule) if old and matched else None
        faults = measure_under_faults(classifier, images.data, reporter, rule) if camera_faults else None
        seen = None
        with reporter.bar("Comparing with training", 0):
            if run is not None and source is not None:
                seen = seen_in_training(run, images.data)
            if comparison is not None and against is not None and against.is_dir():
                comparison = replace(comparison, seen=sum(seen_in_training(Run.open(against), every).values()))
    return Evaluation(printable(model), images, outcome, seen, faults, comparison)


def _text(evaluation: Evaluation, verbose: bool) -> str:
    from rich.cells import cell_len, set_cell_size

    from edgeclf.metrics.confusion import confusion_lines
    from edgeclf_runtime.system.plain_text import counted, plain

    score, lines = evaluation.outcome.score, []
    classes = [item for item in evaluation.classes if item.recall is not None]
    width = max(cell_len(item.label) for item in classes)
    for item in classes:
        precision = "no answer" if item.precision is None else f"{item.precision:6.1%}"
        interval = f" (95% interval {item.low:6.1%} to {item.high:6.1%})" if verbose else ""
        label = set_cell_size(item.label, width)
        lines.append(f"{label}  {item.recall:6.1%} of {item.support:>4}{interval}, precision {precision}")
    lines += confusion_lines(score.confusion, evaluation.labels)
    lines += _refusal_lines(evaluation.outcome)
    interval = f"95% interval {score.low:.1%} to {score.high:.1%}"
    others = f"mean over classes {score.balanced:.2%}"
    if len(evaluation.labels) > 5:
        others += f"; top-5 accuracy {score.top5:.2%}"
    if verbose:
        others += f"; log loss {score.log_loss:.3f}"
    lines.append(
        f"{evaluation.images.name}: {score.accuracy:.2%} of {counted(score.count, 'image')} right ({interval}); "
        f"{others}; {evaluation.outcome.milliseconds:.1f} ms per image"
    )
    lines += _fault_lines(evaluation.faults) if evaluation.faults is not None else []
    lines += ["", *evaluation.comparison.lines()] if evaluation.comparison is not None else []
    return "\n".join(map(plain, lines))


def _refusal_lines(outcome: Measurement) -> list[str]:
    refusals, lines = outcome.refusals, []
    if refusals.count and (refusals.refused or outcome.familiarity is not None):
        share = f"{refusals.refused} of {refusals.count} ({refusals.refused / refusals.count:.1%})"
        reasons = f"{refusals.unfamiliar} unfamiliar, {refusals.undecided} undecided"
        others = f"; of the others {refusals.accuracy:.2%} are right" if refusals.accuracy is not None else ""
        lines.append(f'Answered "unknown": {share}, {reasons}{others}')
    if refusals.nothing:
        share = f"{refusals.nothing_refused} of {refusals.nothing} ({refusals.nothing_refused / refusals.nothing:.1%})"
        lines.append(f'Images of none of the classes answered "unknown": {share}')
    return lines


def _fault_lines(faults: UnderFaults) -> list[str]:
    from edgeclf_runtime.system.plain_text import counted

    content, figures = faults.content(), faults.figures
    clean, total = content["clean"], faults.total
    drawn = f" of {total}, drawn with seed {faults.seed}" if len(faults.files) < total else ""
    named = [f"{item.fault}, {item.strength}" for item in figures]
    width = max(map(len, named))
    head = f"Camera faults, {counted(len(faults.files), 'image')}{drawn}"
    lines = ["", f"{head:<{width}}   right  points lost (95% interval)  mean score  unknown"]
    lines.append(f"{'none':<{width}}  {clean['accuracy']:6.1%}{clean['confidence']:41.2f}  {clean['refused']:7.1%}")
    for name, item in zip(named, figures, strict=True):
        lost = f"{item.lost:6.1f} ({item.low:5.1f} to {item.high:5.1f})"
        lines.append(f"{name:<{width}}  {item.accuracy:6.1%}  {lost:<27}  {item.confidence:10.2f}  {item.refused:7.1%}")
    for name, (accuracy, lost_points, low, high) in (
        ("Mean of 13 faults", faults.reference),
        ("Mean of the faults that --camera never draws", faults.held_out),
    ):
        lines.append(f"{name}: {accuracy:.1%} right, {lost_points:.1f} points lost ({low:.1f} to {high:.1f})")
    worst = dict.fromkeys(item.fault for item in figures if item.low > 0 and item.lost >= _HARM)
    advice = {item.fault: item.advice for item in figures}
    return lines + [f"{name}: {advice[name]}" for name in list(worst)[:_ADVICE]]


def _check_page(page: Path) -> None:
    """Check the page's path before the work starts: a page must not overwrite a model or an image."""
    from edgeclf_converters.export import check_target
    from edgeclf_runtime.errors import UsageError

    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--page {page}: expected a name that ends in .html.")
    check_target(page)


def _write_page(page: Path, evaluation: Evaluation, as_json: bool) -> None:
    from edgeclf.evaluation.page import render_evaluation
    from edgeclf.progress import Terminal
    from edgeclf_runtime.system.atomic_file import write_text
    from edgeclf_runtime.system.native_lines import without_codec_lines

    with without_codec_lines(), Terminal().bar("Writing the page", 0):
        write_text(page, render_evaluation(evaluation))
    click.echo(f"Page: {page}", err=as_json)  # with --json, only JSON goes to standard output
