"""One deployment on the device: install, try, switch, watch; or undo everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .edgeclf_calls import call
from .edgeclf_condition import running_model, updates_kept
from .edgeclf_environment import install_environment
from .edgeclf_going_back import sentence, take_back
from .edgeclf_layout import Layout, ReleaseError
from .edgeclf_leftovers import remove_leftovers
from .edgeclf_lock import locked
from .edgeclf_managers import Manager
from .edgeclf_shadowing import check_agreement, check_comparable, compared
from .edgeclf_wanted import SHOWN, Wanted, without_key
from .edgeclf_watch import Bounds, is_well, watch

__all__ = ["deploy", "try_beside"]


def deploy(wanted: Wanted, check: bool = False) -> tuple[bool, str]:
    """Deploy; return whether anything was changed, and the outcome for the user.

    Args:
        wanted: what to deploy.
        check: change nothing, and return what would be done.

    Raises:
        ReleaseError: it was refused, and the previous release is in use.
    """
    layout = Layout(wanted.root)
    manager = wanted.manager_of(layout)
    if check:
        return _Deployment(wanted, layout, manager).forecast()
    layout.make()
    with locked(layout):
        remove_leftovers(layout.jobs)
        return _Deployment(wanted, layout, manager).run()


def try_beside(wanted: Wanted) -> dict[str, Any]:
    """Install a release and run its model next to the service's, without switching; return the report.

    The release stays there for a following ``deploy``. The report is empty if there is nothing to deploy.

    Raises:
        Disagreement: the models agree on too few frames; the new release was removed.
        ReleaseError: it was refused, or there is no service to compare with.
    """
    layout = Layout(wanted.root)
    manager = wanted.manager_of(layout)
    check_comparable(manager, layout)
    layout.make()
    with locked(layout):
        return _Deployment(wanted, layout, manager).compare()


class _Deployment:
    def __init__(self, wanted: Wanted, layout: Layout, manager: Manager) -> None:
        self._wanted, self._layout, self._manager = wanted, layout, manager
        self._read_present()

    def _read_present(self) -> None:
        """Read settings and key of the current release, which apply if no others are given."""
        wanted, layout = self._wanted, self._layout
        given = wanted.config.rstrip("\n") + "\n" if wanted.config else ""  # Ansible's lookups strip the last newline
        self._key = "" if wanted.key == "none" else wanted.key.strip() or self._present_key()
        self._present_config = self._without_key(_text(layout.link / "run.toml"))
        self._config = self._without_key(given) or self._present_config
        self._release = wanted.identity(self._config, self._key)

    def _present_key(self) -> str:
        return _text(self._layout.link / "trusted.pub").strip()

    def _without_key(self, config: str) -> str:
        return without_key(config) if self._key or self._present_key() else config

    def forecast(self) -> tuple[bool, str]:
        """Return whether anything would be changed, and what."""
        layout, wanted = self._layout, self._wanted
        if self._is_done():
            return False, f"nothing to do: {self._serves()}"
        before = layout.about(layout.current)
        steps = []
        if layout.pending() is not None:
            steps.append("undo an interrupted switch")
        if not (layout.environments / wanted.environment / "complete").exists():
            steps.append(f"install edgeclf-runtime {wanted.version}")
        if before.get("model") != wanted.model_digest:
            steps.append(f"install {wanted.model}")
        if self._config != self._present_config:
            steps.append("change the settings" if before else "write the settings")
        if self._key != self._present_key():
            steps.append("refuse models that the key has not signed" if self._key else "accept unsigned models")
        if wanted.shadow:
            steps.append(f"compare it with the current model for {wanted.shadow:g} s")
        if self._manager.runs_service:
            steps.append("restart the service" if self._manager.definition() is not None else "install the service")
        return True, "would {}".format(", ".join(steps))

    def run(self) -> tuple[bool, str]:
        """Deploy, or raise ReleaseError with the previous release in use."""
        self._take_back_what_was_cut_off()
        if self._is_done():
            self._layout.tidy([self._layout.current, self._before_current()])
            return False, f"nothing to do: {self._serves()}"
        before, definition = self._layout.current, self._manager.definition()
        with self._forgotten_on_failure(before):
            measured = self._install()
            self._layout.note_pending(before, definition)
        return True, self._switch(before, definition, measured)

    def compare(self) -> dict[str, Any]:
        """Install the release and compare its model with the current one, or raise ReleaseError; do not switch."""
        self._take_back_what_was_cut_off()
        if self._is_done():
            return {}
        wanted, layout = self._wanted, self._layout
        with self._forgotten_on_failure(layout.current):
            self._install()
            report = compared(layout, self._manager, layout.releases / self._release, wanted.shadow)
            check_agreement(report, wanted.min_agreement)
        return report

    @contextmanager
    def _forgotten_on_failure(self, before: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._forget(before)
            if isinstance(error, ReleaseError):
                error.args = (f"{sentence(error)} {self._untouched(before)}",)
            raise

    def _is_done(self) -> bool:
        is_present = self._layout.current == self._release and self._layout.pending() is None
        is_whole = is_present and self._layout.has_model(self._wanted.model_digest)
        return is_whole and (not self._manager.runs_service or is_well(self._manager))

    def _before_current(self) -> str:
        return str(self._layout.about(self._layout.current).get("before", ""))

    def _install(self) -> float:
        """Install the release and try it; return the milliseconds per image."""
        wanted, layout = self._wanted, self._layout
        install_environment(
            layout,
            wanted.environment,
            wanted.archive_digest,
            wanted.python,
            wanted.version,
            wanted.extras,
            wanted.offline,
            wanted.system_packages,
        )
        layout.take_model(wanted.model_digest)
        if layout.current == self._release:  # it is in use, and its service has a problem
            return float(layout.about(self._release).get("milliseconds", 0))
        about = {"name": wanted.model_name, "version": wanted.version, "before": layout.current}
        if wanted.rolled_back_from:
            about["rolled_back_from"] = wanted.rolled_back_from
        folder = layout.write_release(
            self._release, wanted.environment, wanted.model_digest, self._config, about, self._key
        )
        edgeclf = [folder / "environment/bin/python", "-I", "-m", "edgeclf_runtime"]
        model = folder / "model.tflite"
        signed = ["--trusted-key", folder / "trusted.pub"] if self._key else []
        for path in self._in_use() if self._key else ():
            signed += ["--not-older-than", path]
        call([*edgeclf, "verify", model, "--allow-no-golden", *signed], "the model fails its check on the device")
        words = [*edgeclf, "bench", model, "--threads", "1", "--seconds", "0.5", "--json"]
        timings = json.loads(call(words, "the model cannot be measured"))["timings"]
        milliseconds = next(float(one["median"]) for one in timings if one["stage"] == "frame")
        if wanted.latency_ms and milliseconds > wanted.latency_ms:
            text = "an image takes {:.1f} ms on the device, but {:g} ms are allowed."
            raise ReleaseError(text.format(milliseconds, wanted.latency_ms))
        if self._manager.runs_service:
            options = ["--config", folder / "run.toml", "--dry-run"]
            call([*edgeclf, "service", "install", model, *options], "the service would not start", layout.data)
        return milliseconds

    def _in_use(self) -> list[Path]:
        """Return the current model, and any update fetched by the service itself, whichever it uses."""
        present = self._layout.link / "model.tflite"
        updates = updates_kept(self._layout, self._manager.health.parent) if self._manager.runs_service else []
        return [path for path in (present, *updates) if path.is_file()]

    def _switch(self, before: str, definition: str | None, measured: float) -> str:
        """Switch and watch; on any failure go back and raise ReleaseError."""
        layout, manager, wanted = self._layout, self._manager, self._wanted
        try:
            layout.switch(self._release)
            health: dict[str, Any] = {}
            if manager.runs_service:
                manager.start()
                health = watch(manager, Bounds(wanted.start_seconds, wanted.watch_seconds, wanted.latency_ms))
        except BaseException as error:
            text = take_back(layout, manager, before, definition, wanted.start_seconds)
            self._forget(before)
            if isinstance(error, (ReleaseError, OSError)):
                raise ReleaseError(f"{sentence(error)} {text}") from None
            raise
        layout.settle()
        layout.tidy([self._release, self._before_current()])
        spent = health.get("milliseconds") or measured
        frames = ", {} frames watched".format(health["frames"]) if health.get("frames") else ""
        return f"{self._serves(before)}, {spent:.1f} ms per image{frames}"

    def _serves(self, before: str = "") -> str:
        running = running_model(self._layout, self._manager) if self._manager.runs_service else None
        is_own = running is None or running["from"] == "deployed"
        verb = "serves" if self._manager.runs_service and is_own else "holds"
        old = self._layout.about(before)
        is_new = old and old.get("model") != self._wanted.model_digest
        was = ", previously {} ({})".format(old["name"], str(old["model"])[:SHOWN]) if is_new else ""
        other = "" if running is None or is_own else "; the service uses {name} ({digest:.8}; {from})".format(**running)
        return f"{verb} {self._wanted.model} with edgeclf {self._wanted.version}{was}{other}"

    def _take_back_what_was_cut_off(self) -> None:
        if (noted := self._layout.pending()) is not None:
            before, definition = str(noted["before"]), noted["service"]
            take_back(self._layout, self._manager, before, definition, self._wanted.start_seconds)
            self._read_present()

    def _untouched(self, before: str) -> str:
        if before:
            return "{} is still in use.".format(self._layout.about(before).get("name", "The previous version"))
        return "Nothing was switched."

    def _forget(self, before: str) -> None:
        """Remove what was installed for a release that is not used."""
        kept = [before, str(self._layout.about(before).get("before", ""))]
        self._layout.tidy(kept)
        self._layout.remove_if_unused()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
