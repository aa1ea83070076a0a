"""Two contacts that are one person: their rows put together, and the numbers that lead to who was kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from kaskad.domain.terms import Channel
from kaskad.store import contacts
from kaskad.store.contacts import Consent
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

MOST = 20  # other contacts that are told with one
_ROWS = 20_000  # that are looked at for one page: a hotline may be everybody's number

# Everything that has a contact's number, in an order in which each statement finds what it needs.
_CARRIED = (
    "carry_runs", "carry_run_data", "carry_twins", "carry_messages", "carry_bodies", "carry_attempts",
    "carry_amounts", "carry_bill_lines",
    "carry_facts", "carry_hits", "carry_short_links", "carry_decisions", "carry_tasks",
    "carry_inbox", "carry_outbox",
    "lead_on_runs", "carry_opt_ins", "carry_sign_ups", "carry_stops", "unite_threads", "carry_threads",
    "carry_thread_texts", "carry_external_ids", "carry_consents",
    "carry_changes",
)  # fmt: skip
_UNITED = ("carry_events", "carry_list_members", "carry_dialogues", "carry_addresses", "carry_invites")
_DROPPED = (
    "erase_threads",
    "erase_thread_texts",
    "drop_carried_events",
    "erase_list_members",
    "erase_dialogues",
    "erase_addresses",
    "erase_invites",
)
_object = msgspec.json.Decoder(dict[str, Any]).decode


class Same(Struct, frozen=True):
    """An address that two contacts have."""

    channel: Channel
    value: str


class Likely(Struct, frozen=True):
    """A contact, and those after it that share an address with it, at most `MOST`."""

    contact_id: int
    others: Mapping[int, list[Same]]


def kept(tx: Transaction, contact_id: int) -> int:
    """Return the contact that this one was merged into; the same number where it was not."""
    rows = tx.among("merged_into", [contact_id])
    return int(rows[0][1]) if rows else contact_id


def kept_among(tx: Transaction, ids: Iterable[int]) -> dict[int, int]:
    """Return by number those of the contacts that were merged into others, and into whom."""
    wanted = sorted(set(ids))
    return dict(tx.among("merged_into", wanted)) if wanted else {}


def kept_runs(tx: Transaction, old: Iterable[int]) -> dict[RunKey, RunKey]:
    """Return where the runs of merged contacts are now."""
    wanted = sorted(set(old))
    rows = tx.among("merged_runs_of", wanted) if wanted else []
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def kept_run(tx: Transaction, key: RunKey) -> RunKey:
    """Return where a run is now; the same key where it was not moved."""
    return kept_runs(tx, [key[0]]).get(key, key)


def twins(tx: Transaction, ids: Iterable[int]) -> dict[RunKey, int]:
    """Return the runs of these contacts that go on in another run of theirs, and in which."""
    wanted = sorted(set(ids))
    return {(row[0], row[1]): row[2] for row in (tx.among("twins_of", wanted) if wanted else ())}


def join_runs(tx: Transaction, contact_id: int, pairs: Sequence[tuple[int, int]]) -> None:
    """Let reactions in a run (the first of each pair) count for another of the contact's as well."""
    for run_id, into in pairs:
        tx.run("redirect_twins", contact_id=contact_id, run_id=run_id, into_run=into)
    if pairs:
        tx.many("put_twins", [(contact_id, run_id, into) for run_id, into in dict(pairs).items()])


def carry(tx: Transaction, old: int, kept_id: int, now: int) -> dict[int, int]:
    """Make all rows of `old` those of `kept_id`; return the new numbers of its runs.

    Of live runs in the same cascade and slot one must have ended before. Nothing of `old` is left but that
    its number leads to the other; what the contacts said of themselves is not touched (`unite`).
    """
    numbers = _numbers(tx, old, kept_id)
    tx.run("put_merged_contact", old=old, kept=kept_id, now=now)
    tx.run("lead_on_contacts", old=old, kept=kept_id)
    if numbers:
        tx.many("put_merged_runs", [(old, was, kept_id, is_now) for was, is_now in numbers.items()])
    for statement in (*_CARRIED, *_UNITED):
        tx.run(statement, old=old, kept=kept_id)
    for statement in _DROPPED:
        tx.run(statement, **({"old": old} if statement.startswith("drop") else {"contact_id": old}))
    tx.run("unshare_addresses", kept=kept_id)
    tx.run("older_of", old=old, kept=kept_id)
    return numbers


