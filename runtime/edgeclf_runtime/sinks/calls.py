"""Run a command or call a webhook when the answer changes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Callable

from edgeclf_runtime.decision.decision import UNKNOWN
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.call_pictures import call_picture, picture_file
from edgeclf_runtime.sinks.calling import Calls
from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import Item, Observation, Sink
from edgeclf_runtime.system.process_group import ProcessGroup

__all__ = ["CallKeys", "CommandSink"]

_SECONDS = 30.0  # time limit of a command
_GRACE, _GRACE_AT_END = 2.0, 0.2  # seconds from SIGTERM to SIGKILL
_OURS = ("EDGECLF_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")  # variables meant only for this process
_HANDED_ON = ("EDGECLF_EDGETPU_LIBRARY",)
_TELLING = 8  # minimum length of a secret that is searched for inside other text


@dataclass(frozen=True)
class CallKeys(SinkKeys):
    """Run a program and call an address whenever the answer changes to one of ``on``, from one of ``after`` (from and
    to any answer if empty)."""

    on: tuple[str, ...] = key((), "Answers for which command and webhook are called (default: all)")
    after: tuple[str, ...] = key((), "Only if the answer before was one of these (default: any)")
    command: str = key("", "Program to run when the answer changes")
    command_picture: bool = key(False, "Give it what the network saw, a JPEG, at the path EDGECLF_PICTURE")
    webhook: str = key("", "Address to POST to when the answer changes", secret=True)
    webhook_token: str = key("", "Bearer token for it", secret=True)
    webhook_picture: bool = key(False, "Send it a form with the JSON and what the network saw, a JPEG")

    def checks(self) -> Iterator[Callable[[], object]]:
        if self.command:
            yield lambda: CommandSink(self.command)
        if self.webhook:
            from edgeclf_runtime.sinks.webhook import WebhookSink

            yield lambda: WebhookSink(self.webhook, token=self.webhook_token)

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.command:
            yield CommandSink(
                self.command, self.on, run.cooldown, run.secrets, after=self.after, picture=self.command_picture
            )
        if self.webhook:
            from edgeclf_runtime.sinks.webhook import WebhookSink

            yield WebhookSink(
                self.webhook,
                self.on,
                self.webhook_token,
                run.cooldown,
                after=self.after,
                picture=self.webhook_picture,
            )

    def named_labels(self) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        yield "on", self.on, (UNKNOWN,)
        yield "after", self.after, (UNKNOWN,)

    def recipients(self) -> tuple[str, ...]:
        return self.command, self.webhook.partition("?")[0]


class CommandSink(Calls):
    """Runs a program, without a shell, whenever the answer changes.

    The program gets the answer in EDGECLF_LABEL, the previous one in EDGECLF_PREVIOUS, the reason for "unknown" in
    EDGECLF_REASON, and EDGECLF_SCORE, EDGECLF_TIME and EDGECLF_SOURCE; with zones also EDGECLF_CAMERA and EDGECLF_ZONE,
    and EDGECLF_COUNT if changes are counted. After 30 s, or when the sink is closed, it is terminated with all
    processes of its group.

    Args:
        command: the program and its arguments, quoted as in a shell.
        labels: answers that trigger it; empty for all.
        cooldown: minimum time from the end of a call to the next, in seconds.
        secrets: environment variables that contain one of these are not passed on.
        after: answers from which it must have changed; empty for any.
        picture: write what the network saw to a JPEG, whose path is in EDGECLF_PICTURE; removed when the program ends.

    Raises:
        SinkError: empty command, or unbalanced quotes.
    """

    def __init__(
        self,
        command: str,
        labels: tuple[str, ...] = (),
        cooldown: float = 0.0,
        secrets: Sequence[str] = (),
        *,
        after: tuple[str, ...] = (),
        picture: bool = False,
    ) -> None:
        super().__init__(labels, cooldown, after, picture)
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise SinkError(f"Command {command!r}: {error}.") from None
        if not self._command:
            raise SinkError("An empty command.")
        self.name, self._secrets = f"command {self._command[0]}", tuple(filter(None, secrets))
        self._left: list[ProcessGroup] = []  # groups whose program has ended but left processes running

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or not self.heeds(item):
            return
        variables = {**self._environment(), **_variables(item)}
        if not self.pictures:
            return self._run(variables)
        with picture_file(call_picture(item)) as path:
            self._run({**variables, "EDGECLF_PICTURE": path})

    def _run(self, variables: dict[str, str]) -> None:
        self._left = [group for group in self._left if not group.is_over()]
        group = ProcessGroup(self._command, variables)
        status = group.wait(_SECONDS, self._interrupted)
        if status is None and self._interrupted.is_set():
            group.end(_GRACE_AT_END)
            raise SinkError(f"{self.name}: ended with the run.")
        if status is None:
            group.end(_GRACE)
            raise SinkError(f"{self.name}: not done after {_SECONDS:.0f} s.")
        if not group.is_over():
            self._left.append(group)
        if status:
            raise SinkError(f"{self.name}: exit status {status}.")

    def _environment(self) -> dict[str, str]:
        """Return the environment without the variables that contain secrets or belong to this process."""
        return {
            name: value
            for name, value in os.environ.items()
            if (name in _HANDED_ON or not name.startswith(_OURS)) and not self._is_secret(value)
        }

    def _is_secret(self, value: str) -> bool:
        return any(secret == value or (len(secret) >= _TELLING and secret in value) for secret in self._secrets)

    def close(self) -> None:
        """Terminate processes that the programs left running."""
        for group in self._left:
            group.end(_GRACE_AT_END)


def _variables(item: Observation) -> dict[str, str]:
    """Return the environment variables that describe the observation."""
    decision, frame = item.decision, item.prediction.frame
    counted = {} if decision.counts is None else {"EDGECLF_COUNT": str(decision.counts.get(decision.label, 0))}
    return {
        **{f"EDGECLF_{name.upper()}": value for name, value in item.zone.fields.items()},
        "EDGECLF_LABEL": decision.label,
        "EDGECLF_PREVIOUS": decision.before[-1] if decision.before else "",
        "EDGECLF_REASON": decision.reason or "",
        "EDGECLF_SCORE": f"{decision.score:.6f}",
        "EDGECLF_TIME": f"{item.time:.3f}",
        "EDGECLF_SOURCE": frame.source if frame else "",
        **counted,
    }
