"""What an operator does to a whole cascade: pause, resume, stop."""

from __future__ import annotations

from concurrent.futures import Future

from kaskad.domain.terms import Kind
from kaskad.engine.arrival import Arrival
from kaskad.engine.engine import Engine
from kaskad.engine.receive import Delivery
from kaskad.store import cascades
from kaskad.store.db import Transaction

_BATCH = 5_000


def pause(engine: Engine, cascade_id: int) -> None:
    """Send nothing of a cascade from now on; its runs keep their places and their clocks."""
    _set_state(engine, cascade_id, cascades.PAUSED)


def resume(engine: Engine, cascade_id: int) -> int:
    """Let a paused cascade send again; return how many runs look again at once, each with the last look."""
    _set_state(engine, cascade_id, cascades.ACTIVE)
    now = engine.world.clock.now()
    return engine.write(lambda tx: tx.run("wake_held_runs", cascade_id=cascade_id, now=now)).result()


def stop(engine: Engine, cascade_id: int) -> int:
    """End a cascade for good: every live run is cancelled; return how many. Nothing enters it any more."""
    _set_state(engine, cascade_id, cascades.STOPPED)
    after, count = 0, 0
    while True:
        keys = engine.write(lambda tx, after=after: _live(tx, cascade_id, after)).result()  # type: ignore[misc]
        if not keys:
            return count
        now = engine.world.clock.now()
        arrivals = [Arrival(*key, -1, Kind.CANCELLED.value, f"stop {cascade_id}", now) for key in keys]
        engine.deliver(Delivery(Future(), arrivals=arrivals)).result()
        after, count = keys[-1][0], count + len(keys)


def _live(tx: Transaction, cascade_id: int, after: int) -> list[tuple[int, int]]:
    rows = tx.all("live_run_keys_of_cascade", cascade_id=cascade_id, after=after, limit=_BATCH)
    return [(row[0], row[1]) for row in rows]


def _set_state(engine: Engine, cascade_id: int, state: str) -> None:
    now = engine.world.clock.now()

    def change(tx: Transaction) -> None:
        before = cascades.cascade(tx, cascade_id)
        cascades.set_state(tx, cascade_id, state, now)
        outbox = engine.world.outbox
        if outbox is not None and state == cascades.PAUSED != before.state:
            outbox.cascade_paused(tx, before.slug, now)
        elif outbox is not None and state == cascades.ACTIVE and before.state == cascades.PAUSED:
            outbox.cascade_resumed(tx, before.slug, now)

    engine.write(change).result()
    engine.reload()
