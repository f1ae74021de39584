"""What a search has measured, kept in optuna's journal, so that a stopped search goes on; and what it tries next."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeclf.errors import ConfigError
from edgeclf.renamed import OPTIONS, VALUES
from edgeclf.searching.space import Candidate
from edgeclf_runtime.renamed import in_new_names

__all__ = ["Outcome", "SearchLog", "require_optuna"]

_FILE = "search.journal"
_RANDOM = 4  # trials before the sampler has something to go by
_ASKS = 30
_OLD_NAMES = {"tune": "adapt"}
_OLD_VALUES = {"adapt": {new: old for old, new in VALUES["tune"].items()}}
"""As a journal that was begun with the old names goes on, or the sampler would not know its trials."""


@dataclass(frozen=True)
class Outcome:
    """A trial that ended.

    Attributes:
        candidate: what was tried.
        accuracy, low, high: share of the validation pictures its int8 file is right about, and the 95% interval.
        float_accuracy: that of the network before its conversion.
        milliseconds: median of the int8 file's interpreter for a picture, on this machine; of the first file of its
            backbone and size.
        bytes: size of the file.
        multiplications: of one picture.
        train_seconds, export_seconds: taken.
        reason: why it failed; then every figure is 0. Empty where it did not.
        count: validation pictures it was measured on.
    """

    candidate: Candidate
    accuracy: float = 0.0
    low: float = 0.0
    high: float = 0.0
    float_accuracy: float = 0.0
    milliseconds: float = 0.0
    bytes: int = 0
    multiplications: int = 0
    train_seconds: float = 0.0
    export_seconds: float = 0.0
    reason: str = ""
    count: int = 0


class SearchLog:
    """The trials of one search.

    Accuracy and time are searched for together by the multi-objective tree-structured Parzen estimator (Ozaki et al.,
    JAIR 2022), after a few random choices.

    Args:
        folder: of the search.
        space: the values of each of ``Candidate``'s attributes.
        conditions: what else must be the same when the search goes on.
        seed: of the sampler.

    Raises:
        ConfigError: optuna is not installed, or the folder holds something else or a search that was told otherwise.
    """

    def __init__(
        self, folder: Path, space: Mapping[str, tuple[Any, ...]], conditions: Mapping[str, str], seed: int
    ) -> None:
        optuna = require_optuna()
        new = not (folder / _FILE).is_file()
        if new and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder}: exists already and is no search. Choose another --out.")
        folder.mkdir(parents=True, exist_ok=True)
        backend = optuna.storages.journal.JournalFileBackend(str(folder / _FILE))
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._states = optuna.trial.TrialState
        self._study = optuna.create_study(
            study_name="search",
            storage=optuna.storages.JournalStorage(backend),
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM),
            directions=["maximize", "minimize"],
            load_if_exists=True,
        )
        self._has_old_names = "adapt" in self._study.user_attrs.get("told", {})
        self._check(folder, {**{name: json.dumps(values) for name, values in space.items()}, **conditions})
        kept = self._as_begun(space)
        self._space = {name: optuna.distributions.CategoricalDistribution(values) for name, values in kept.items()}
        self._trial: Any = None

    @property
    def outcomes(self) -> list[Outcome]:
        """All trials that ended, in order; of one tried again, after it had failed, the last."""
        ended = (trial for trial in self._study.get_trials(deepcopy=False) if "outcome" in trial.user_attrs)
        return list({outcome.candidate: outcome for outcome in map(_outcome, ended)}.values())

    @property
    def measured(self) -> list[Outcome]:
        """Those that did not fail."""
        return [outcome for outcome in self.outcomes if not outcome.reason]

    @property
    def frontier(self) -> list[Outcome]:
        """Those that no other beats in both accuracy and time, the fastest first."""
        return sorted(map(_outcome, self._study.best_trials), key=lambda outcome: outcome.milliseconds)

    @property
    def times(self) -> dict[str, float]:
        """Milliseconds a picture of what ``note_time`` named."""
        return dict(self._study.user_attrs.get("times", {}))

    def note_time(self, name: str, milliseconds: float) -> None:
        """Keep a time that was measured without a trial."""
        self._study.set_user_attr("times", {**self.times, name: milliseconds})

    def take(self, candidate: Candidate) -> Candidate:
        """Begin this one."""
        self._study.enqueue_trial(self._as_begun(asdict(candidate)))
        return self._ask()

    def propose(self, left: Collection[Candidate]) -> Candidate:
        """Begin what the sampler thinks best of those left; where it only repeats itself, the first of them."""
        for _ in range(_ASKS):
            candidate = self._ask()
            if candidate in left:
                return candidate
            self.drop()
        return self.take(next(iter(left)))

    def drop(self) -> None:
        """The one begun is not tried, or not to its end; it may be begun again."""
        self._study.tell(self._trial, state=self._states.FAIL)

    def finish(self, outcome: Outcome) -> None:
        """The one begun has ended."""
        self._trial.set_user_attr("outcome", asdict(outcome))
        if outcome.reason:
            self._study.tell(self._trial, state=self._states.FAIL)
        else:
            self._study.tell(self._trial, [outcome.accuracy, outcome.milliseconds])

    def _ask(self) -> Candidate:
        self._trial = self._study.ask(self._space)
        return _candidate(self._trial.params)

    def _as_begun(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return in_new_names(options, _OLD_NAMES, _OLD_VALUES)[0] if self._has_old_names else dict(options)

    def _check(self, folder: Path, conditions: dict[str, str]) -> None:
        kept = self._study.user_attrs.get("told", dict(conditions))
        self._study.set_user_attr("told", kept)
        kept, new = _parsed(kept), _parsed(conditions)
        if different := [name for name in {**kept, **new} if kept.get(name) != new.get(name)]:
            raise ConfigError(f"{folder}: this search began with other {', '.join(different)}. Choose another --out.")


def require_optuna() -> Any:
    """The library of the search.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import optuna
        import optuna.storages.journal
    except ImportError:
        raise ConfigError("edgeclf search needs optuna, in the clone: pip install '.[search]'") from None
    return optuna


def _outcome(trial: Any) -> Outcome:
    content = dict(trial.user_attrs["outcome"])
    return Outcome(_candidate(content.pop("candidate")), **content)


def _candidate(options: Mapping[str, Any]) -> Candidate:
    return Candidate(**in_new_names(options, OPTIONS, VALUES)[0])


def _parsed(conditions: Mapping[str, str]) -> dict[str, Any]:
    """What a search was told, by the names of now."""
    values: dict[str, Any] = {
        name: json.loads(text) if text.startswith(("[", "{")) else text for name, text in conditions.items()
    }
    if "options" in values:
        values["options"] = in_new_names(values["options"], OPTIONS, VALUES)[0]
    return in_new_names(values, OPTIONS, VALUES)[0]
