"""Which failures a crowded machine explains, so that `make test` may run those tests again by themselves.

A store has a quarter of a second to answer; where it does not, whoever asks is told REPLAY_STORE_UNAVAILABLE, and
rightly so. A machine that stands still for as long makes that of any answer while many tests run. No other failure is
excused, and one failure of another kind in a run excuses none.
"""

from typing import Final

import pytest

EXCUSED: Final = 42
"""What pytest ends with where every failure of a run is of this kind; 1 where one is not."""
_AWAY: Final = ("REPLAY_STORE_UNAVAILABLE", "ReplayStoreUnavailable")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tell such a run from one with a fault."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus != pytest.ExitCode.TESTS_FAILED or reporter is None:
        return
    reports = [*reporter.stats.get("failed", ()), *reporter.stats.get("error", ())]
    if reports and all(any(word in _raised(report) for word in _AWAY) for report in reports):
        session.exitstatus = EXCUSED


def _raised(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What a test ended with: the lines that say so, without the code around them, which may name anything."""
    return "\n".join(line for line in report.longreprtext.splitlines() if line.startswith("E "))