def unite(tx: Transaction, old: int, kept_id: int, now: int) -> dict[str, Any]:
    """Fill the gaps of a contact from another, which is then nobody; return what both said differently.

    What the kept one says wins; openings are noted only of whom both allow it.
    """
    rows = {row[0]: row for row in tx.among("contacts_among", sorted((old, kept_id)))}
    ours, theirs = rows[kept_id], rows[old]
    own, more = _object(ours[6]), _object(theirs[6])
    attributes = {**more, **own}
    conflicts: dict[str, Any] = {key: more[key] for key in more if key in own and own[key] != more[key]}
    if theirs[2] and (theirs[8] or 1) < (ours[8] or 1):
        ours, theirs = _zone_from(ours, theirs), _zone_from(theirs, ours)
    plain = dict(zip(("external_id", "zone", "language", "country"), theirs[1:5], strict=True))
    mine = dict(zip(plain, ours[1:5], strict=True))
    conflicts |= {
        name: value
        for name, value in plain.items()
        if value and mine[name] not in (None, value) and name != "external_id"
    }
    filled = [mine[name] or plain[name] for name in plain]
    text = msgspec.json.encode(attributes).decode()
    zone = ours[8:10] if mine["zone"] else theirs[8:10]
    row = (kept_id, *filled, min(ours[5], theirs[5]), text, contacts.folded(attributes), *zone, now)
    tx.run("erase_contact", contact_id=old, now=now)
    tx.changed_many("put_contacts", [row])
    return conflicts


def _zone_from(row: Row, other: Row) -> Row:
    return (*row[:2], other[2], *row[3:8], *other[8:10])


def stricter(tx: Transaction, old: int, kept_id: int) -> list[Consent]:
    """Return what must be said again so that no "no" of either is outdone by a later "yes" of the other.

    A person's own "yes" after their "no" stays in force: it is said again too.
    """
    rows = {each: _consents(tx, each) for each in (old, kept_id)}
    again: list[Consent] = []
    for mine, others in ((rows[old], rows[kept_id]), (rows[kept_id], rows[old])):
        for no in mine:
            if no.granted:
                continue
            outdone = [yes.at for yes in others if yes.granted and yes.at > no.at]
            if not outdone:
                continue
            at = max(outdone)
            again.append(structs.replace(no, at=at))
            again += [structs.replace(yes, at=at + 1) for yes in mine if yes.granted and no.at < yes.at <= at]
    return again


def likely(tx: Transaction, *, after: int, limit: int) -> list[Likely]:
    """Return contacts after one of them that share addresses with others, in their order."""
    ids = [row[0] for row in tx.all("sharing_contacts", after=after, limit=limit)]
    found: dict[int, dict[int, list[Same]]] = {contact_id: defaultdict(list) for contact_id in ids}
    rows = tx.among("sharers_of", ids, most=_ROWS) if ids else []
    for contact_id, other, channel, value in rows:
        others = found[contact_id]
        if other in others or len(others) < MOST:
            others[other].append(Same(Channel.of(channel), value))
    if len(rows) == _ROWS:  # the next page begins behind the last that was seen
        ids = [contact_id for contact_id in ids if contact_id <= rows[-1][0]]
    return [Likely(contact_id, dict(found[contact_id])) for contact_id in ids]


def _numbers(tx: Transaction, old: int, kept_id: int) -> dict[int, int]:
    """Return by their numbers which ones the runs of `old` get: their own, or the next that is free."""
    rows: dict[int, list[Row]] = defaultdict(list)
    for row in tx.among("runs_of_contacts", sorted((old, kept_id))):
        rows[row[0]].append(row)
    taken = {row[1] for row in rows[kept_id]}
    numbers = {}
    for row in rows[old]:
        number = row[1]
        while number in taken:
            number += 1
        taken.add(number)
        numbers[row[1]] = number
    return numbers


def _consents(tx: Transaction, contact_id: int) -> list[Consent]:
    """Return the consents of a contact as they were told, with their proofs."""
    return [
        Consent(granted=bool(row[0]), purpose=row[1], channels=row[2], topic=row[3], at=row[4],
                expires_at=row[5], proof=row[6], brand=row[7])
        for row in tx.all("card_consents", contact_id=contact_id)
    ]  # fmt: skip
