"""Store the trials of a search in optuna's journal, so that it can be resumed, and choose the next trial."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeclf.config.train import TrainConfig
from edgeclf.errors import ConfigError
from edgeclf.renamed import OPTIONS, VALUES
from edgeclf.searching.space import Candidate
from edgeclf_runtime.renamed import in_new_names

__all__ = ["Outcome", "SearchLog", "require_optuna"]

_FILE = "search.journal"
_RANDOM = 4  # random trials before the sampler takes over
_ASKS = 30
_OLD_NAMES = {"tune": "adapt"}
_OLD_VALUES = {"adapt": {new: old for old, new in VALUES["tune"].items()}}
"""Old names for journals that were started with them: with new names the sampler would ignore their trials."""


@dataclass(frozen=True)
class Outcome:
    """A finished trial.

    Attributes:
        candidate: the candidate.
        accuracy, low, high: validation accuracy of its int8 file, and the 95% interval.
        float_accuracy: validation accuracy of the network before conversion.
        milliseconds: median latency of the int8 file's interpreter per image, in ms, on this machine; measured on the
            first file of this backbone and size.
        bytes: size of the file.
        multiplications: number of multiplications per image.
        train_seconds, export_seconds: time of training and export.
        reason: why it failed; then all figures are 0. Empty if it did not fail.
        count: number of validation images.
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

    After a few random trials, the multi-objective tree-structured Parzen estimator (Ozaki et al., JAIR 2022) chooses
    trials by accuracy and latency together.

    Args:
        folder: the search's folder.
        space: the values of each attribute of ``Candidate``.
        conditions: what else must be the same when the search is resumed.
        seed: random seed of the sampler.

    Attributes:
        is_before_jpeg: the search was begun before the option ``jpeg`` existed, so that its trials decode at full size.

    Raises:
        ConfigError: optuna is not installed, or the folder holds other files or a search with other options.
    """

    def __init__(
        self, folder: Path, space: Mapping[str, tuple[Any, ...]], conditions: Mapping[str, str], seed: int
    ) -> None:
        optuna = require_optuna()
        new = not (folder / _FILE).is_file()
        if new and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder}: already exists and is not a search. Choose another --out.")
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
        """Return all finished trials in order, and only the last of a repeated trial."""
        ended = (trial for trial in self._study.get_trials(deepcopy=False) if "outcome" in trial.user_attrs)
        return list({outcome.candidate: outcome for outcome in map(_outcome, ended)}.values())

    @property
    def measured(self) -> list[Outcome]:
        """Return the trials that did not fail."""
        return [outcome for outcome in self.outcomes if not outcome.reason]

    @property
    def frontier(self) -> list[Outcome]:
        """Return the trials that no other beats in both accuracy and latency, fastest first."""
        return sorted(map(_outcome, self._study.best_trials), key=lambda outcome: outcome.milliseconds)

    @property
    def times(self) -> dict[str, float]:
        """Return the latencies in ms per image that ``note_time`` stored, by name."""
        return dict(self._study.user_attrs.get("times", {}))

    def note_time(self, name: str, milliseconds: float) -> None:
        """Store a latency that was measured without a trial."""
        self._study.set_user_attr("times", {**self.times, name: milliseconds})

    def take(self, candidate: Candidate) -> Candidate:
        """Start a trial of this candidate."""
        self._study.enqueue_trial(self._as_begun(asdict(candidate)))
        return self._ask()

    def propose(self, left: Collection[Candidate]) -> Candidate:
        """Start a trial of the candidate that the sampler prefers; if it only repeats trials, of the first untried."""
        for _ in range(_ASKS):
            candidate = self._ask()
            if candidate in left:
                return candidate
            self.drop()
        return self.take(next(iter(left)))

    def drop(self) -> None:
        """Drop the started trial without a result; it can be started again."""
        self._study.tell(self._trial, state=self._states.FAIL)

    def finish(self, outcome: Outcome) -> None:
        """Store the result of the started trial."""
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
        self.is_before_jpeg = "jpeg" not in kept.get("options", {"jpeg": ""})
        _leave_out_later_options(kept.get("options", {}), new.get("options", {}))
        if different := [name for name in {**kept, **new} if kept.get(name) != new.get(name)]:
            raise ConfigError(f"{folder}: started with other {', '.join(different)}. Choose another --out.")


def _leave_out_later_options(kept: dict[str, Any], new: dict[str, Any]) -> None:
    """Remove options that the search's version did not have, if they change nothing.

    That is the case at their defaults; and for ``jpeg``, because such a search decodes at full size to its end.
    """
    for name in [name for name in new if name not in kept]:
        if name == "jpeg" or new[name] == TrainConfig.model_fields[name].default:
            del new[name]


def require_optuna() -> Any:
    """Return the module optuna.

    Raises:
        ConfigError: optuna is not installed.
    """
    try:
        import optuna
        import optuna.storages.journal
    except ImportError:
        raise ConfigError("edgeclf search needs optuna: pip install 'edgeclf[search]'") from None
    return optuna


def _outcome(trial: Any) -> Outcome:
    content = dict(trial.user_attrs["outcome"])
    return Outcome(_candidate(content.pop("candidate")), **content)


def _candidate(options: Mapping[str, Any]) -> Candidate:
    return Candidate(**in_new_names(options, OPTIONS, VALUES)[0])


def _parsed(conditions: Mapping[str, str]) -> dict[str, Any]:
    """Return a search's conditions with current option names."""
    values: dict[str, Any] = {
        name: json.loads(text) if text.startswith(("[", "{")) else text for name, text in conditions.items()
    }
    if "options" in values:
        values["options"] = in_new_names(values["options"], OPTIONS, VALUES)[0]
    return in_new_names(values, OPTIONS, VALUES)[0]
