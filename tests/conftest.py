"""What every test run prints at its end."""

from collections.abc import Iterator

import pytest
import structlog

from support.scenarios import pass_table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how each of the 25 scenarios has fared, and what of it is not tested yet, where one was run."""
    lines = pass_table(
        (report.nodeid, outcome)
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(outcome, ())
        if outcome != "passed" or report.when == "call"
    )
    if lines:
        terminalreporter.section("the 25 scenarios of the field")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Undo what a command run in this process has said of the log."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
