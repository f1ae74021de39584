"""README and docs: links lead somewhere, options exist, and each block is run (``make test-docs``) or says why not."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import tomllib

import edgeclf.api
from edgeclf.config.file import TABLES
from edgeclf_runtime.cli import cli
from edgeclf_runtime.config.settings import settings
from tests.contract.test_rooms import FLOORS, FOLDERS
from tests.docs.blocks import PAGES, ROOT, Block, blocks

each_document = pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?s)```.*?```", "", path.read_text("utf-8")))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_document
def test_links_in_a_document_lead_somewhere(document: Path) -> None:
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
def test_commands_in_a_document_have_the_options_shown(document: Path) -> None:
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


@pytest.mark.parametrize("package", FOLDERS)
def test_the_architecture_lists_the_rooms_from_the_top_down(package: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    listed = re.findall(r"(?m)^\| `(\w+)/`", text.partition(f"### {package}\n")[2].partition("\n#")[0])
    height = {room: floor for floor, rooms in enumerate(FLOORS[package]) for room in rooms.split()}
    assert set(listed) == {path.parent.name for path in FOLDERS[package].glob("*/__init__.py")}
    assert listed == sorted(listed, key=lambda room: -height[room])


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200


@each_document
def test_each_block_is_run_or_says_why_not(document: Path) -> None:
    for block in blocks(document.read_text("utf-8")):
        at = f"{document.name}, line {block.line}"
        assert block.reason is None or len(block.reason.split()) >= 3, f"{at}: name a reason"
        if block.language == "text":
            assert not re.search(r"(?m)^(edgeclf|make|pip|python3?|sudo|git) ", block.text), f"{at}: indent commands"
        else:
            assert block.language in ("shell", "python", "toml") or block.reason, f"{at}: nothing runs {block.language}"


@each_document
def test_tests_named_in_a_mark_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for reason in filter(None, (block.reason for block in blocks(document.read_text("utf-8")))):
        assert all((ROOT / name).exists() for name in re.findall(r"\b(?:tests|examples)/[\w/]+\.py", reason)), reason
        assert all(f"\n{name}" in makefile for name in re.findall(r"\bmake ([a-z-]+)", reason)), reason


@each_document
def test_config_files_in_a_document_are_valid(document: Path) -> None:
    for block in blocks(document.read_text("utf-8")):
        if block.language == "toml":
            content = tomllib.loads(block.text)
            tables = {name: TABLES[name].model_validate(table) for name, table in content.items() if name in TABLES}
            rest = {name: value for name, value in content.items() if name not in tables}
            assert not (tables and rest), f"{document.name}, line {block.line}"
            settings(rest, {}, document.name)


def test_a_block_is_found_with_its_mark() -> None:
    page = "Text:\n\n    one   # two\n\n    three\n\n<!-- not run: needs a Pi -->\n    four\n\n```toml\n[x]\n```\n"
    assert blocks(page) == [
        Block(3, "shell", "one   # two\n\nthree", None),
        Block(8, "shell", "four", "needs a Pi"),
        Block(10, "toml", "[x]", None),
    ]
    with pytest.raises(ValueError, match="line 3"):
        blocks("<!-- not run: needs a Pi -->\n\nText.\n")


def test_the_python_page_names_each_function() -> None:
    listed = set(re.findall(r"(?m)^\| `(\w+)\(", (ROOT / "docs" / "python.md").read_text("utf-8")))
    functions = {name for name in edgeclf.api.__all__ if name.islower()}
    assert listed == functions - {"export_run"}  # the old name of export
