"""Three defects on purpose. The crash test must fail with each of them, or it proves nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from msgspec import structs

from kaskad.engine import engine as engine_module
from kaskad.engine.engine import Engine
from kaskad.engine.move import move
from kaskad.engine.parcel import Result
from kaskad.engine.receive import Delivery, receive
from kaskad.engine.tick import Ticked, tick
from kaskad.engine.world import World
from kaskad.store.db import Database, Transaction

INBOX_LAG_MS = 150  # how long what has arrived waits, in the engine's time
SLOW_COMMIT_S = 2.0  # a disk that takes its time: the window that the right order does not have


def send_before_commit(engine: Engine, db: Database) -> None:
    """Hand parcels to the provider inside the transaction that notes them as submitted."""

    def mutated(
        tx: Transaction, world: World, results: Sequence[Result], deliveries: Sequence[Delivery], now: int,
        **more: bool,
    ) -> Ticked:  # fmt: skip
        ticked = tick(tx, world, results, deliveries, now, **more)
        if ticked.parcels:
            engine._dispatch.submit(ticked.parcels)
            ends = time.monotonic() + SLOW_COMMIT_S
            while len(engine._results) < len(ticked.parcels) and time.monotonic() < ends:
                time.sleep(0.005)  # a kill may come late on a busy machine, but while answers are held back
        return ticked

    engine_module.tick = mutated
    engine._effects._submit = lambda parcels: None  # type: ignore[method-assign]


def timers_before_inbox(engine: Engine, db: Database) -> None:
    """Store what arrives and answer for it, but let timers fire before it is applied, some time later."""
    _rewrite(db, "claim_due_runs", r"\n\s*AND NOT EXISTS \(SELECT 1 FROM inbox[^)]*\)", "")
    patient, hasty = engine.world.options, structs.replace(engine.world.options, inbox_limit=0)
    applied_at = 0

    def mutated(
        tx: Transaction, world: World, results: Sequence[Result], deliveries: Sequence[Delivery], now: int,
        **more: bool,
    ) -> Ticked:  # fmt: skip
        nonlocal applied_at
        early = move(tx, world, set(), now)
        late = now - applied_at >= INBOX_LAG_MS
        applied_at = now if late else applied_at
        world.options = patient if late else hasty
        ticked = tick(tx, world, results, [], now, **more)
        arrivals = receive(tx, deliveries, now)
        tx.many("put_inbox", [
            (now, a.contact_id, a.run_id, a.step, a.kind, a.event, a.at, a.value) for a in arrivals
        ])  # fmt: skip
        return structs.replace(ticked, parcels=early.parcels + ticked.parcels, more=early.more)

    engine_module.tick = mutated


def no_dedupe(engine: Engine, db: Database) -> None:
    """Take what is told twice as told anew: events, facts, messages that have already left."""
    again = "ON CONFLICT (contact_id, id) DO UPDATE SET name = excluded.name"
    _rewrite(db, "put_events", r"ON CONFLICT DO NOTHING", again)
    again = "ON CONFLICT (contact_id, run_id, step, kind, event) DO UPDATE SET at = excluded.at"
    _rewrite(db, "put_facts", r"ON CONFLICT DO NOTHING", again)
    _rewrite(db, "put_messages", r"\n\s*WHERE messages\.state IN \(0, 1\)", "")


MUTANTS = {
    "send before commit": send_before_commit,
    "timers before the inbox": timers_before_inbox,
    "no dedupe": no_dedupe,
}
BROKEN = {  # any of these figures of the verdict shows the defect; what else goes wrong may be chance
    "send before commit": ("twice", "lost", "forgotten"),
    "timers before the inbox": ("overtaken",),
    "no dedupe": ("twice",),
}


def _rewrite(db: Database, name: str, pattern: str, words: str) -> None:
    """Change a statement of this process; fails where the text has changed so that nothing would."""
    known = db._known  # type: ignore[attr-defined]
    text, count = re.subn(pattern, words, known[name].text)
    assert count == 1, f"the mutant no longer fits the statement {name}"
    known[name] = structs.replace(known[name], text=text)
