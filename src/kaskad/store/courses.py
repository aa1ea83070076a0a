"""How runs went, as reports count it: each as what it is counted, and as what it should be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct, structs

from kaskad.domain.alike import TOLD
from kaskad.domain.course import Leg, Part, id_of, impersonal, parts_of, shape_of, text_of
from kaskad.domain.figures import FAILED, SEEN, cost_of, price_of
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

HOUR_MS = 3_600_000  # counts are kept by the hour of the entry
DAY = 24  # hours; by the day too
EVER = 0  # and all together
_COUNTED, _MESSAGE = 12, 16  # where in the rows of `runs_to_count` begins as what it is counted; its message


class Entry(Struct, frozen=True, gc=False):
    """As what a run is counted: `course_id` stands for how it went."""

    course_id: int
    version_id: int
    entered_at: int
    value: int


class Standing(Struct, frozen=True, gc=False):
    """One run: as what it is counted, and as what it should be; None: not at all."""

    counted: Entry | None
    entry: Entry | None


def due(tx: Transaction, keys: Collection[RunKey]) -> None:
    """Let these runs be counted anew: something that reports count has changed about them."""
    if keys:
        tx.many("put_due", sorted(keys))


def due_again(tx: Transaction, contact_id: int) -> None:
    """Let all runs of a contact be counted anew."""
    tx.run("due_again", contact_id=contact_id)


def stand(
    tx: Transaction, keys: Collection[RunKey], courses: dict[int, str]
) -> dict[RunKey, Standing]:  # fmt: skip
    """Return how these runs stand, those that are gone too; texts of their courses go into `courses`."""
    runs: dict[RunKey, list[Row]] = {}
    for row in tx.among("runs_to_count", sorted({key[0] for key in keys})):
        if (key := (row[0], row[1])) in keys:
            runs.setdefault(key, []).append(row)
    firsts, words = _firsts(tx, runs), _words(tx, runs)
    known: dict[tuple[object, ...], int] = {}
    found: dict[RunKey, Standing] = {}
    for key, rows in runs.items():
        row = rows[0]
        counted = None if row[_COUNTED] is None else Entry(*row[_COUNTED:_MESSAGE])
        if row[6]:  # a seed contact
            found[key] = Standing(counted, None)
            continue
        legs = tuple([one[_MESSAGE:] for one in rows]) if row[_MESSAGE] is not None else ()
        told = tuple([words.get((*key, leg[0]), "") for leg in legs]) if words else ()
        alike = (row[7:_COUNTED], legs, firsts.get(key), told)
        course_id = known.get(alike)
        if course_id is None:
            text = text_of(_course(row, legs, firsts.get(key), told))
            course_id = known[alike] = id_of(text)
            courses[course_id] = text
        found[key] = Standing(counted, Entry(course_id, *row[3:6]))
    gone = [key for key in keys if key not in found]
    return found | _gone(tx, gone) if gone else found


def parts(tx: Transaction, course_ids: Collection[int], known: Mapping[int, str]) -> dict[int, list[Part]]:
    """Return the parts of courses: of those whose text is `known`, and of those that are kept."""
    found = {course_id: parts_of(known[course_id]) for course_id in course_ids if course_id in known}
    rest = sorted(course_id for course_id in course_ids if course_id not in found)
    for course_id, text in tx.among("courses_by_id", rest) if rest else ():
        found[course_id] = parts_of(text)
    return found


def _course(row: Row, legs: Sequence[Row], first: int | None, words: Sequence[str]) -> list[Part]:
    holdout, outcome, outcome_step, late, marks = row[7:_COUNTED]
    made = [_leg(leg, word) for leg, word in zip(legs, words or [""] * len(legs), strict=True)]
    reacted = [leg.step for leg in made if leg.mask & SEEN]
    if reacted:
        first = reacted[0] if len(reacted) == 1 else first
        made = [structs.replace(leg, first=True) if leg.step == first else leg for leg in made]
    return [shape_of(holdout, outcome or 0, outcome_step, late, marks & ~TOLD, made), *made]


def _leg(row: Row, word: str) -> Leg:
    step, channel, state, mask, account_id, variant, reason, price, cost = row
    return Leg(
        step, channel, state, mask, account_id, variant, reason, price_of(state, price),
        cost_of(state, price, cost), False, word,
    )  # fmt: skip


def _firsts(tx: Transaction, runs: Mapping[RunKey, Sequence[Row]]) -> dict[RunKey, int]:
    """Return the step that a person first reacted to, of runs where several may be it."""
    doubtful = [
        key for key, rows in runs.items()
        if len(rows) > 1 and sum(1 for row in rows if row[_MESSAGE + 3] & SEEN) > 1
    ]  # fmt: skip
    rows = tx.many("first_reactions", sorted(doubtful)) if doubtful else ()
    return {(row[0], row[1]): row[2] for row in rows if row[2] is not None}


def _words(tx: Transaction, runs: Mapping[RunKey, Sequence[Row]]) -> dict[tuple[int, ...], str]:
    failed = [
        (*key, row[_MESSAGE]) for key, rows in runs.items() for row in rows if row[_MESSAGE + 2] in FAILED
    ]
    rows = tx.many("failure_words", sorted(failed)) if failed else ()
    return {tuple(row[:3]): row[3] or impersonal(row[4] or "") for row in rows}


def _gone(tx: Transaction, keys: Sequence[RunKey]) -> dict[RunKey, Standing]:
    rows = tx.among("counted_of_contacts", sorted({key[0] for key in keys}))
    known = {(row[0], row[1]): Entry(*row[2:]) for row in rows}
    return {key: Standing(known.get(key), None) for key in keys}
