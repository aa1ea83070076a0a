"""What the rows of CASCADE-4 cost by themselves: the tick's own statements in a loop that asks no rule.

Nobody can be carried through faster than their rows are read and written, whatever decides about them.
Left out are counting for reports, refusals' own rows, and all that a tick asks besides.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from msgspec import Struct

from kaskad.bench.fates import REACT, Fates
from kaskad.bench.place import open_place
from kaskad.bench.prepare import ACCOUNTS, CHANNELS, prepare
from kaskad.domain.terms import Kind, MessageState, Outcome, RunState
from kaskad.engine.changes import PIECE
from kaskad.store.db import Database, Row, Transaction, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.vault import Vault

RUN, NOW, GUARD_MS = 1, 1_700_000_000_000, 90_000
BODY = '{"text":"Person 12345, a text of about this length for everybody","to":"3-12345"}'
_FINISHED, _RESPONDED = RunState.FINISHED.code, Outcome.RESPONDED.code
_READ, _REJECTED = Kind.READ, Kind.REJECTED
_READ_STATE, _REJECTED_STATE = MessageState.READ.code, MessageState.REJECTED.code


class Report(Struct, frozen=True):
    """Microseconds for each person: of this thread's time by statement and together, and by the clock."""

    contacts: int
    tick: int  # people handed over in one transaction
    scattered: bool  # in no order, instead of neighbours together
    messages: int
    statements: dict[str, float]
    cpu_us: float
    wall_us: float


class _Timed:
    """A transaction's statements, with the time that each has taken."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.tx: Transaction

    def many(self, name: str, rows: Sequence[Row]) -> None:
        """Run a statement for rows, if there are any."""
        if rows:
            began = time.thread_time_ns()
            self.tx.many(name, rows)
            self.spent[name] += time.thread_time_ns() - began

    def look(self, part: Sequence[int], step: int) -> None:
        """Read what the tick reads of those who are due."""
        began = time.thread_time_ns()
        self.tx.all("claim_due_runs", now=NOW, limit=len(part))
        self.spent["claim_due_runs"] += time.thread_time_ns() - began
        began = time.thread_time_ns()
        self.tx.among("look_alike", part, channel=CHANNELS[step].code, now=NOW, since=0)
        self.spent["look_alike"] += time.thread_time_ns() - began


class Rows:
    """One passage of everybody, transaction by transaction as in two ticks: handed over, then heard of."""

    def __init__(self, db: Database, contacts: int, tick: int, scattered: bool) -> None:
        self._db, self._contacts, self._tick, self._scattered = db, contacts, tick, scattered
        self._fates = Fates(contacts, 1, (20, 50))
        self._timed, self._events = _Timed(), count()
        self._seq = dict.fromkeys(range(1, contacts + 1), 0)
        self.messages = 0

    def run(self) -> Report:
        """Write all rows; return what that took."""
        began = time.perf_counter()
        live = list(self._seq)
        for step in range(len(REACT)):
            if self._scattered:
                random.Random(step).shuffle(live)
            for part in _pieces(live, self._tick):
                self._transact(self._hand_over, step, sorted(part), step == 0)
                self._transact(self._hear, step, sorted(part))
            reacted = self._fates.reacts
            fails = self._fates.fails
            live = [one for one in live if fails(one, step) or not reacted(one, step)]
        wall_us = (time.perf_counter() - began) / self._contacts * 1e6
        spent = {name: round(ns / self._contacts / 1e3, 2) for name, ns in self._timed.spent.most_common()}
        return Report(self._contacts, self._tick, self._scattered, self.messages, spent,
                      round(sum(spent.values()), 1), round(wall_us, 1))  # fmt: skip

    def _transact(self, work: Callable[..., None], *args: object) -> None:
        with self._db.write() as tx:
            self._timed.tx = tx
            work(*args)
            began = time.thread_time_ns()
        self._timed.spent["commit"] += time.thread_time_ns() - began

    def _hand_over(self, step: int, part: Sequence[int], enters: bool) -> None:
        many, seq, channel = self._timed.many, self._seq, CHANNELS[step].code
        if enters:
            many("insert_runs", [(one, RUN, 1, 1, 0, 0, -1, NOW, NOW, NOW, 0) for one in part])
        self._timed.look(part, step)
        for piece in _pieces(part, PIECE):
            many("submit_runs", [(one, RUN, seq[one], step, NOW + GUARD_MS, NOW) for one in piece])
            many("submit_messages", [
                (one, RUN, step, channel, ACCOUNTS[step], 3, NOW, 150, 1 << 60, seq[one]) for one in piece
            ])  # fmt: skip
            many("put_new_bodies", [(one, RUN, step, BODY) for one in piece])
        self._pass(part)
        self.messages += len(part)

    def _hear(self, step: int, part: Sequence[int]) -> None:
        many, seq, fates = self._timed.many, self._seq, self._fates
        taken = [one for one in part if not fates.fails(one, step)]
        refused = [one for one in part if fates.fails(one, step)]
        read = [one for one in taken if fates.reacts(one, step)]
        many("accept_messages", [(one, RUN, step, Kind.SENT.bit, NOW, None) for one in taken])
        many("begin_waiting", [(one, RUN, seq[one], NOW) for one in taken])
        self._pass(taken)
        many("deliver_messages", [(one, RUN, step) for one in taken])
        kinds = ((taken, Kind.DELIVERED), (read, _READ), (refused, _REJECTED))
        facts = [
            (one, RUN, step, kind.value, f"e{next(self._events)}", NOW, None)
            for people, kind in kinds for one in people
        ]  # fmt: skip
        many("put_facts", sorted(facts))
        many("fold_messages", [(one, RUN, step, _READ.bit, _READ_STATE, None, None) for one in read])
        many("fold_messages", [(one, RUN, step, _REJECTED.bit, _REJECTED_STATE, None, 1) for one in refused])
        ended = part if step == len(REACT) - 1 else read
        many("update_runs", [
            (one, RUN, seq[one], _FINISHED, 3, step, None, None, NOW, _RESPONDED, step, 0, NOW)
            for one in ended
        ])  # fmt: skip
        many("put_decisions", [(one, RUN, seq[one], NOW, 1 << 60) for one in ended])

    def _pass(self, part: Sequence[int]) -> None:
        for one in part:
            self._seq[one] += 1


def _pieces(people: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for at in range(0, len(people), size):
        yield people[at : at + size]


def run(contacts: int, where: str, tick: int, scattered: bool) -> Report:
    """Write the rows of so many people in a fresh database; raises what `open_place` does."""
    with open_place(where) as place:
        db = open_database(place.url)
        try:
            upgrade(db)
            vault = Vault(["the key of a benchmark's database, of no worth"])
            prepare(db, vault, contacts, "http://127.0.0.1/", 1)
            return Rows(db, contacts, tick, scattered).run()
        finally:
            db.close()
