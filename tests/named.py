"""A pytest plugin for tests requested by name (``make test-pi``): the run fails if none of them ran."""

from __future__ import annotations

import pytest

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary"]

_RAN = ("passed", "failed", "error", "xfailed", "xpassed")


def _ran_none(config: pytest.Config) -> bool:
    stats = config.pluginmanager.getplugin("terminalreporter").stats
    return not any(stats.get(outcome) for outcome in _RAN)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Exit with status 1 instead of 0 if no test ran."""
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and _ran_none(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the reasons, each once."""
    if not _ran_none(config):
        return
    reports = terminalreporter.stats.get("skipped", [])
    reasons = dict.fromkeys(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    terminalreporter.section("no test ran", red=True)
    for reason in reasons or ["none was found"]:
        terminalreporter.line(reason)
