"""``edgeclf sort``."""

from __future__ import annotations

import shlex
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.commands.options import Opener, model_options, tls_option
from edgeclf_runtime.commands.page import class_names, server_context, terminated
from edgeclf_runtime.system.plain_text import counted, plain, printable

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.sorting.pile import Pile

__all__ = ["sort"]


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--into",
    "photos",
    type=click.Path(path_type=Path),
    metavar="PHOTOS",
    help="Folder with the class folders to move images to (default: FOLDER).",
)
@click.option("--model", type=click.Path(path_type=Path), help="Model file that proposes classes.")
@click.option("--classes", callback=class_names, default="", metavar="A,B,...", help="Offer these classes, too.")
@click.option(
    "--web", default="8080", show_default=True, metavar="[HOST:]PORT", help="Address of the page; see edgeclf run."
)
@tls_option
@model_options
def sort(
    open_model: Opener,
    folder: Path,
    photos: Path | None,
    model: Path | None,
    classes: list[str],
    web: str,
    tls: tuple[str, str] | None,
) -> None:
    """Sort images into class folders, on a web page.

    The page shows the images of FOLDER, which may be a folder of snapshots, in groups of similar images, the least
    familiar first. A click moves a group to PHOTOS/CLASS/, as edgeclf train expects.
    """
    from edgeclf_runtime.web import check_installed

    check_installed()
    from edgeclf_runtime.sorting.looking import Looking
    from edgeclf_runtime.sorting.pile import Pile
    from edgeclf_runtime.web.sort_page import SortPage

    with ExitStack() as stack:
        classifier: Classifier | None = None
        if model is not None:
            classifier = stack.enter_context(open_model(model, features=True))
        pile = Pile(folder, photos or folder, classifier.card.labels if classifier else (), classes)
        looking = Looking(pile, classifier)
        stack.callback(looking.close)
        page = SortPage(pile, looking, model.name if model else "", web, tls=server_context(tls))
        stack.callback(page.close)
        click.echo(f"{counted(looking.refresh(), 'image')}. Open {page.invitation} and press Ctrl-C to stop.", err=True)
        with terminated(), suppress(KeyboardInterrupt):
            threading.Event().wait()
    _report(pile)


def _report(pile: Pile) -> None:
    """Print how many images each class has, and the next step."""
    from edgeclf_runtime.web.picture_counts import PictureCounts

    counter = PictureCounts()
    counts = {name: counter.count(pile.photos / name) for name in pile.folders()}
    sorted_ones = ", ".join(f"{plain(printable(name))} {count}" for name, count in counts.items() if count)
    click.echo(f"{pile.photos}: {sorted_ones or 'no images sorted'}; {counted(len(pile.listed()), 'image')} left.")
    if sum(map(bool, counts.values())) > 1:
        click.echo(f"Next: edgeclf train {shlex.quote(str(pile.photos))}")
