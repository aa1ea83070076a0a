"""The short form of the crash test: a few kills of each kind, and the mutants that it must catch."""

from __future__ import annotations

from pathlib import Path

import pytest

from crash.__main__ import caught
from crash.driver import Plan, Played, play
from crash.mutants import MUTANTS
from support.postgres import PostgresServer

KILLS = 6


def check(played: Played) -> None:
    verdict = played.verdict
    assert verdict.problems == []
    assert verdict.people > 20 and verdict.sends > verdict.people and verdict.receipts > verdict.people
    assert sum(played.points.values()) == played.plan.kills


def test_nobody_gets_a_step_twice_and_nobody_is_lost_however_often_the_server_is_killed(
    tmp_path: Path,
) -> None:
    played = play(Plan("SQLite", KILLS), str(tmp_path / "kaskad.db"), tmp_path)
    check(played)
    assert played.steered >= KILLS // 4


def test_a_submission_in_doubt_is_repeated_under_its_key_while_the_clock_jumps(tmp_path: Path) -> None:
    plan = Plan("keys honoured", KILLS, idempotent=True, jumps=True)
    check(play(plan, str(tmp_path / "kaskad.db"), tmp_path))


def test_two_workers_on_one_postgresql_send_nothing_twice(tmp_path: Path, postgres: PostgresServer) -> None:
    check(play(Plan("PostgreSQL", KILLS, postgres=True, workers=2), postgres.create(), tmp_path))


@pytest.mark.parametrize("name", MUTANTS)
def test_the_crash_test_fails_with_a_mutant(name: str, tmp_path: Path) -> None:
    assert caught(name, tmp_path), f"the defect {name!r} was not seen"
