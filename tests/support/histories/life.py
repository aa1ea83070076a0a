"""One history as it is lived: an engine or two, a provider that answers by lot, and what is known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from kaskad.actions import segments
from kaskad.domain.cascade import Step
from kaskad.domain.hours import add
from kaskad.domain.ledger import held_of
from kaskad.domain.policy import Policy, SpendingLimit
from kaskad.domain.span import parse_span
from kaskad.domain.terms import Channel, Reason
from kaskad.engine.arrival import Arrival
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.receive import Delivery
from kaskad.store.db import Database
from support.histories.texts import SEGMENT, TEXTS, text_of
from support.marked import office_of
from support.one_count import rows
from support.play import NOON
from support.scenarios import DESK
from support.stage import Stage, accepted, refused

Key = tuple[int, int, int]
PRICE = {"minor": 100, "currency": "KZT"}
FROM = 1_000  # histories from this seed on draw more: `later`
STARTS = (
    NOON,
    1_772_884_800_000,
    1_793_448_000_000,
)  # or the days before New York sets its clocks on, and back
LIMITS = (
    SpendingLimit("9 KZT", "day"),
    SpendingLimit("3 KZT", "day", "sms"),
    SpendingLimit("25 KZT", "month"),
)
ZONES = ("UTC", "Asia/Almaty", "America/New_York")
REFUSALS = {
    "transient": Reason.TRANSIENT, "auth": Reason.AUTH, "rate": Reason.RATE_LIMITED,
    "content": Reason.CONTENT, "invalid": Reason.INVALID_ADDRESS, "opted out": Reason.OPTED_OUT,
}  # fmt: skip
ANSWERS = ("taken", "queued", "doubt", "nothing", *REFUSALS)
MODES = ("taken",) * 6 + ("queued", "nothing", "nothing", "mixed", "mixed") + ANSWERS[2:]
WAKES = 20_000
NO_LIMIT = 1 << 40
STANDING = {
    "runs": "contact_id, id, version_id, step, phase, wake_at, due_at, outcome, value, returned",
    "messages": "contact_id, run_id, step, channel, state, mask, submitted_at, attempt, price, cost, spent",
    "facts": "contact_id, run_id, step, kind, event, at, value",
    "consents": "DISTINCT contact_id, at, channels, granted, purpose, topic",
    "suppressions": "*",
    "tasks": "*",
    "events": "*",
    "cascades": "*",
}
OF_RUNS = "JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id"


class Life:
    """What a history does, and what its rules look at. `other` is a second process's way to the database."""

    def __init__(self, db: Database, seed: int, other: Database | None = None) -> None:
        self.db, self.draw = db, Random(seed)
        self.idempotent = self.draw.random() < 0.5
        url, idempotent = "https://p.example.org/", "yes" if self.idempotent else "no"
        self.own: dict[str, Any] = {"settings": {"url": url, "idempotent": idempotent}, "prices": PRICE}
        policy = Policy() if self.draw.random() < 0.4 else Policy.unlimited()
        later = Random(f"{seed} later")  # so that earlier histories begin as they did
        self.begun_at = later.choice(STARTS) if seed >= FROM else NOON
        if seed >= FROM:
            budgets = later.choice([(), LIMITS, later.sample(LIMITS, k=2)])
            policy = replace(policy, zone=later.choice(ZONES), budgets=tuple(budgets))
        self.limited = bool(policy.budgets)
        self.stage = Stage(db, policy=policy, at=self.begun_at, account_each=self.own)
        self.mode = "taken"
        self.parcels_seen = 0
        self.erased: set[int] = set()
        self.told: list[dict[str, list[Any]]] = []
        self.unanswered: list[tuple[Stage, Parcel, int]] = []  # who asks, what, in which attempt
        self.answers: dict[Key, list[str]] = defaultdict(list)  # of each message, attempt by attempt
        self.failures: dict[Key, int] = defaultdict(int)  # told after the message had been taken
        self.refused: dict[tuple[int, Channel], int] = {}  # no advertising there, from which parcel on
        self.merged: dict[int, int] = {}
        self.renumbered: dict[tuple[int, int], tuple[int, int]] = {}  # runs of merged contacts
        self.passed_over: set[Key] = set()  # what a twin of the run has sent before they became one
        self.spent: list[tuple[str, int, int]] = []  # what was held of budgets after a hand-over, and may be
        self.stopped: dict[tuple[Channel, str], int] = {}  # nothing goes there, from which parcel on
        self.moved: set[int] = set()  # who was told another zone
        self.paused: dict[str, int] = {}  # cascades, and from which parcel on; so of steps:
        self.held: dict[tuple[str, str], int] = {}
        self.numbers = self.parcels_loaded = 0
        self._set_up()
        self.stages = [self.stage]
        if other is not None:
            self.stages.append(self.stage.beside(other))
        for stage in self.stages:
            stage.answer = partial(self.answer, stage)

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
        """Draw one of the first days: most histories are over within a week."""
        day = datetime.fromtimestamp(self.begun_at / 1000, UTC) + timedelta(days=self.draw.randint(0, 7))
        return f"1990-{day:%m-%d}"

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def now(self) -> int:
        return self.stage.clock.now()

    def rows(self, text: str) -> list[Any]:
        return rows(self.db, text)

    # The provider

    def answer(self, stage: Stage, parcel: Parcel) -> Result | None:
        mode = self.draw.choice(ANSWERS) if self.mode == "mixed" else self.mode
        told, now = self.answers[self.key(parcel)], self.now()
        self.note_spent(parcel, told)
        told.append("no" if mode in REFUSALS else mode)
        match mode:
            case "taken":
                return accepted(parcel, now)
            case "queued":
                return accepted(parcel, now, kind=None)
            case "doubt":
                return refused(parcel, now, Reason.AMBIGUOUS, proven=False)
            case "nothing":
                self.unanswered.append((stage, parcel, len(told) - 1))
                return None
        return refused(parcel, now, REFUSALS[mode], retry_after_ms=300_000 if mode == "rate" else None)

    def answers_late(self) -> None:
        """The provider answers at last to something that it was handed long ago."""
        if not self.unanswered:
            return
        stage, parcel, attempt = self.unanswered.pop(self.draw.randrange(len(self.unanswered)))
        how = self.draw.choice(["taken", "no", "doubt"])
        self.answers[self.key(parcel)][attempt] = how
        result = accepted(parcel, self.now())
        if how != "taken":
            reason = self.draw.choice([Reason.TRANSIENT, Reason.CONTENT]) if how == "no" else Reason.AMBIGUOUS
            result = refused(parcel, self.now(), reason, proven=how == "no")
        stage.engine.take_results([result])
        self.works()

    def note_spent(self, parcel: Parcel, told: Sequence[str]) -> None:
        """Note what is held of the budgets that a message was just handed over by."""
        key = self.key(parcel)
        if told and told[-1] != "no" and not self.failures[key]:
            return  # the same once more, under its key
        (cascade_id, reserved) = self.rows(
            "SELECT c.id, c.reserved FROM runs r JOIN cascades c ON c.id = r.cascade_id"
            f" WHERE r.contact_id = {parcel.contact_id} AND r.id = {parcel.run_id}"
        )[0]
        now = f"m.submitted_at = {self.now()} AND r.cascade_id = {cascade_id}"
        versions = self.rows(f"SELECT DISTINCT r.version_id FROM messages m {OF_RUNS} WHERE {now}")
        budgets = [self.stage.world.versions[row[0]].cascade.budget for row in versions]
        totals = [one.total.minor for one in budgets if one.total]
        if len(totals) == len(budgets):
            self.spent.append((f"cascade {cascade_id}", reserved, max(totals)))
        mine = f"m.contact_id = {parcel.contact_id} AND m.run_id = {parcel.run_id}"
        held = self.rows(f"SELECT m.state, m.price, m.cost, m.spent FROM messages m WHERE {mine}")
        most = max(
            (one.per_contact.minor if one.per_contact else NO_LIMIT for one in budgets), default=NO_LIMIT
        )
        self.note_limits()
        self.spent.append((f"run {key[:2]}", sum((row[3] or 0) + held_of(*row[:3]) for row in held), most))

    def note_limits(self) -> None:
        """Note what is held of the budgets of accounts and of all, in the period that is now."""
        spending = self.stage.world.money.spending
        today = datetime.fromtimestamp(self.now() / 1000, ZoneInfo(self.stage.world.policy.zone)).date()
        for one in spending.limits if spending is not None else ():
            since = (today.replace(day=1) if one.period == "month" else today).toordinal()
            of = f"AND account_id = {one.account_id}" if one.account_id else ""
            held = self.rows(f"SELECT coalesce(sum(amount), 0) FROM spending WHERE day >= {since} {of}")
            self.spent.append((f"{one.period} of {one.account_id or 'all'}", int(held[0][0]), one.minor))

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

    def restarts(self, stage: Stage, *, answers_lost: bool) -> None:
        """A process ends between two ticks, and another begins; what the provider then answers is lost."""
        for result in stage.engine._results:
            self.answers[self.key(result)][-1] = "nothing"
        stage.engine._results.clear()
        if answers_lost:
            self.unanswered = [one for one in self.unanswered if one[0] is not stage]
        stage.restart()
        self.works()

    def tells(self, to: Stage, **what: Sequence[Any]) -> None:
        """Tell an engine something, once; it may be told again."""
        done = to.engine.deliver(Delivery(Future(), **what))
        to.engine._work()
        done.result(0)
        self.told += [{of: [one]} for of, all_of in what.items() for one in all_of]

    # What rules ask

    def whom(self, told: dict[str, list[Any]]) -> int:
        """Return about whom something was told, as the person is known now; 0: an address says it."""
        ((of, (one,)),) = told.items()
        return 0 if of == "inbound" else self.current(one.contact.id if of == "events" else one.contact_id)

    def standing(self) -> dict[str, list[Any]]:
        """Return all that decisions follow from and lead to."""
        return {
            table: sorted(self.rows(f"SELECT {columns} FROM {table}"), key=repr)
            for table, columns in STANDING.items()
        }

    def key(self, one: Arrival | Parcel | Result) -> Key:
        """Return as what a message is known now, by the numbers of its run when it was handed over."""
        run = one.contact_id, one.run_id
        return *self.renumbered.get(run, run), one.step

    def place(self, one: Arrival) -> tuple[str, Channel]:
        """Return the cascade and the channel of the message that something is told about."""
        channel = next(
            p.outgoing.channel for p in reversed(self.stage.parcels)
            if (p.contact_id, p.run_id, p.step) == (one.contact_id, one.run_id, one.step)
        )  # fmt: skip
        return self.cascade_of(*self.key(one)[:2]), channel

    def cascade_of(self, contact_id: int, run_id: int) -> str:
        """Return whose run it is; "" where it is gone with a contact that was erased."""
        found = self.rows("SELECT c.slug FROM runs r JOIN cascades c ON c.id = r.cascade_id"
                          f" WHERE contact_id = {contact_id} AND r.id = {run_id}")  # fmt: skip
        return found[0][0] if found else ""

    def address(self, contact_id: int) -> str:
        """Return the number from which a person writes."""
        (row,) = self.rows(f"SELECT value FROM addresses WHERE contact_id = {contact_id}"
                           f" AND channel = {Channel.SMS.code} ORDER BY value LIMIT 1")  # fmt: skip
        return str(row[0])

    def addresses(self, contact_id: int, channel: Channel) -> list[str]:
        return [row[0] for row in self.rows(f"SELECT value FROM addresses WHERE contact_id = {contact_id}"
                                            f" AND channel = {channel.code} ORDER BY value")]  # fmt: skip

    def current(self, contact_id: int) -> int:
        """Return under which number a person is known now."""
        while contact_id in self.merged:
            contact_id = self.merged[contact_id]
        return contact_id

    def becomes(self, old: int, kept: int) -> None:
        """Note that one contact has become another: what either has sent or refused holds for the one."""
        self.merged[old] = kept
        self.people.remove(old)
        for contact_id, channel in [*self.refused]:
            if contact_id == old:
                self.takes_no_advertising(kept, [channel])
        numbers = self.rows("SELECT old_contact, old_run, contact_id, run_id FROM merged_runs")
        self.renumbered = {(row[0], row[1]): (row[2], row[3]) for row in numbers}
        for counts in (self.answers, self.failures):
            for contact_id, run_id, step in [*counts]:
                now = self.renumbered.get((contact_id, run_id))
                if now is not None:
                    counts[*now, step] = counts.pop((contact_id, run_id, step))  # type: ignore[attr-defined]
        self.passed_over = {
            (*self.renumbered.get((key[0], key[1]), (key[0], key[1])), key[2]) for key in self.passed_over
        }
        self.passed_over |= {key for key in self.sent_by_twins(kept) if not self.answers.get(key)}

    def sent_by_twins(self, contact_id: int) -> Iterable[Key]:
        """Return the steps of runs by whose twins they were sent: by other numbers, in another version."""
        for run_id, ours, theirs, step in self.rows(
            "SELECT t.into_run, r.version_id, o.version_id, m.step FROM run_twins t"
            " JOIN runs r ON r.contact_id = t.contact_id AND r.id = t.into_run"
            " JOIN runs o ON o.contact_id = t.contact_id AND o.id = t.run_id"
            " JOIN messages m ON m.contact_id = t.contact_id AND m.run_id = t.run_id"
            f" WHERE t.contact_id = {contact_id} AND m.state NOT IN (0, 1, 11, 12)"
        ):
            name = self.steps(theirs)[step].id
            yield from ((contact_id, run_id, one.number) for one in self.steps(ours) if one.id == name)

    def steps(self, version_id: int) -> tuple[Step, ...]:
        return self.stage.world.versions[version_id].cascade.steps

    def takes_no_advertising(self, contact_id: int, channels: Sequence[Channel]) -> None:
        """Note that from here on the person gets none on these channels."""
        for channel in channels:
            self.refused.setdefault((contact_id, channel), len(self.stage.parcels))

    def agrees_again(self, contact_id: int) -> None:
        for key in [key for key in self.refused if key[0] == contact_id]:
            del self.refused[key]
