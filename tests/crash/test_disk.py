"""A full disk or a locked database stops the server with a clear message; nothing is lost or sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from msgspec import structs

from crash.driver import Driver, Plan
from crash.judge import Verdict
from crash.outside import Weather
from crash.server import STOPPED

PLAN = Plan("disk", 0, people=200, per_second=150, weather=Weather(hanging=0, cut=0))
STOPS_S = 120.0  # at most: on a busy machine a server takes half a minute to start


def driver_in(folder: Path, **limits: int) -> Driver:
    driver = Driver(PLAN, str(folder / "kaskad.db"), folder)
    driver.setup = structs.replace(driver.setup, busy_ms=100, tries=3, **limits)
    return driver


def without_limits(driver: Driver) -> None:
    driver.setup = structs.replace(driver.setup, max_bytes=0, max_pages=0)


async def sends(driver: Driver) -> None:
    """Wait until the server is at work: one that still starts would meet the lock there."""
    assert await driver.outside.until(lambda: driver.outside.accepted > 20, STOPS_S)


async def stops_and_goes_on(driver: Driver, make_room: Callable[[], None]) -> Verdict:
    """Let the server meet the limit until it stops; make room, start it again, and let everybody finish."""
    async with driver.going(), asyncio.timeout(2 * (STOPS_S + PLAN.drain_s)):
        carts = asyncio.create_task(driver.outside.tell_of_carts(PLAN.per_second))
        code = await asyncio.wait_for(driver.nursery.wait(driver.pids[0]), STOPS_S)
        assert code == STOPPED, driver.last_words()
        driver.ends.append(driver.now())
        make_room()
        driver.pids[0] = await driver.start(0)
        await asyncio.sleep(0.5)
        carts.cancel()
        await driver.drain()
    return driver.judged()


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"max_pages": 40}, "No room left for"), ({"max_bytes": 400_000}, "The disk of")],
    ids=["full", "failing"],
)
def test_a_full_disk_stops_the_server_and_nothing_is_lost(
    limits: dict[str, int], words: str, tmp_path: Path
) -> None:
    driver = driver_in(tmp_path, **limits)
    verdict = asyncio.run(stops_and_goes_on(driver, lambda: without_limits(driver)))
    assert verdict.problems == []
    assert verdict.sends > 0
    log = driver.log.read_text()
    assert words in log
    assert "Traceback" not in log


def test_a_database_locked_for_long_stops_the_server_and_nothing_is_lost(tmp_path: Path) -> None:
    driver = driver_in(tmp_path)

    async def play() -> Verdict:
        other: list[apsw.Connection] = []

        def release() -> None:
            other.pop().execute("ROLLBACK")

        async def lock() -> None:
            await sends(driver)
            connection = apsw.Connection(driver.database)
            connection.set_busy_timeout(10_000)
            connection.execute("BEGIN IMMEDIATE")
            other.append(connection)

        locking = asyncio.create_task(lock())
        verdict = await stops_and_goes_on(driver, release)
        await locking
        return verdict

    verdict = asyncio.run(play())
    assert verdict.problems == []
    log = driver.log.read_text()
    assert "Another program keeps" in log
    assert "Traceback" not in log


def test_a_database_locked_for_a_moment_stops_nothing(tmp_path: Path) -> None:
    driver = driver_in(tmp_path)

    async def play() -> Verdict:
        async with driver.going(), asyncio.timeout(2 * (STOPS_S + PLAN.drain_s)):
            carts = asyncio.create_task(driver.outside.tell_of_carts(PLAN.per_second))
            await sends(driver)
            connection = apsw.Connection(driver.database)
            connection.set_busy_timeout(10_000)
            connection.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(0.5)
            connection.execute("ROLLBACK")
            await asyncio.sleep(0.5)
            carts.cancel()
            await driver.drain()
        return driver.judged()

    verdict = asyncio.run(play())
    assert verdict.problems == []
    assert verdict.sends > 20
    assert "tick failed" in driver.log.read_text()
