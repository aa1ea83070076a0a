"""Segments: conditions under a name; who meets them is asked anew each time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from kaskad.actions import asked, attributes, contacts, lists, scores
from kaskad.actions.held import unheard_of
from kaskad.actions.office import Office
from kaskad.actions.questions import Asked, Progress
from kaskad.domain.attributes import doubts_of
from kaskad.domain.condition import Condition
from kaskad.domain.definition import load
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.ids import launch_text
from kaskad.domain.segment import (
    READY,
    Equals,
    asked_by,
    circle,
    doubts,
    events_in,
    lists_in,
    named_by,
    names_in,
    of_attributes,
    read,
)
from kaskad.domain.worded import worded
from kaskad.store import cards, launch_dates
from kaskad.store import cascades as launch_store
from kaskad.store import lists as list_store
from kaskad.store import segments as store
from kaskad.store.db import Transaction
from kaskad.store.segments import KnownSegment

if TYPE_CHECKING:
    from kaskad.store.segment_sets import Question

LARGEST = 1_000_000
Told = str | tuple[Equals, ...]  # a condition, or what attributes equal


def create(office: Office, name: str, told: Told) -> KnownSegment:
    """Make a segment of a text or of values; raises Conflict for a name that is taken, and Invalid."""

    def change(tx: Transaction) -> None:
        if store.is_kept(tx, name):
            raise Conflict(worded("There is a segment %(name)r already.", name=name))
        _put(tx, office, name, told)

    office.write(change)
    return _saved(office, name)


def put(office: Office, name: str, told: Told) -> KnownSegment:
    """Make a segment, or change the one of that name; raises Conflict for a name that a list has."""
    office.write(lambda tx: _put(tx, office, name, told))
    return _saved(office, name)


def put_all(office: Office, told: Mapping[str, str]) -> None:
    """Make or change several segments by their texts, in their order, all or none; raises Invalid."""

    def change(tx: Transaction) -> None:
        problems: list[str] = []
        for name, text in told.items():
            try:
                _put(tx, office, name, text)
            except Invalid as wrong:
                problems += [
                    worded("%(name)s: %(problem)s", name=name, problem=each) for each in wrong.worded
                ]
        if problems:
            raise Invalid(problems)

    office.write(change)
    with office.read() as tx:
        asked.note(office, tx)


def _saved(office: Office, name: str) -> KnownSegment:
    """Return a segment that will be asked about."""
    with office.read() as tx:
        asked.note(office, tx)
        return _get(tx, name)


def _put(tx: Transaction, office: Office, name: str, told: Told) -> None:
    if list_store.find(tx, name) is not None:
        raise Conflict(worded("%(name)r is a list: choose another name for the segment.", name=name))
    condition = read(told) if isinstance(told, str) else of_attributes(told)
    if wrong := [
        worded("The segment %(name)r would be wrong: %(each)s.", name=name, each=each)
        for each in _impossible(tx, condition)
    ]:
        raise Invalid(wrong)
    if isinstance(told, str):
        named = _below(tx, condition)
        if circle(name, {**named, name: condition}):
            raise Invalid(
                [worded("The segment %(name)r would name itself: say in it whom you mean.", name=name)]
            )
        store.check_size(condition, named)
    store.put(tx, name, told, office.now())


def _impossible(tx: Transaction, condition: Condition) -> list[str]:
    """Return what a condition compares that can never be, by what is declared of attributes."""
    return list(doubts_of(attributes.declared(tx), condition))


def _below(tx: Transaction, condition: Condition) -> dict[str, Condition]:
    """Return the segments that the condition names; raises Invalid for one that is not there."""
    named = store.below(tx, [condition.tree])
    missing = sorted(names_in(condition.tree) - named.keys())
    if missing:
        raise Invalid(
            [
                worded(
                    "There is no segment %(name)r: make it first, or ask what it would ask.", name=missing[0]
                )
            ]
        )
    return named


def listing(office: Office, *, after: str, limit: int) -> list[KnownSegment]:
    """Return segments by name, those after a name."""
    with office.read() as tx:
        return store.page(tx, after=after, limit=limit)


def names(office: Office, *, limit: int) -> list[str]:
    """Return the names of segments, those that are always there among them."""
    with office.read() as tx:
        kept = [row[0] for row in tx.all("segment_names", limit=limit)]
    return sorted({*kept, *(each.name for each in store.ready())})


def ready(office: Office) -> list[KnownSegment]:
    """Return the segments that are there without being made, as they are now."""
    with office.read() as tx:
        return [store.find(tx, each.name) or each for each in store.ready()]


def show(office: Office, name: str) -> KnownSegment:
    """Return the segment; raises NotFound."""
    with office.read() as tx:
        return _get(tx, name)


class Use(Struct, frozen=True):
    """What names a segment: another segment, or a cascade with the places in it that do."""

    kind: str
    name: str
    places: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Return it as a message says it."""
        return f"{self.kind} {self.name}" + (f" ({', '.join(self.places)})" if self.places else "")


