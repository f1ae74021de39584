"""The trials and the result of a search for an int8 file."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeclf_converters.graph.nodes import Node
from edgeclf_converters.parity.parity import Parity
from edgeclf_runtime.errors import EdgeclfError

__all__ = ["Search", "Step", "Stop", "Trial"]


@dataclass(frozen=True)
class Step:
    """One method tried: name, accuracy of the real file in [0, 1], its drop in points, and time in seconds."""

    name: str
    accuracy: float
    drop: float
    log_loss: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.name} {self.accuracy:.1%} ({0 - self.drop:+.1f})"


@dataclass(frozen=True, eq=False)
class Trial:
    """A step with its file's bytes, and the comparison of float and int8 on the images used for the choice.

    ``floats`` is the folded float network with the file's layers; None if the converter chose the layers itself.
    """

    step: Step
    content: bytes = field(repr=False)
    parity: Parity
    floats: list[Node] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Stop:
    """Why a search ended before its last step.

    Attributes:
        step: the step in which it ended.
        reason: why the step failed; empty for Ctrl-C.
    """

    step: str
    reason: str

    @classmethod
    def of(cls, step: str, error: BaseException) -> Stop:
        """Return the stop for a step that raised this error."""
        if isinstance(error, KeyboardInterrupt):
            return cls(step, "")
        text = _first_line(str(error))
        if not isinstance(error, EdgeclfError):
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return cls(step, text.rstrip("."))

    @property
    def interrupted(self) -> bool:
        """Return whether it was Ctrl-C."""
        return not self.reason

    def __str__(self) -> str:
        return f"Interrupted during {self.step}" if self.interrupted else f"{self.step} failed: {self.reason}"


def _first_line(text: str) -> str:
    """Return the first informative line: TensorFlow's errors begin with positions in the graph, indented."""
    lines = (line.rstrip() for line in text.splitlines() if line.strip() and not line[0].isspace())
    return next((line for line in lines if not line.startswith(("Graph execution error", "Detected at node"))), "")


@dataclass(frozen=True, eq=False)
class Search:
    """Result of the int8 search.

    Attributes:
        best: the trial that is kept.
        trials: all trials, in order.
        within: whether the drop of the best is within the limit.
        judged_by: what determines the correct answers, for display. If several files were tried, the best was chosen on
            these images, so its figures are slightly too good; evaluate it on others.
        stop: why steps were omitted; None if the search was completed.
        float_content: bytes of the float32 file, if they were made on the way.
    """

    best: Trial
    trials: tuple[Trial, ...]
    within: bool
    judged_by: str
    stop: Stop | None = None
    float_content: bytes | None = field(default=None, repr=False)

    @property
    def route(self) -> tuple[Step, ...]:
        """Return the steps tried, in order."""
        return tuple(trial.step for trial in self.trials)
