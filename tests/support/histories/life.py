"""One history as it is lived: an engine or two, a provider that answers by lot, and what is known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

from kaskad.actions import segments
from kaskad.domain.hours import add
from kaskad.domain.policy import Policy
from kaskad.domain.span import parse_span
from kaskad.domain.terms import Channel, Reason
from kaskad.engine.arrival import Arrival
from kaskad.engine.parcel import Parcel, Result
from kaskad.store.db import Database
from support.histories.texts import SEGMENT, TEXTS, text_of
from support.marked import office_of
from support.one_count import rows
from support.scenarios import DESK
from support.stage import Stage, accepted, refused

Key = tuple[int, int, int]
PRICE = {"minor": 100, "currency": "KZT"}
ZONES = ("UTC", "Asia/Almaty", "America/New_York")
REFUSALS = {
    "transient": Reason.TRANSIENT, "auth": Reason.AUTH, "rate": Reason.RATE_LIMITED,
    "content": Reason.CONTENT, "invalid": Reason.INVALID_ADDRESS, "opted out": Reason.OPTED_OUT,
}  # fmt: skip
ANSWERS = ("taken", "queued", "doubt", "nothing", *REFUSALS)
MODES = ("taken",) * 6 + ("queued", "nothing", "nothing", "mixed", "mixed") + ANSWERS[2:]
WAKES = 20_000


class Life:
    """What a history does, and what its rules look at. `other` is a second process's way to the database."""

    def __init__(self, db: Database, seed: int, other: Database | None = None) -> None:
        self.db, self.draw = db, Random(seed)
        self.idempotent = self.draw.random() < 0.5
        url, idempotent = "https://p.example.org/", "yes" if self.idempotent else "no"
        self.own: dict[str, Any] = {"settings": {"url": url, "idempotent": idempotent}, "prices": PRICE}
        policy = Policy() if self.draw.random() < 0.4 else Policy.unlimited()
        self.stage = Stage(db, policy=policy, account_each=self.own)
        self.stage.answer = self.answer
        self.mode = "taken"
        self.parcels_seen = 0
        self.unanswered: list[tuple[Parcel, int]] = []
        self.answers: dict[Key, list[str]] = defaultdict(list)  # of each message, attempt by attempt
        self.failures: dict[Key, int] = defaultdict(int)  # told after the message had been taken
        self.refused: dict[tuple[int, Channel], int] = {}  # no advertising there, from which parcel on
        self.merged: dict[int, int] = {}
        self.paused: dict[str, int] = {}  # cascades, and from which parcel on; so of steps:
        self.held: dict[tuple[str, str], int] = {}
        self.numbers = self.parcels_loaded = 0
        self._set_up()
        self.stages = [self.stage]
        if other is not None:
            self.stages.append(self.stage.beside(other))

    def _set_up(self) -> None:
        draw, stage = self.draw, self.stage
        few = {"concurrency": draw.choice([1, 2, 1000]), "per_second": 1e6, "burst": 100_000}
        stage.account(Channel.SMS, "sms", limits=few, **self.own)
        if draw.random() < 0.5:
            stage.account(Channel.SMS, "backup", priority=9, **self.own)
        self.desk = stage.account(
            Channel.AGENT_CALL, "agent_call", provider="desk", prices=PRICE, settings=DESK
        )
        segments.create(self.office, "buyers", SEGMENT)
        self.slugs = [slug for slug in TEXTS if draw.random() < 0.6] or ["cart"]
        self.budgets = {slug: draw.choice([4, 40]) for slug in self.slugs}
        for slug in self.slugs:
            stage.cascade(text_of(slug, "v0", budget=self.budgets[slug]))
        self.people = [self.person(f"p{n}") for n in range(draw.choice([2, 4, 6]))]

    @property
    def office(self) -> Any:
        return office_of(self.stage)

    def person(self, name: str) -> int:
        born = {"birthday": self.birthday()}
        return self.stage.person(name, zone=self.draw.choice(ZONES), attributes=born)

    def birthday(self) -> str:
        """Draw one of the days after NOON: most histories are over within a week."""
        return f"1990-06-0{self.draw.randint(1, 8)}"

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def now(self) -> int:
        return self.stage.clock.now()

    def rows(self, text: str) -> list[Any]:
        return rows(self.db, text)

    # The provider

    def answer(self, parcel: Parcel) -> Result | None:
        mode = self.draw.choice(ANSWERS) if self.mode == "mixed" else self.mode
        told, now = self.answers[parcel.contact_id, parcel.run_id, parcel.step], self.now()
        told.append("no" if mode in REFUSALS else mode)
        match mode:
            case "taken":
                return accepted(parcel, now)
            case "queued":
                return accepted(parcel, now, kind=None)
            case "doubt":
                return refused(parcel, now, Reason.AMBIGUOUS, proven=False)
            case "nothing":
                self.unanswered.append((parcel, len(told) - 1))
                return None
        return refused(parcel, now, REFUSALS[mode], retry_after_ms=300_000 if mode == "rate" else None)

    def answers_late(self) -> None:
        """The provider answers at last to something that it was handed long ago."""
        if not self.unanswered:
            return
        parcel, attempt = self.unanswered.pop(self.draw.randrange(len(self.unanswered)))
        how = self.draw.choice(["taken", "no", "doubt"])
        self.answers[parcel.contact_id, parcel.run_id, parcel.step][attempt] = how
        result = accepted(parcel, self.now())
        if how != "taken":
            reason = self.draw.choice([Reason.TRANSIENT, Reason.CONTENT]) if how == "no" else Reason.AMBIGUOUS
            result = refused(parcel, self.now(), reason, proven=how == "no")
        self.some_stage().engine.take_results([result])
        self.works()

    # Engines and time

    def some_stage(self) -> Stage:
        return self.stages[0] if len(self.stages) == 1 else self.draw.choice(self.stages)

    def works(self) -> None:
        """Let all engines do what can be done at this instant, after something was changed."""
        for stage in self.stages:
            stage.engine._load()
        self.parcels_loaded = len(self.stage.parcels)
        self._work()

    def _work(self) -> None:
        for stage in [*self.stages, *self.stages[:-1]]:  # who came first has not seen what the last one did
            stage.works()

    def passes(self, span: str) -> None:
        """Let time pass, waking each engine whenever it wants to be."""
        clock = self.stage.clock
        until = add(clock.at, parse_span(span), "UTC")
        self.works()
        for _ in range(WAKES):
            due = min(stage.engine.next_at or until + 1 for stage in self.stages)
            if due > until:
                break
            clock.at = max(clock.at + 1, due)
            if self.parcels_loaded < len(self.stage.parcels) and len(self.stages) > 1:
                self.works()  # what is left of budgets each engine knows by what it has read
            else:
                self._work()
        else:
            raise AssertionError("the engine is woken again and again")
        clock.at = until
        self.works()

    def looks_at_dates_no_more(self) -> None:
        """Let no birthday begin a run: looks every hour would be most of what a hundred days cost."""
        never = self.now() + 365 * 86_400_000
        with self.db.write() as tx:
            tx.run("put_date_look", began_at=self.now(), after=0, next_at=never)

    def restarts(self, *, answers_lost: bool) -> None:
        """A process ends between two ticks, and another begins; what the provider then answers is lost."""
        stage = self.some_stage()
        stage.engine._results.clear()
        if answers_lost:
            self.unanswered.clear()
        stage.restart()
        self.works()

    # What rules ask

    def place(self, one: Arrival) -> tuple[str, Channel]:
        """Return the cascade and the channel of the message that something is told about."""
        channel = next(
            p.outgoing.channel for p in reversed(self.stage.parcels)
            if (p.contact_id, p.run_id, p.step) == (one.contact_id, one.run_id, one.step)
        )  # fmt: skip
        return self.cascade_of(one.contact_id, one.run_id), channel

    def cascade_of(self, contact_id: int, run_id: int) -> str:
        """Return whose run it is; "" where the run has gone to another contact."""
        found = self.rows("SELECT c.slug FROM runs r JOIN cascades c ON c.id = r.cascade_id"
                          f" WHERE contact_id = {contact_id} AND r.id = {run_id}")  # fmt: skip
        return found[0][0] if found else ""

    def address(self, contact_id: int) -> str:
        """Return the number from which a person writes."""
        (row,) = self.rows(f"SELECT value FROM addresses WHERE contact_id = {contact_id}"
                           f" AND channel = {Channel.SMS.code} ORDER BY value LIMIT 1")  # fmt: skip
        return str(row[0])

    def current(self, contact_id: int) -> int:
        """Return under which number a person is known now."""
        while contact_id in self.merged:
            contact_id = self.merged[contact_id]
        return contact_id

    def becomes(self, old: int, kept: int) -> None:
        """Note that one contact has become another: what either has refused holds for the one."""
        self.merged[old] = kept
        self.people.remove(old)
        for contact_id, channel in [*self.refused]:
            if contact_id == old:
                self.takes_no_advertising(kept, [channel])

    def takes_no_advertising(self, contact_id: int, channels: Sequence[Channel]) -> None:
        """Note that from here on the person gets none on these channels."""
        for channel in channels:
            self.refused.setdefault((contact_id, channel), len(self.stage.parcels))

    def agrees_again(self, contact_id: int) -> None:
        for key in [key for key in self.refused if key[0] == contact_id]:
            del self.refused[key]
