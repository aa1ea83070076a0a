"""Whom and what the control group's figures count, on both databases."""

from typing import Any

import pytest

from kaskad.analytics.control import everybody, measure
from kaskad.analytics.intervals import Share
from kaskad.domain.control import Drawn
from kaskad.domain.policy import ControlGroup
from kaskad.store import segment_base
from kaskad.store.db import Database, Transaction


@pytest.mark.parametrize(
    ("path", "amount"), [("total", "1e13"), ("total", "1" * 400), ("sum.total", "-1e12"), ('to"tal', "1e13")]
)
def test_whom_and_what_is_counted(
    either: Database, monkeypatch: pytest.MonkeyPatch, path: str, amount: str
) -> None:
    worth = {
        "1": "12.5",
        "2": "7",
        "3": '"9"',
        "4": "true",
        "5": amount,
        "6": "null",
        "7": "100",
        "8": "100",
        "9": "3",
    }
    with either.write() as tx:
        for number, told_amount in worth.items():
            seed, erased, created = (
                int(number == "7"),
                "5" if number == "8" else "NULL",
                90 if number == "9" else 0,
            )
            plain, odd = f'{{"total": {told_amount}, "of": [1]}}', f'{{"to\\"tal": {told_amount}}}'
            nested = f'{{"total": 1, "sum": {plain}}}'
            properties = {"total": plain, "sum.total": nested}.get(path, odd)
            tx.script(
                "INSERT INTO contacts (id, created_at, seed, erased_at) "
                f"VALUES ({number}, {created}, {seed}, {erased}); "
                "INSERT INTO events (contact_id, id, name, at, properties) VALUES "
                f"({number}, 'a', 'bought', {number}, '{properties}'), ({number}, 'b', 'other', 1, '{{}}')"
            )
    group, span = ControlGroup(event="bought", value=path), Drawn(0, 1, 0, 50)  # nobody is held out
    with either.read() as tx:
        whole = everybody(tx, [50, 100])
        assert whole.known(50).nonzero()[0].tolist() == [1, 2, 3, 4, 5, 6]
        assert whole.known(100).nonzero()[0].tolist() == [1, 2, 3, 4, 5, 6, 9]
        (told,) = measure(tx, group, [span], "KZT", 100)
        assert told.effect.one == Share(6, 6) and not told.more, "who is known later is of another time"
        assert told.treated == (1250 + 700) / 6
        (nothing,) = measure(tx, ControlGroup(event="none", value=path), [span], "KZT", 100)
        assert (nothing.effect.one, nothing.treated) == (Share(0, 6), 0)
        monkeypatch.setattr("kaskad.analytics.control.MOST", 7)
        (last,) = measure(tx, group, [span], "KZT", 100)
    assert last.more and last.effect.one == Share(4, 6), "the last seven, of whom three do not count"


_TIMES = [Drawn(5_000, 3, 40, 300), Drawn(4_000, 1, 30, 40), Drawn(3_000, 1, 8, 25), Drawn(2_000, 2, 0, 8)]


@pytest.mark.parametrize("times", [_TIMES[:2], _TIMES[::3], _TIMES])
def test_several_times_are_each_what_it_is_alone(
    either: Database, monkeypatch: pytest.MonkeyPatch, times: list[Drawn]
) -> None:
    monkeypatch.setattr("kaskad.analytics.control.BLOCK", 16)
    numbers = [*range(1, 18), *range(19, 41)]  # one is missing in the second block
    with either.write() as tx:
        for number in numbers:
            tx.script(
                "INSERT INTO contacts (id, created_at, seed, erased_at) VALUES "
                f"({number}, {number * 7 % 45}, {number % 9 == 0:d}, {'5' if number % 8 == 0 else 'NULL'}); "
                "INSERT INTO events (contact_id, id, name, at, properties) VALUES "
                f"({number}, 'a', 'bought', {number % 25}, '{{\"total\": {number}}}'), "
                f"({number}, 'b', 'bought', {number % 13 + 32}, '{{\"total\": 1}}')"
            )
    group = ControlGroup(event="bought", value="total")
    people = {n: n * 7 % 45 for n in numbers if n % 9 and n % 8}
    with either.read() as tx:
        for most, more in ((100, False), (11, True)):
            monkeypatch.setattr("kaskad.analytics.control.MOST", most)
            told = measure(tx, group, times, "KZT", 60)
            assert told == [measure(tx, group, [one], "KZT", 60)[0] for one in times]
            assert any(one.more for one in told) == more and len({one.effect.one for one in told}) > 1
        for one in measure(tx, group, times, "KZT", 60):
            known = sum(created < min(one.until, 60) for created in people.values())
            assert one.effect.one.of + one.effect.other.of == known > 0


