"""What every test run prints at its end."""

from collections.abc import Iterator

import pytest
import structlog

from support.scenarios import MISSING


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what of the scenarios is not tested yet, and why, wherever one of them was run."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if any("test_scenario_" in getattr(report, "nodeid", "") for report in reports):
        terminalreporter.section("scenarios: parts that wait")
        for number, missing in sorted(MISSING.items()):
            for part, waits_for in missing:
                terminalreporter.write_line(f"{number:>3}  {part:<62} {waits_for}")


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Undo what a command run in this process has said of the log."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
