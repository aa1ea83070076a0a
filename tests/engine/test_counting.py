"""Counting by rounds: whatever ends one, and whatever changes meanwhile, a run is counted once, as it is."""

from collections import Counter
from collections.abc import Sequence

import pytest

from kaskad.domain.course import parts_of, text_of
from kaskad.domain.terms import Kind
from kaskad.engine import counting
from kaskad.engine.counting import Counting
from kaskad.store import courses
from kaskad.store.db import Database, Transaction
from kaskad.store.runs import RunKey
from support.stage import Stage

TEXT = """
cascade: counted
title: Counted
class: service
trigger: {event: left}
steps: [{id: letter, channel: email, subject: s, text: t, wait: 2h}]
"""
PIECE, PEOPLE = 3, 8


class Undone(Exception):
    """The transaction is rolled back, or its process killed before the commit."""


class Place:
    """A database with some runs that are counted, and a machine's clock that is moved by hand."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.db, self.at = db, 1_000_000
        monkeypatch.setattr(counting, "wall_ms", lambda: self.at)
        stage = Stage(db)
        stage.cascade(TEXT)
        people = [stage.person(f"p{n}") for n in range(PEOPLE)]
        for person in people:
            stage.event(person, "left")
        self.keys: list[RunKey] = [(person, stage.runs(person)[0].id) for person in people]
        self._prices = Counter[RunKey]()

    def changes(self, *keys: RunKey) -> None:
        """These messages get another price, each time twice, as services tell it."""
        for _ in range(2):
            with self.db.write() as tx:
                for key in keys:
                    self._prices[key] += 1
                    tx.script(f"UPDATE messages SET cost = {self._prices[key]} WHERE contact_id = {key[0]}")
                courses.due(tx, set(keys))

    def counts(self, one: Counting, *, undone: bool = False) -> None:
        """Let an engine count once, between two ticks."""
        one._next_s = 0.0
        try:
            with self.db.write() as tx:
                one.run(tx, busy=False)
                if undone:
                    raise Undone
            one.committed()
        except Undone:
            pass

    def right(self) -> int:
        """Return how many runs are counted as they are; whatever is counted is counted once."""
        with self.db.read() as tx:
            found = courses.stand(tx, set(self.keys), {}).values()
            assert _counted(tx) == _each(tx)
            return sum(one.counted == one.entry for one in found)

    def due(self) -> set[RunKey]:
        with self.db.read() as tx:
            return courses.waiting(tx, 1_000)


def _counted(tx: Transaction) -> Counter[str]:
    """Return what reports sum up: the parts of all time."""
    found = Counter[str]()
    for version_id, cascade_id in tx.all("version_cascades"):
        sums = tx.many("part_sums", [(0, cascade_id, version_id, 0, 0, 1)])
        found.update({row[2]: row[3] for row in sums if row[3]})
    return found


def _each(tx: Transaction) -> Counter[str]:
    """Return the same, from what each run is counted as."""
    found = Counter[str]()
    for version_id, cascade_id in tx.all("version_cascades"):
        every = {"since": 0, "until": 1 << 60}
        scan = tx.all("course_scan", cascade_id=cascade_id, version_id=version_id, **every)
        texts: dict[int, str] = dict(tx.among("courses_by_id", [row[1] for row in scan]))
        for _, course_id, runs, *_ in scan:
            for part in parts_of(texts[course_id]):
                found[text_of(part)] += runs
    return found


def test_a_round_counts_each_run_once_whatever_happens_between_its_pieces(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(either, monkeypatch)
    assert (place.right(), place.due()) == (PEOPLE, set())
    place.changes(*place.keys)
    assert (place.right(), place.due()) == (0, set(place.keys))
    one = Counting(PIECE)
    place.counts(one, undone=True)  # with its claim
    assert place.right() == 0
    place.counts(one)
    place.counts(one, undone=True)
    assert place.right() == PIECE
    place.changes(place.keys[0])  # counted already in this round
    place.changes(place.keys[-1])  # still to be counted
    place.counts(one)
    assert place.right() == 2 * PIECE - 1 and place.due() == set(place.keys)
    place.counts(one, undone=True)  # with the end of the round
    assert place.due() == set(place.keys)
    place.counts(one)
    assert place.right() == PEOPLE - 1 and place.due() == {place.keys[0], place.keys[-1]}
    place.counts(one)
    assert (place.right(), place.due()) == (PEOPLE, set())


def test_what_a_process_has_claimed_no_other_counts_until_it_must_be_dead(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(either, monkeypatch)
    place.changes(*place.keys)
    killed, other = Counting(PIECE), Counting(PIECE)
    place.counts(killed)
    place.counts(other)
    assert place.right() == PIECE
    place.changes(place.keys[0])  # nobody's yet
    place.counts(other)
    assert place.right() == PIECE and place.due() == set(place.keys)
    place.at += courses.LEASE_MS
    for _ in range(3):
        place.counts(other)
    assert (place.right(), place.due()) == (PEOPLE, set())
    place.changes(*place.keys)
    place.counts(killed)  # it was only slow: what it does once more changes nothing
    place.counts(other)
    place.counts(killed)
    place.at -= 10 * courses.LEASE_MS  # a machine's clock is set back
    place.counts(killed)
    place.counts(killed)
    place.counts(killed)
    assert (place.right(), place.due()) == (PEOPLE, set())


def test_what_comes_under_the_id_of_what_was_counted_meanwhile_stays_due(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(either, monkeypatch)
    place.changes(*place.keys)
    one = Counting(PIECE)
    place.counts(one)
    with place.db.write() as tx:
        counting.count(tx, PEOPLE)  # all of it, for a report
    place.changes(place.keys[0])  # SQLite gives a table that is empty the same ids again
    for _ in range(PEOPLE):
        if one._round is None:
            break
        place.counts(one)
    assert (place.right(), place.due()) == (PEOPLE - 1, {place.keys[0]})
    place.counts(one)
    assert (place.right(), place.due()) == (PEOPLE, set())


def test_one_process_counts_at_a_time(either: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    if either.dialect == "sqlite":
        return  # it has one writer
    place = Place(either, monkeypatch)
    place.changes(*place.keys)
    one, other = Counting(PIECE), Counting(PIECE)
    with either.write() as tx:
        one.run(tx, busy=False)
        place.counts(other)
        assert place.right() == 0
    one.committed()
    place.counts(one)
    place.counts(one)
    assert (place.right(), place.due()) == (PEOPLE, set())


def test_what_is_due_is_packed_and_found_again(db: Database) -> None:
    keys = {(contact * contact, run) for contact in range(1, 700) for run in (1, 2**31 - 1)}
    with db.write() as tx:
        courses.due(tx, keys)
        courses.due(tx, set())
        assert courses.waiting(tx, 2_000) == keys and len(courses.waiting(tx, 10)) > 10
        ids, claimed = courses.claim(tx, 2_000, 1)
        assert claimed == sorted(keys) and len(ids) == -(-len(keys) // courses.TOGETHER)
        assert courses.claim(tx, 2_000, 1) == ([], []) and courses.waiting(tx, 2_000) == keys


def test_what_becomes_due_while_rounds_follow_each_other_waits_for_the_next_time(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(either, monkeypatch)
    monkeypatch.setattr(counting, "ROUND", 1)
    monkeypatch.setattr(courses, "_ROWS", 1)
    for key in place.keys[:3]:
        place.changes(key)
    one = Counting(PIECE)
    place.counts(one)
    place.changes(*place.keys)  # again, and again, as in a busy hour
    while one._last:
        place.counts(one)
    assert place.due() == set(place.keys)  # none of what came meanwhile
    for _ in range(2 * PEOPLE):
        place.counts(one)
    assert (place.right(), place.due()) == (PEOPLE, set())


def test_what_is_due_is_noted_once_until_it_is_claimed(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, noted = Place(either, monkeypatch), courses.Noted()
    first, second, third, fourth = place.keys[:4]

    def fresh(*rows: tuple[object, ...]) -> set[tuple[int, int]]:
        noted.note(rows)
        return noted.fresh()

    assert fresh(first, second) == {first, second} and fresh(second, third) == {third}
    noted.forget()  # the tick was rolled back
    assert fresh(first, second) == {first, second}
    noted.committed()
    assert fresh(first, third) == {third}
    place.changes(*place.keys)
    one = Counting(PIECE, noted)
    place.counts(one, undone=True)
    assert fresh(first, third) == {first, third}
    noted.committed()
    place.counts(one)
    assert fresh(first) == {first}  # it may have been counted already
    noted.committed()
    place.counts(one)
    assert not fresh(first)  # the next piece of the same round claims nothing
    with place.db.write() as tx:
        counting.count(tx, PIECE, noted=noted)
    assert fresh(first, second, third) == {first, second, third}  # a report was printed meanwhile
    noted.committed()
    noted.claimed([third])
    assert fresh(first, second, third) == {third}  # nobody counts the others yet
    noted.committed()
    other = first[0], first[1] + 1  # of the same contact
    rows = [(*first, "in a table"), (*other, "too"), (*fourth, "third")]
    assert fresh(*rows) == {other, fourth}
    noted.committed()
    assert other not in fresh(*rows) and not fresh(fourth)


def test_counting_lets_others_go_first_and_more_so_while_reports_are_hardly_behind(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece takes a second: while others wait the next follows after 20, or 10 once 15 have passed."""
    place, at = Place(either, monkeypatch), 100.0

    def clock() -> float:
        nonlocal at
        at += 0.5
        return at

    monkeypatch.setattr(counting, "monotonic", clock)
    place.changes(*place.keys)
    one = Counting(1)
    pauses: list[float] = []
    for _ in range(PEOPLE - 1):
        at = max(at, one._next_s)
        with either.write() as tx:
            assert not one.run(tx, busy=True)
        one.committed()
        pauses.append(round(one._next_s - at, 3))
    share, less = counting._SHARE, counting._LESS
    took = [pause / part for pause, part in zip(pauses, (less, *(share,) * (PEOPLE - 2)), strict=True)]
    assert took == [1.0, *(0.5,) * (PEOPLE - 2)]  # the first has looked at the clock once more, for its claim
    assert place.right() == PEOPLE - 1


