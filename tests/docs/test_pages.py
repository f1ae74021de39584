"""The commands of each page run from top to bottom in a small world: ``make test-docs``."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeclf import Run
from tests.docs.blocks import PAGES, blocks
from tests.docs.world import MakeWorld


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_commands_of_a_page_run(
    page: Path, model: Path, run: Run, make_world: MakeWorld, request: pytest.FixtureRequest
) -> None:
    text = page.read_text("utf-8")
    page_blocks = blocks(text)
    if not any(block.language in ("shell", "python") and block.reason is None for block in page_blocks):
        pytest.skip("it has no commands")
    wheels = request.getfixturevalue("wheels") if "--find-links dist" in text else None
    done = make_world(model, None if "--out runs/mine" in text else run, wheels).run(page_blocks)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
