"""README and docs: their links lead somewhere, and their commands have the options that are written there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from edgeclf_runtime.cli import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?s)```.*?```", "", path.read_text("utf-8")))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_document
def test_its_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text("utf-8")):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def _options(command: click.Command) -> set[str]:
    own = {word for option in command.params for word in (*option.opts, *option.secondary_opts)}
    return own.union({"--help", "-h", "--version"}, *map(_options, getattr(command, "commands", {}).values()))


@each_document
def test_its_commands_have_the_options_that_it_writes(document: Path) -> None:
    text = document.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"(?m)^    (?:sudo \S+ |srun |\")*(edgeclf [a-z].*)$", text) + re.findall(
        r"`(edgeclf [a-z][^`]*)`", text
    )
    for line in lines:
        words = line.partition("  #")[0].split()
        command = cli.get_command(click.Context(cli), words[1])
        assert command is not None, line
        options = [word.partition("=")[0] for word in words[2:] if re.fullmatch(r"--?[a-z][a-z0-9-]*(=.*)?", word)]
        assert set(options) <= _options(command), line


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200
