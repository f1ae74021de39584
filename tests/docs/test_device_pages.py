"""The commands of pages that need no training and no network, in the default suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.world import MakeWorld


@pytest.mark.parametrize("name", ["home-assistant.md", "run-toml.md", "unattended.md"])
def test_the_commands_of_a_page_run(name: str, sure_model: Path, make_world: MakeWorld) -> None:
    page_blocks = blocks((ROOT / "docs" / name).read_text("utf-8"))
    assert any(block.reason is None for block in page_blocks)
    done = make_world(sure_model).run(page_blocks)
    assert done.returncode == 0, done.stdout[-3000:]
