"""A roll-out in batches with a real ansible-playbook: it stops when too many devices failed, and names the others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from edgeclf_fleet.events import outcomes
from edgeclf_fleet.playbook import _PLAYBOOK, _environment
from edgeclf_fleet.rollout import Rollout
from edgeclf_runtime.cli import cli
from edgeclf_runtime.errors import UsageError

HOSTS = [f"h{number}" for number in range(10)]


def _rolled_out(folder: Path, rollout: Rollout, failing: str = "", lost: str = "") -> dict[str, str]:
    """Run a play whose hosts are this machine, some of which fail or cannot be reached; return their lines."""
    hosts: dict[str, dict[str, Any]] = {name: {"ansible_connection": "local"} for name in HOSTS}
    for name in lost.split():
        hosts[name] = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory, playbook = folder / "hosts.yml", folder / "play.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), "utf-8")
    task = {
        "name": "Deploy",
        "ansible.builtin.raw": "true",
        "failed_when": f"inventory_hostname in {failing.split()}",
    }
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [task], **rollout.play()}]
    playbook.write_text(yaml.safe_dump(plays), "utf-8")
    (folder / "events").touch()
    command = [*_PLAYBOOK, "--inventory", str(inventory), str(playbook)]
    subprocess.run(command, capture_output=True, check=False, env=_environment(folder), timeout=120)
    events = [json.loads(line) for line in (folder / "events").read_text("utf-8").splitlines()]
    for event in events:
        if event["kind"] == "ok":
            event["outcome"] = "done"
    return {outcome.host: outcome.text for outcome in outcomes(events)}


@pytest.mark.parametrize(
    ("batches", "max_failed", "failing", "lost", "done"),
    [
        ("1,3,100%", "3", "h0", "", 0),  # the canary
        ("1,30%,100%", "0", "h2", "", 3),  # in the second batch
        ("1,3,100%", "1", "h2", "", 9),
        ("1,3,100%", "1", "h2", "h3", 2),  # one that cannot be reached counts, too
        ("2", "10%", "h1 h2", "", 2),  # the last size is repeated
    ],
)
def test_a_rollout_stops_when_too_many_failed(
    batches: str, max_failed: str, failing: str, lost: str, done: int, tmp_path: Path
) -> None:
    lines = _rolled_out(tmp_path, Rollout(tuple(batches.split(",")), max_failed), failing, lost)
    assert sorted(lines) == HOSTS  # each has a line
    assert sum(text == "done" for text in lines.values()) == done, lines
    waiting = [name for name, text in lines.items() if text.startswith("not started, because the roll-out stopped")]
    assert len(waiting) == 10 - done - len(failing.split()) - len(lost.split())


def test_wrong_sizes_are_one_line(kept_model: Path) -> None:
    for sizes in ("", "0", "1,,2", "110%", "all", "1;2"):
        with pytest.raises(UsageError, match="expected numbers or percentages, such as 1,10%,100%"):
            Rollout(tuple(sizes.split(",")))
    with pytest.raises(UsageError, match="--max-failed many: expected a number"):
        Rollout(("1",), "many")
    done = CliRunner().invoke(cli, ["deploy", str(kept_model), "pi@a", "--max-failed", "1"])
    assert (done.exit_code, "--max-failed needs --batches" in done.output) == (2, True)