def uses(office: Office, name: str) -> list[Use]:
    """Return what names a segment."""
    return all_uses(office).get(name, [])


def all_uses(office: Office) -> dict[str, list[Use]]:
    """Return by the name of each segment or list that is named somewhere what names it."""
    found: dict[str, list[Use]] = {}
    with office.read() as tx:
        for each in store.page(tx, after="", limit=LARGEST):
            for name in (names_in(each.condition.tree) | lists_in(each.condition.tree)) - {each.name}:
                found.setdefault(name, []).append(Use("segment", each.name))
        planned = _planned(tx)
        for row in launch_store.all_cascades(tx):
            if row.state == launch_store.STOPPED:
                continue
            draft = launch_store.draft(tx, row.id)
            texts = [version.source for version in launch_store.versions_of(tx, row.id)[-1:]]
            places: dict[str, set[str]] = {}
            for text in texts + ([draft.source] if draft else []):
                for name, where in _named_in(text, row.slug).items():
                    places.setdefault(name, set()).update(where)
            for name, when in planned.get(row.slug, ()):
                places.setdefault(name, set()).add(when)
            for name, named in places.items():
                found.setdefault(name, []).append(Use("cascade", row.slug, tuple(sorted(named))))
    return found


def _planned(tx: Transaction) -> dict[str, list[tuple[str, str]]]:
    """Return by cascade the segments and lists to which its launches at a date go, each with the launch."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in launch_dates.planned(tx):
        _, _, name = one.audience.partition(" ")
        if name:
            found.setdefault(one.slug, []).append((name, launch_text(one.launch_id)))
    return found


@lru_cache(maxsize=500)
def _named_in(text: str, slug: str) -> Mapping[str, Sequence[str]]:
    """Return the segments and lists that a definition names; to read one takes long, and few change."""
    cascade = load(text, name=slug).cascade
    if cascade is None:
        return {}
    lists_named = {name for tree in asked_by(cascade) for name in lists_in(tree)}
    return {**dict.fromkeys(lists_named, ("if",)), **named_by(cascade)}


def delete(office: Office, name: str) -> None:
    """Forget a segment; launches that have begun go on. Raises NotFound, and Conflict for one in use."""
    with office.read() as tx:
        kept = store.is_kept(tx, name)
    used = uses(office, name) if kept and name not in READY else []  # a ready one is there again
    if used:
        told = "; ".join(each.words for each in used)
        raise Conflict(
            worded("The segment %(name)r is used by %(what)s: change that first.", name=name, what=told)
        )
    if not office.write(lambda tx: store.drop(tx, name)):
        raise _none(name)


def count(office: Office, name: str, *, seeds: bool = False) -> int:
    """Return how many contacts are in a segment now; raises NotFound."""
    make_ready(office, name, None)
    with office.read() as tx:
        asked.note(office, tx)
        return store.count(tx, _get(tx, name).condition, office.now(), seeds=seeds)


def count_text(office: Office, text: str, *, seeds: bool = False) -> int:
    """Return how many contacts meet a condition now; raises Invalid."""
    condition = read(text)
    make_ready(office, "", condition)
    with office.read() as tx:
        asked.note(office, tx)
        _below(tx, condition)
        return store.count(tx, condition, office.now(), seeds=seeds)


def ask(office: Office, name: str, text: str, *, seeds: bool, limit: int, wait_s: float) -> Asked:
    """Begin to count a segment, or who meets a condition, with reach by channel and the first people.

    Return how the question stands when it is answered, or after `wait_s`. Raises NotFound, Invalid.
    """
    with office.read() as tx:
        condition = read(text) if text else _get(tx, name).condition
        remarks = _doubts(tx, [condition, *_below(tx, condition).values()])
        remarks += tuple(f"{each}." for each in _impossible(tx, condition))
        asked.note(office, tx)
    make_ready(office, "", condition)

    def answer(progress: Progress) -> store.Preview:
        with office.read() as tx:
            return store.preview(tx, condition, office.now(), limit=limit, seeds=seeds, progress=progress)

    return office.questions.ask(condition.text, answer, wait_s, remarks)


def _doubts(tx: Transaction, conditions: Sequence[Condition]) -> tuple[str, ...]:
    """Return what in these may not be what was meant."""
    cascades = {row.slug for row in launch_store.all_cascades(tx)}
    named = {name for condition in conditions for name in lists_in(condition.tree)}
    lists = {each for each in named if list_store.find(tx, each) is not None}
    found = [each for condition in conditions for each in doubts(condition.tree, lists, cascades)]
    events = {name for condition in conditions for name in events_in(condition.tree)}
    found += [
        worded("%(said)s: %(remedy)s", said=said, remedy=remedy)
        for said, remedy in unheard_of(tx, sorted(events)).values()
    ]
    return tuple(dict.fromkeys(found))


def refresh(office: Office, *, wait_s: float) -> Asked:
    """Begin to make what segments are counted from; return how far it is at its end, or after `wait_s`."""

    with office.read() as tx:
        asked.note(office, tx)

    def answer(progress: Progress) -> store.Preview:
        for done, of in asked.refresh(office):
            progress(done, of)
        return store.count_everybody(office.db)

    return office.questions.ask("refresh", answer, wait_s)


def people(office: Office, asked: Asked) -> contacts.Page:
    """Return the first people of an answer."""
    with office.read() as tx:
        return contacts.with_addresses(tx, cards.among(tx, asked.answer.ids if asked.answer else []))


def preview(office: Office, name: str, *, after: int, limit: int, seeds: bool = False) -> contacts.Page:
    """Return contacts of a segment in the order of their ids; raises NotFound."""
    make_ready(office, name, None)
    with office.read() as tx:
        return _preview(tx, office, _get(tx, name).condition, after, limit, seeds)


def preview_text(
    office: Office, text: str, *, after: int, limit: int, seeds: bool = False
) -> contacts.Page:  # fmt: skip
    """Return contacts who meet a condition in the order of their ids; raises Invalid."""
    condition = read(text)
    make_ready(office, "", condition)
    with office.read() as tx:
        _below(tx, condition)
        return _preview(tx, office, condition, after, limit, seeds)


def _preview(
    tx: Transaction, office: Office, condition: Condition, after: int, limit: int, seeds: bool
) -> contacts.Page:  # fmt: skip
    asked.note(office, tx)
    found = store.matching(tx, condition, office.now(), after=after, seeds=seeds)
    return contacts.with_addresses(tx, cards.among(tx, found[:limit]))


def of_contact(office: Office, who: str, names: Sequence[str]) -> list[str]:
    """Return which of the named segments a contact is in now; raises NotFound."""
    with office.read() as tx:
        contact_id = contacts.find(tx, who)
        found = store.met(tx, set(names), [contact_id], office.now()).get(contact_id, frozenset())
    return sorted(found & set(names))


def members(
    tx: Transaction, office: Office, name: str, *, after: int = 0, until: int = 1 << 62
) -> array[int]:  # fmt: skip
    """Return who is in a segment now, of contacts after one id up to another; raises NotFound."""
    asked.note(office, tx)
    return store.many_matching(tx, _get(tx, name).condition, office.now(), after=after, until=until)


def question(tx: Transaction, office: Office, name: str) -> Question:
    """Return what a segment asks of everybody now; raises NotFound."""
    asked.note(office, tx)
    return store.question(tx, _get(tx, name).condition, office.now())


def freeze(office: Office, name: str) -> int:
    """Return the id of a new list of who is in a segment now; raises NotFound.

    A launch goes through such a list: whom it is for does not change while it goes on.
    """
    make_ready(office, name, None)
    with office.read() as tx:
        contact_ids = members(tx, office, name)
    at = datetime.fromtimestamp(office.now() / 1000, UTC).isoformat(" ", "milliseconds")
    list_id = office.write(lambda tx: launch_store.save_list(tx, f"{name} {at[:-6]}"))
    lists.fill(office, list_id, contact_ids)
    return list_id


def make_ready(office: Office, name: str, condition: Condition | None) -> None:
    """Count the edges of scores where a question is the first that needs them."""
    if condition is None:
        condition = show(office, name).condition
    scores.ready(office, [condition.tree])


def _get(tx: Transaction, name: str) -> KnownSegment:
    found = store.find(tx, name)
    if found is None:
        raise _none(name)
    return found


def _none(name: str) -> NotFound:
    return NotFound(worded("There is no segment %(name)r: `kaskad segment list` shows them.", name=name))