def test_what_stays_in_memory_is_what_would_be_read(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with either.write() as tx:
        for number in range(1, 40):
            tx.script(
                "INSERT INTO contacts (id, created_at, seed) "
                f"VALUES ({number}, {number}, {number % 9 == 0:d}); "
                "INSERT INTO events (contact_id, id, name, at, properties) VALUES "
                f"({number}, 'a', 'bought', {number}, '{{\"total\": {number}}}')"
            )
    list(segment_base.making(either, 60))
    group, read = ControlGroup(event="bought", value="total"), list[str]()
    with either.read() as tx:
        kind, ask = type(tx), type(tx).all

    def spied(own: Transaction, what: str, /, **more: Any) -> Any:
        read.append(what)
        return ask(own, what, **more)

    def check(now: int) -> list[str]:
        """Hold what is told against what the tables tell; return what was asked for the former."""
        with either.read() as tx, monkeypatch.context() as patch:
            patch.setattr(kind, "all", spied)
            read.clear()
            told, asked = measure(tx, group, _TIMES, "KZT", now), [*read]
            patch.setattr("kaskad.store.segment_blocks.changed", lambda tx: None)
            assert told == measure(tx, group, _TIMES, "KZT", now)
        return [each for each in asked if each in ("everybody", "events_of_all")]

    assert check(60) == ["everybody", "events_of_all"]
    assert check(61) == [] and check(59) == ["everybody"]
    assert len(check(35)) == 1, "somebody was known only later"
    for change in (
        "INSERT INTO contacts (id, created_at) VALUES (50, 33)",
        "UPDATE contacts SET seed = 1 - seed WHERE id IN (9, 10)",
        "DELETE FROM events WHERE contact_id = 11",
        "UPDATE events SET contact_id = 50, properties = '{\"total\": 5}' WHERE contact_id = 12",
        "INSERT INTO events (contact_id, id, name, at, properties) "
        "VALUES (13, 'b', 'bought', 62, '{\"total\": 1}')",
    ):
        with either.write() as tx:
            tx.script(change)
        assert check(70) == []
    list(segment_base.making(either, 70))
    assert len(check(71)) == 2 and check(72) == []
    with either.write() as tx:
        tx.script("UPDATE contacts SET erased_at = 1 WHERE id = 14; DELETE FROM contacts WHERE id = 39")
    assert len(check(73)) == 2
    list(segment_base.making(either, 74))
    monkeypatch.setattr("kaskad.analytics.control.MOST", 7)
    check(75)


@pytest.mark.parametrize("at_once", [2, 9])
def test_of_too_many_events_the_last_are_read(
    either: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """All of an instant or none; where one instant has more than may be read, as many of its own."""
    with either.write() as tx:
        for number in range(9):
            tx.script(
                f"INSERT INTO contacts (id, created_at) VALUES ({number + 1}, 0); "
                "INSERT INTO events (contact_id, id, name, at, properties) VALUES "
                f"({number + 1}, 'a', 'bought', {5 + number // at_once}, '{{}}')"
            )
    group, span = ControlGroup(event="bought"), Drawn(0, 1, 0, 50)
    monkeypatch.setattr("kaskad.analytics.control.MOST", 4)
    with either.read() as tx:
        (told,) = measure(tx, group, [span], "KZT", 100)
    assert told.more and told.effect.one == Share(3 if at_once == 2 else 4, 9)
