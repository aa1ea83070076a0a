"""Whole stories on a real SQLite database, and the table of what of them waits for later parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from support.scenarios import MISSING


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = open_database(str(tmp_path / "kaskad.db"))
    upgrade(db)
    yield db
    db.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what of the scenarios is not tested yet, and why, wherever one of them was run."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if any("test_scenario_" in getattr(report, "nodeid", "") for report in reports):
        terminalreporter.section("scenarios: parts that wait")
        for number, missing in sorted(MISSING.items()):
            for part, waits_for in missing:
                terminalreporter.write_line(f"{number:>3}  {part:<62} {waits_for}")
