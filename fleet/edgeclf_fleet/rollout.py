"""A roll-out in batches, by Ansible's own means: ``serial``, and the end of a play."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from edgeclf_runtime.errors import UsageError

__all__ = ["Rollout"]

_SIZE = re.compile(r"[1-9][0-9]{0,5}|(?:[1-9][0-9]?|100)%")
_LIMIT = re.compile(r"[0-9]{1,6}|(?:[0-9]{1,2}|100)%")
_FAILED = "(ansible_play_hosts_all | length) - (ansible_play_hosts | length)"  # not reached, or failed, so far


@dataclass(frozen=True)
class Rollout:
    """How many devices at a time, and when to stop.

    A batch in which all devices fail always stops it, as in Ansible; so a first batch of one device is a canary.

    Args:
        batches: sizes of the batches, numbers or percentages of all devices, such as ("1", "10%", "100%"); the last is
            repeated.
        max_failed: number or percentage of devices that may fail in total; "0" also stops within a batch.

    Raises:
        UsageError: invalid sizes.
    """

    batches: tuple[str, ...]
    max_failed: str = "0"

    def __post_init__(self) -> None:
        if not self.batches or not all(map(_SIZE.fullmatch, self.batches)):
            raise UsageError(
                f"--batches {','.join(self.batches)}: expected numbers or percentages, such as 1,10%,100%."
            )
        if not _LIMIT.fullmatch(self.max_failed):
            raise UsageError(f"--max-failed {self.max_failed}: expected a number or a percentage, such as 2 or 5%.")

    def play(self) -> dict[str, Any]:
        """Return what it adds to an Ansible play."""
        play: dict[str, Any] = {
            "serial": [size if size.endswith("%") else int(size) for size in self.batches],
            "pre_tasks": [
                {"name": "Stop if too many devices failed", "ansible.builtin.meta": "end_play", "when": self._is_over()}
            ],
        }
        return {**play, "max_fail_percentage": 0} if self.max_failed.rstrip("%").strip("0") == "" else play

    def _is_over(self) -> str:
        limit = int(self.max_failed.rstrip("%"))
        if self.max_failed.endswith("%"):
            return f"({_FAILED}) * 100 > {limit} * (ansible_play_hosts_all | length)"
        return f"{_FAILED} > {limit}"
