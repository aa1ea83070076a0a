"""Whom and what the control group's figures count, on both databases."""

import pytest

from kaskad.analytics.control import everybody, measure
from kaskad.analytics.intervals import Share
from kaskad.domain.control import Drawn
from kaskad.domain.policy import ControlGroup
from kaskad.store.db import Database


@pytest.mark.parametrize("path", ["total", "sum.total"])
def test_whom_and_what_is_counted(either: Database, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    worth = {
        "1": "12.5",
        "2": "7",
        "3": '"9"',
        "4": "true",
        "5": "1e13",
        "6": "null",
        "7": "100",
        "8": "100",
        "9": "3",
    }
    with either.write() as tx:
        for number, amount in worth.items():
            seed, erased, created = (
                int(number == "7"),
                "5" if number == "8" else "NULL",
                90 if number == "9" else 0,
            )
            total = f'{{"total": {amount}, "of": [1]}}'
            properties = total if path == "total" else f'{{"total": 1, "sum": {total}}}'
            tx.script(
                "INSERT INTO contacts (id, created_at, seed, erased_at) "
                f"VALUES ({number}, {created}, {seed}, {erased}); "
                "INSERT INTO events (contact_id, id, name, at, properties) VALUES "
                f"({number}, 'a', 'bought', {number}, '{properties}'), ({number}, 'b', 'other', 1, '{{}}')"
            )
    group, span = ControlGroup(event="bought", value=path), Drawn(0, 1, 0, 50)  # nobody is held out
    with either.read() as tx:
        assert not len(everybody(tx, 0)) and len(everybody(tx, 100)) == 7
        told = measure(tx, group, span, "KZT", 100)
        assert told.effect.one == Share(6, 6) and not told.more, "who is known later is of another time"
        assert told.treated == (1250 + 700) / 6
        nothing = measure(tx, ControlGroup(event="none", value=path), span, "KZT", 100)
        assert (nothing.effect.one, nothing.treated) == (Share(0, 6), 0)
        monkeypatch.setattr("kaskad.analytics.control.MOST", 7)
        last = measure(tx, group, span, "KZT", 100)
    assert last.more and last.effect.one == Share(4, 6), "the last seven, of whom three do not count"
