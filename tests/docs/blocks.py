"""The blocks of a page of the documentation: its commands, code and files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "blocks"]

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_MARK = re.compile(r"<!-- not run: (.*?) -->")
_FENCE = re.compile(r"```(\w*)$")


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        line: the page's line, from 1, where the block begins.
        language: ``shell`` for an indented block; otherwise the fence's word: ``text`` for listings and output.
        text: its content, without the indentation.
        reason: why it is not run, from the mark before it; None if it is run.
    """

    line: int
    language: str
    text: str
    reason: str | None


def blocks(page: str) -> list[Block]:
    """Return all blocks of a page, from top to bottom.

    An indented block begins after an empty line or a mark, and continues over empty lines.

    Raises:
        ValueError: no block follows a mark, or a fence is not closed.
    """
    result: list[Block] = []
    lines = page.splitlines()
    number, reason, free = 0, None, True
    while number < len(lines):
        line = lines[number]
        begin = number
        if mark := _MARK.fullmatch(line):
            reason, free = mark[1], True
            number += 1
        elif fence := _FENCE.fullmatch(line):
            number = lines.index("```", begin + 1)  # a ValueError if it is not closed
            result.append(Block(begin + 1, fence[1] or "text", "\n".join(lines[begin + 1 : number]), reason))
            number, reason, free = number + 1, None, False
        elif free and line.startswith("    "):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number]):
                number += 1
            text = "\n".join(line[4:] for line in lines[begin:number]).rstrip()
            result.append(Block(begin + 1, "shell", text, reason))
            reason, free = None, True
        else:
            if line and reason is not None:
                raise ValueError(f"line {number + 1}: a mark that stands before no block")
            free = not line
            number += 1
    return result
