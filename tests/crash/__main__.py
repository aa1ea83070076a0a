"""The long form: `make crash` kills the server 200 times, prints its tables, fails where a promise broke."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from crash.driver import Plan, Played, play
from crash.mutants import BROKEN, MUTANTS, SLOW_COMMIT_S
from crash.outside import Weather
from support.postgres import PostgresServer, postgres_server

PLANS = (
    Plan("SQLite", 60),
    Plan("SQLite, keys honoured, own sending process", 40, idempotent=True, sender=True),
    Plan("SQLite, the clock jumps by hours", 30, jumps=True),
    Plan("PostgreSQL, keys honoured", 30, postgres=True, idempotent=True),
    Plan("PostgreSQL, two workers", 40, postgres=True, workers=2, per_second=60),
)
STEERED = 50  # kills between the commit of `submitted` and the answer, at least
COLUMNS = ("kills", "steered", "people", "sends", "twice", "lost", "unfinished", "forgotten", "overtaken",
           "unknown", "slow", "unanswered")  # fmt: skip
LEGEND = """
steered: killed between the commit of `submitted` and the answer.
forgotten: answered 2xx and not in the database. overtaken: sent after a reaction was answered 2xx.
unknown: left in doubt by kills, at most the account's concurrency each. unanswered: the provider hung.
slow: in doubt without a kill, since their server had no turn for the guard's time: a busy machine.
"""


def mutant_plan(name: str, seed: int) -> Plan:
    """Return a short plan in which the defect has every chance to show."""
    weather = Weather(reacting=0.6, hanging=0, cut=0)  # who hangs keeps slots for all the patience
    return Plan(
        name, 5, mutant=name, per_second=60, drain_s=10, timeout_s=SLOW_COMMIT_S, seed=seed, weather=weather
    )


def caught(name: str, folder: Path) -> str:
    """Return how a mutant was seen to break its promise, "" where it was not; chance may need some tries."""
    for seed in (1, 2, 3):
        place = folder / f"{name}-{seed}"
        place.mkdir()
        verdict = play(mutant_plan(name, seed), str(place / "kaskad.db"), place).verdict
        seen = {promise: count for promise in BROKEN[name] if (count := getattr(verdict, promise))}
        if seen:
            return f"{seen}, by seed {seed}"
    return ""


def main() -> int:
    """Play all plans and the mutants; return the exit code."""
    began, played = time.monotonic(), []
    folder = Path(tempfile.mkdtemp(prefix="kaskad-crash-"))
    with postgres_server() as server:
        for plan in PLANS:
            played.append(_play(plan, server, folder))
            _progress(played[-1])
    mutants = {name: caught(name, folder) for name in MUTANTS}
    _histogram(played)
    _table(played)
    for name, how in mutants.items():
        print(f"mutant {name!r}: {'caught: ' + how if how else 'NOT CAUGHT'}")
    steered = sum(one.steered for one in played)
    bad = any(one.verdict.problems for one in played) or not all(mutants.values()) or steered < STEERED
    print(
        f"{'FAILED' if bad else 'passed'} in {time.monotonic() - began:.0f} s; databases and logs: {folder}"
    )
    return int(bad)


def _play(plan: Plan, server: PostgresServer, folder: Path) -> Played:
    place = folder / plan.name.replace(" ", "-").replace(",", "")
    place.mkdir()
    return play(plan, server.create() if plan.postgres else str(place / "kaskad.db"), place)


def _progress(one: Played) -> None:
    print(f"{one.plan.name}: {one.plan.kills} kills in {one.seconds:.0f} s", flush=True)
    for problem in one.verdict.problems:
        print(f"  {problem}", flush=True)


def _histogram(played: list[Played]) -> None:
    points: Counter[str] = Counter()
    for one in played:
        points += one.points
    print("\nwhat was under way when the server was killed")
    for point, count in points.most_common():
        print(f"  {point:45} {count:4} {'█' * (count * 50 // sum(points.values()))}")


def _table(played: list[Played]) -> None:
    print(f"\n{'':45}" + "".join(f"{name:>11}" for name in COLUMNS))
    total: Counter[str] = Counter()
    for one in played:
        figures = {name: getattr(one.verdict, name, 0) for name in COLUMNS}
        figures |= {"kills": one.plan.kills, "steered": one.steered}
        total.update(figures)
        print(f"{one.plan.name:45}" + "".join(f"{figures[name]:>11}" for name in COLUMNS))
    print(f"{'all':45}" + "".join(f"{total[name]:>11}" for name in COLUMNS))
    print(LEGEND)


if __name__ == "__main__":
    sys.exit(main())