@pytest.mark.parametrize(("ms_a_run", "least", "most"), [(1.0, 20, 40), (0.02, 500, 500), (5.0, 20, 20)])
def test_a_piece_has_as_many_runs_as_can_be_counted_while_a_timer_waits(
    ms_a_run: float, least: int, most: int, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are read from disk take a hundred times as long as those in memory."""
    now_s = [100.0]
    pieces: list[int] = []

    def recount(tx: Transaction, keys: Sequence[RunKey], now: int) -> None:
        pieces.append(len(keys))
        now_s[0] += len(keys) * ms_a_run / 1000

    monkeypatch.setattr(counting, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(counting, "recount", recount)
    one = Counting()
    with db.write() as tx:
        courses.due(tx, {(number, 1) for number in range(1, 10_001)})
        for _ in range(12):
            one.run(tx, busy=False)
            one.committed()
    assert all(least <= each <= most for each in pieces[-4:]), pieces
    assert max(each * ms_a_run for each in pieces) <= 100, pieces


def test_who_enters_again_and_whose_cascades_are_several_is_found_among_all_runs_of_a_contact(
    either: Database,
) -> None:
    stage = Stage(either)
    stage.cascade(TEXT)
    stage.cascade(TEXT.replace("cascade: counted", "cascade: second").replace("event: left", "event: came"))
    once, twice, both = [stage.person(f"p{n}") for n in range(3)]
    stage.event(once, "left")
    stage.event(twice, "left")
    stage.event(both, "left")
    stage.event(both, "came")
    first = stage.runs(twice)[0]
    keys = {(person, run.id) for person in (once, twice, both) for run in stage.runs(person)}
    keys.add((twice, first.id + 1))
    with either.write() as tx:
        tx.script(
            "INSERT INTO runs (contact_id, id, seq, cascade_id, version_id, slot, wake_at, due_at,"
            " entered_at, state, phase, step) SELECT contact_id, id + 1, seq, cascade_id, version_id, 1,"
            f" wake_at, due_at, entered_at, state, phase, step FROM runs WHERE contact_id = {twice}"
        )
        texts: dict[int, str] = {}
        several: set[int] = set()
        found = courses.stand(tx, keys, texts, several=several)
        alone = courses.stand(tx, {(twice, first.id + 1)}, texts)
    again = {
        key for key, one in found.items()
        if one.entry is not None and parts_of(texts[one.entry.course_id])[0].again
    }  # fmt: skip
    assert again == {(twice, first.id + 1)} and several == {twice, both}
    assert alone == {(twice, first.id + 1): found[twice, first.id + 1]}


def test_an_opt_out_told_again_of_an_earlier_instant_is_counted_anew(either: Database) -> None:
    """Which message somebody left after follows from the first that is told of it."""
    stage = Stage(either)
    stage.cascade(TEXT)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.receipt(ann, Kind.UNSUBSCRIBED)
    stage.receipt(ann, Kind.UNSUBSCRIBED, ago="1h")  # the stage sees that it is counted as it is
    assert stage.passages(ann)[0].mask & Kind.UNSUBSCRIBED.bit
