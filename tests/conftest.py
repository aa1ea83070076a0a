"""What holds for every test run: its beginning, and what is printed at its end."""

import gc
import os
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import httpcore2
import hypothesis
import pytest
import structlog
from httpx2._config import DEFAULT_TIMEOUT_CONFIG

from kaskad.store import sqlite, syncing
from kaskad.web import soon
from support.disks import Disk
from support.examples import EXPLORING
from support.faults import PATIENCE_S
from support.one_thread import OneThread
from support.postgres import PostgresServer, postgres_server
from support.scenarios import pass_table

# Folders whose tests take long, or wait.
LONG = ("crash", "system", "pages", "docs", "demo", "cli", "bench", "api")


def pytest_configure() -> None:
    """Try properties with the same examples each time, but for `make explore`; let clients of servers here
    share the certificates, which none needs: reading them takes 40 ms. They wait longer than five seconds.

    Nobody looks at a terminal: readline, which pytest loads, tells the workers that it has 80 columns. What
    is logged of a failure tells no values of locals, which takes longer than all else that a test does.
    """
    os.environ.pop("COLUMNS", None)
    hypothesis.settings.register_profile("ours", derandomize=not EXPLORING, deadline=None)
    hypothesis.settings.load_profile("ours")
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
    for part in ("connect", "read", "write", "pool"):
        setattr(DEFAULT_TIMEOUT_CONFIG, part, PATIENCE_S)
    *others, _ = structlog.get_config()["processors"]
    told = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, told])


def pytest_collection() -> None:
    """Look for no garbage while tests are collected: there is none, and it takes a third of the time."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is left alone with it at the end."""
    places = {folder: place for place, folder in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(LONG)))


def pytest_collection_finish() -> None:
    """Look for garbage again, but never among what was made until now: tests then take less time too."""
    gc.freeze()
    gc.enable()


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


@pytest.fixture(scope="session", autouse=True)
def _counted_at_once() -> None:
    """Let servers of tests wait for what they count, however busy the machine is."""
    soon.SOON_S = 60.0


@pytest.fixture(scope="session", autouse=True)
def _one_thread_at_a_time() -> None:
    """Let no test pass in which two threads use one connection of SQLite."""
    sqlite.SqliteTransaction = OneThread  # type: ignore[misc]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a server for all tests of a worker; each makes a database of its own in it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def aiogram() -> ModuleType:
    """Return `aiogram`, which takes seconds to load: where a test needs it, not wherever it is collected."""
    import aiogram.client.session.aiohttp
    import aiogram.methods

    return aiogram


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that keeps what SQLite's ticks have written when it is told to."""
    disk = Disk()
    monkeypatch.setattr(syncing, "_sync", disk.sync)
    yield disk
    disk.release()
