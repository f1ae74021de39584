"""What the search for an int8 file tried, and where it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeclf_converters.graph.nodes import Node
from edgeclf_converters.parity.parity import Parity
from edgeclf_runtime.errors import EdgeclfError

__all__ = ["Search", "Step", "Stop", "Trial"]


@dataclass(frozen=True)
class Step:
    """One method tried: its name, the real file's accuracy (a share), its drop in points, and seconds taken."""

    name: str
    accuracy: float
    drop: float
    log_loss: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.name} {self.accuracy:.1%} ({0 - self.drop:+.1f})"


@dataclass(frozen=True, eq=False)
class Trial:
    """A step with its file's content, and float against int8 on the images it was chosen on.

    ``floats`` is the folded float network whose layers are the file's; None where the converter chose them itself.
    """

    step: Step
    content: bytes = field(repr=False)
    parity: Parity
    floats: list[Node] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Stop:
    """Why a search ended before its last step.

    Attributes:
        step: during which it happened.
        reason: of its failure; empty for Ctrl-C.
    """

    step: str
    reason: str

    @classmethod
    def of(cls, step: str, error: BaseException) -> Stop:
        """A step that raised this."""
        if isinstance(error, KeyboardInterrupt):
            return cls(step, "")
        text = _first_line(str(error))
        if not isinstance(error, EdgeclfError):
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return cls(step, text.rstrip("."))

    @property
    def interrupted(self) -> bool:
        """Whether it was Ctrl-C."""
        return not self.reason

    def __str__(self) -> str:
        return f"Interrupted during {self.step}" if self.interrupted else f"{self.step} failed: {self.reason}"


def _first_line(text: str) -> str:
    """That says something: TensorFlow's begin with where in a graph it was, and indent the way to it."""
    lines = (line.rstrip() for line in text.splitlines() if line.strip() and not line[0].isspace())
    return next((line for line in lines if not line.startswith(("Graph execution error", "Detected at node"))), "")


@dataclass(frozen=True, eq=False)
class Search:
    """Result of the search for an int8 file.

    Attributes:
        best: what is kept.
        trials: all that was tried, in order.
        within: its drop is within the bound.
        judged_by: what says which answers are right, for people. Where several files were tried, the best was chosen on
            these images, so its own figures are a little too good; other images say how good it is.
        stop: why steps were left out; None where it went its whole way.
    """

    best: Trial
    trials: tuple[Trial, ...]
    within: bool
    judged_by: str
    stop: Stop | None = None

    @property
    def route(self) -> tuple[Step, ...]:
        """The steps tried, in order."""
        return tuple(trial.step for trial in self.trials)
