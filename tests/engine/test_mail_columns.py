"""Mail by who keeps the mailbox, by columns: what a slow count of rows gives, whatever has changed since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

from kaskad.actions import asked, erasure, mailboxes
from kaskad.analytics.mailboxes import DAY_MS, Counted, Mails, _sources, counted
from kaskad.domain.mailboxes import service_of
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine import merging
from kaskad.store import courses
from kaskad.store.contacts import Address, Contact, upsert
from kaskad.store.db import Database
from support.marked import staged
from support.one_count import WEEK, rows
from support.stage import HASH_KEY, Stage, accepted, refused

CASCADE = """cascade: news
class: advertising
topic: news
trigger: {event: left}
steps:
  - {id: letter, channel: email, subject: Hello, text: "Hello {{ unsubscribe_url }}", wait: 20d}
  - {id: second, channel: email, subject: Again, text: "Hello {{ unsubscribe_url }}", wait: 1d}
  - {id: sms, channel: sms, text: "Hello {{ unsubscribe_url }}", wait: 1d}
"""
DOMAINS = ("gmail.com", "bk.ru", "mail.ru", "shop.example.org", "ya.ru")
COUNT, DAYS = 30, 60
LEFT, FAILED, DEAD = {3, 4, 5, 7, 8, 9, 10}, {6, 7, 8, 9}, {1, Reason.DOUBTFUL_ADDRESS.code}


class Told:
    """People who were written to, and what of them is made by column."""

    def __init__(self, db: Database) -> None:
        self.stage, self.office = staged(db)
        stage = self.stage
        stage.cascade(CASCADE)
        stage.answer = lambda parcel: (
            refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
            if parcel.contact_id % 7 == 0
            else accepted(parcel, stage.clock.now())
        )
        self.people = [
            stage.person(f"p{n}", (), addresses={
                Channel.EMAIL: f"p{n}@{DOMAINS[n % len(DOMAINS)]}", Channel.SMS: f"+7700000{n:04}",
            })
            for n in range(COUNT)
        ]  # fmt: skip
        for person in self.people:
            stage.event(person, "left")
        stage.passes("1h")
        self.mailed = [person for person in self.people if "letter" in stage.sent(person)]
        for n, person in enumerate(self.mailed):
            stage.receipt(person, *((), (Kind.DELIVERED,), (Kind.BOUNCED,), (Kind.COMPLAINED,))[n % 4])
        stage.works()

    def make(self) -> None:
        """Make all columns, and look that mails are read from them alone."""
        list(asked.refresh(self.office))
        assert self.loose() == []

    def loose(self) -> list[int]:
        """Return whose mails are read as they stand though there are columns."""
        with self.stage.db.read() as tx:
            found = _sources(tx)
        assert (found.made, found.rest) == ([0], [])
        return found.loose

    def found(self) -> Counted:
        with self.stage.db.read() as tx:
            return counted(tx, (self.stage.clock.now() // DAY_MS - DAYS + 1) * DAY_MS)

    def check(self) -> dict[str, Mails]:
        """Hold what is told against a slow count; return the latter by domain."""
        days, domains = slowly(self.stage)
        found = self.found()
        for told, slow in ((found.days, days), (found.domains, domains)):
            for mails in told.values():
                mails.opt_outs = 0  # these are never read by column
            assert told == slow
        return domains


def slowly(stage: Stage) -> tuple[dict[tuple[int, str], Mails], dict[str, Mails]]:
    """Count all mails one after the other, by day and service, and by domain."""
    days: dict[tuple[int, str], Mails] = defaultdict(Mails)
    domains: dict[str, Mails] = defaultdict(Mails)
    db = stage.db
    tells = dict(rows(db, "SELECT id, tells FROM accounts"))
    seeds = {row[0] for row in rows(db, "SELECT id FROM contacts WHERE seed = 1")}
    boxes: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for contact, preferred, health, value in rows(
        db, "SELECT contact_id, preferred, health, value FROM addresses WHERE channel = 1"
    ):
        boxes[contact].append((-preferred, health, value))
    spam = {tuple(row[:3]): row[3] for row in rows(
        db, "SELECT contact_id, run_id, step, min(at) FROM facts WHERE kind = 14 GROUP BY 1, 2, 3"
    )}  # fmt: skip
    for contact, run, step, account, state, reason, mask, at in rows(
        db, "SELECT contact_id, run_id, step, account_id, state, reason, mask, submitted_at FROM messages "
        "WHERE channel = 1 AND submitted_at IS NOT NULL",
    ):  # fmt: skip
        if contact in seeds or not boxes[contact] or state not in LEFT | FAILED:
            continue
        domain = min(boxes[contact])[2].partition("@")[2]
        told = tells[account] & Kind.DELIVERED.bit
        refusal = mask & (Kind.COMPLAINED.bit | Kind.UNSUBSCRIBED.bit)
        one = Mails(
            1, int(state in ({4, 5} if told else {3, 4, 5, 10}) or (state in LEFT and refusal > 0)),
            int(state in FAILED and (state == 8 or reason in DEAD)),
            int(spam.get((contact, run, step), at + WEEK + 1) <= at + WEEK),
        )  # fmt: skip
        days[at // DAY_MS, service_of(domain)].add(one)
        domains[domain].add(one)
    return dict(days), dict(domains)


@pytest.fixture
def told(either: Database) -> Told:
    return Told(either)


def test_columns_tell_what_the_rows_do(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    found, before = told.found(), told.check()
    assert len(before) == len(DOMAINS)
    for name in ("sent", "arrived", "bounced", "complaints"):
        assert sum(getattr(mails, name) for mails in before.values()) > 0
    told.make()
    assert told.check() == before and told.found() == found

    asked_for = mailboxes.told(told.office)
    with told.stage.db.read() as tx:
        assert not asked.is_wanted(told.office, tx), "of few people nobody needs columns"
    monkeypatch.setattr(asked, "LARGE", 0)
    assert mailboxes.told(told.office) == asked_for
    with told.stage.db.read() as tx:
        assert asked.is_wanted(told.office, tx), "and of many they are kept made"


def test_what_comes_weeks_later_is_told(told: Told) -> None:
    told.make()
    stage = told.stage
    stage.passes("5d")
    early, late, bounced = told.mailed[0], told.mailed[4], told.mailed[1]
    stage.receipt(early, Kind.COMPLAINED)  # within the week
    stage.receipt(bounced, Kind.BOUNCED)
    assert {early, bounced} <= set(told.loose())
    told.check()
    stage.passes("9d")
    stage.receipt(late, Kind.COMPLAINED)  # arrived, and too late to count
    told.check()
    told.make()
    before = told.check()
    stage.passes("7d")  # the second letter
    assert sum(m.sent for m in told.check().values()) > sum(m.sent for m in before.values())
    told.make()
    told.check()
    with stage.db.write() as tx:
        tx.script(f"UPDATE accounts SET tells = tells | {Kind.DELIVERED.bit}")
    assert told.loose() == [], "what an account tells of is asked when mails are read"
    after = told.check()
    assert sum(m.arrived for m in after.values()) < sum(m.sent for m in after.values())


def test_who_is_not_counted_yet_is_told_as_they_stand(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    told.make()
    before, person = told.check(), told.mailed[0]
    run_id = told.stage.run(person).id
    with told.stage.db.write() as tx:
        tx.script(f"UPDATE messages SET state = 8 WHERE contact_id = {person} AND step = 0")
        courses.due(tx, {(person, run_id)})
    assert told.loose() == [person] and told.check() != before
    monkeypatch.setattr("kaskad.analytics.mailboxes.MOST", 0)
    with told.stage.db.read() as tx:
        assert _sources(tx).rest == [0]
    assert told.check() != before


def moved(told: Told, person: int) -> None:
    """The person has another address, which is preferred."""
    with told.stage.db.write() as tx:
        upsert(tx, HASH_KEY, [Contact(id=person, addresses=[Address(Channel.EMAIL, "new@icloud.com")])], 5)
        tx.many("prefer_addresses", [(person, Channel.EMAIL.code, "new@icloud.com", 1)])


def preferred_again(told: Told, person: int) -> None:
    moved(told, person)
    told.make()
    assert "icloud.com" in told.check()
    with told.stage.db.write() as tx:
        tx.many("prefer_addresses", [(person, Channel.EMAIL.code, "new@icloud.com", 0)])
        tx.many(
            "prefer_addresses", [(person, Channel.EMAIL.code, f"p{told.people.index(person)}@gmail.com", 1)]
        )


def made_ill(told: Told, person: int) -> None:
    """The first of two addresses that are as good as each other bounces."""
    with told.stage.db.write() as tx:
        upsert(tx, HASH_KEY, [Contact(id=person, addresses=[Address(Channel.EMAIL, "a@rambler.ru")])], 5)
    told.make()
    assert "rambler.ru" in told.check()
    with told.stage.db.write() as tx:
        tx.script(f"UPDATE addresses SET health = 1 WHERE contact_id = {person} AND value = 'a@rambler.ru'")


def lost(told: Told, person: int) -> None:
    with told.stage.db.write() as tx:
        tx.script(f"DELETE FROM addresses WHERE contact_id = {person} AND channel = 1")


def watched(told: Told, person: int) -> None:
    with told.stage.db.write() as tx:
        tx.script(f"UPDATE contacts SET seed = 1 WHERE id = {person}")


def merged(told: Told, person: int) -> None:
    stage, other = told.stage, told.mailed[-1]
    stage.engine.write(
        lambda tx: merging.merge(tx, stage.world, other, person, "test", stage.clock.now())
    ).result(1)
    stage.works()


@pytest.mark.parametrize("change", [moved, preferred_again, made_ill, lost, watched, merged])
def test_whoever_is_changed_is_told_as_they_stand(told: Told, change: Callable[[Told, int], None]) -> None:
    told.make()
    person = told.mailed[0]
    assert told.people.index(person) % len(DOMAINS) == 0, "with gmail.com"
    before = told.check()
    change(told, person)
    if change is not merged:  # somebody is gone then, and with them the block for which they stood
        assert told.loose() == [person]
    after = told.check()
    if change not in (preferred_again, made_ill):
        assert after != before
    told.make()
    assert told.check() == after


def test_who_is_forgotten_is_in_nothing(told: Told) -> None:
    told.make()
    before = told.check()
    erasure.erase(told.office, f"con_{told.mailed[0]}", "ann's key")
    after = told.check()
    assert sum(m.sent for m in after.values()) < sum(m.sent for m in before.values())
    told.make()
    assert told.check() == after


def test_too_many_changes_are_read_from_the_tables(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    told.make()
    with told.stage.db.write() as tx:
        tx.script("UPDATE contacts SET language = 'ru'")
    assert told.loose() == told.people
    told.check()
    for name in ("kaskad.analytics.mailboxes.MOST", "kaskad.analytics.mailboxes._LOOSE"):
        with monkeypatch.context() as patch, told.stage.db.read() as tx:
            patch.setattr(name, 3)
            assert _sources(tx).rest == [0]
            patch.undo()
    monkeypatch.setattr("kaskad.analytics.mailboxes.MOST", 3)
    told.check()
