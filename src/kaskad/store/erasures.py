"""Erasing one person: what is deleted, what is emptied, and table `erasures`, which remembers each act.

Runs and messages stay, without a name: they are what reports count. Consents stay as proof, under the number
of a contact of whom nothing else is known, and the addresses as keyed hashes. What was kept whole is looked
through afterwards (`searches.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.errors import KaskadError
from kaskad.store import contacts, courses
from kaskad.store.db import Row, Transaction
from kaskad.store.marks import Marks

# What is known of one contact, by its number: what the act calls it, and the statement.
OF_CONTACT = (
    ("external ids", "erase_external_ids"),
    ("addresses", "erase_addresses"),
    ("changes", "erase_changes"),
    ("places on lists", "erase_list_members"),
    ("dialogues", "erase_dialogues"),
    ("opt-in links", "erase_opt_ins"),
    ("sign-ups", "erase_sign_ups"),
    ("stops in free text", "erase_stops"),
    ("threads of the inbox", "erase_threads"),
    ("texts of the inbox", "erase_thread_texts"),
    ("texts of messages", "erase_bodies"),
    ("appointments", "erase_invites"),
    ("triggers of runs", "erase_run_data"),
    ("words of refusals", "erase_attempts"),
    ("hits", "erase_hits"),
    ("choices of channels", "erase_choices"),
    ("hours of reactions", "erase_hours"),
    ("short links", "erase_short_links"),
    ("notes of tasks", "erase_tasks"),
    ("waiting in the inbox", "erase_inbox"),
    ("waiting in the outbox", "erase_outbox"),
    ("words of facts", "erase_fact_values"),
    ("properties of events", "erase_event_properties"),
)
# What a proof may still say: how the person agreed, not who it was.
PROOF_KEYS = frozenset({
    "act", "basis", "controller", "form", "imported_at", "jurisdiction", "language", "scope", "source",
    "text", "version",
})  # fmt: skip
_proof = msgspec.json.Decoder(dict[str, Any]).decode
_numbers = msgspec.json.Decoder(dict[str, int]).decode
_texts = msgspec.json.Decoder(list[str]).decode


class Act(Struct, frozen=True):
    """That a person was erased: when, by whom, and how much.

    `stage`: what of `searches.STAGES` is being looked through; None: all of it was.
    """

    id: int
    contact_id: int
    at: int
    who: str
    hashes: list[str]
    counts: dict[str, int]
    stage: int | None = None


@contextmanager
def overwriting(tx: Transaction) -> Iterator[None]:
    """Overwrite on the disk (of SQLite) what is deleted until the end of the block."""
    tx.one("begin_overwriting")
    try:
        yield
    except BaseException:
        with suppress(KaskadError):
            tx.one("end_overwriting")
        raise
    tx.one("end_overwriting")


class Erased(Struct, frozen=True):
    """How many rows of each kind were deleted, and proofs that the person's consents no longer have."""

    counts: dict[str, int]
    spare_proofs: list[int]


def erase(tx: Transaction, contact_id: int, marks: Marks, now: int) -> Erased | None:
    """Delete what is known of a person by their number; None: somebody was quicker."""
    counts = {}
    for what, statement in OF_CONTACT:
        counts[what] = tx.run(statement, contact_id=contact_id)
    if not tx.run("erase_contact", contact_id=contact_id, now=now):
        return None
    _rename(tx, contact_id)
    courses.due_again(tx, contact_id)  # figures tell the words of refusals
    spare = _hide_proofs(tx, contact_id, marks)
    counts["proofs of consents made anonymous"] = len(spare)
    return Erased({what: count for what, count in counts.items() if count}, spare)


def forget(tx: Transaction, contact_id: int, now: int) -> None:
    """Delete who a contact was that never became one: no act, and the address is not suppressed."""
    for _, statement in OF_CONTACT:
        tx.run(statement, contact_id=contact_id)
    tx.run("erase_contact", contact_id=contact_id, now=now)
    _rename(tx, contact_id)


def sweep(tx: Transaction, since: int) -> int:
    """Delete what has come in later about people erased since then; return how many rows that were."""
    swept = 0
    for (contact_id,) in tx.all("erased_since", since=since):
        found = sum(tx.run(statement, contact_id=contact_id) for _, statement in OF_CONTACT)
        found += _rename(tx, contact_id)
        if found:
            courses.due_again(tx, contact_id)
        swept += found
    return swept


def keep(
    tx: Transaction, contact_id: int, who: str, hashes: list[str], counts: dict[str, int], at: int
) -> Act:
    """Write the act and return it."""
    texts = {"hashes": msgspec.json.encode(hashes).decode(), "counts": msgspec.json.encode(counts).decode()}
    row = tx.one("put_erasure", contact_id=contact_id, at=at, who=who, **texts)
    return Act(row[0] if row else 0, contact_id, at, who, hashes, counts)


def count_more(tx: Transaction, act_id: int, counts: Mapping[str, int]) -> None:
    """Add to an act what was deleted later."""
    act = find(tx, act_id)
    if act is not None and counts:
        both = {what: act.counts.get(what, 0) + counts.get(what, 0) for what in {**act.counts, **counts}}
        tx.run("count_erasure", id=act_id, counts=msgspec.json.encode(both).decode())


def page(tx: Transaction, *, after: int, limit: int, digest: str = "") -> list[Act]:
    """Return acts in their order, those after one of them; with `digest` of who had that hash."""
    return [_act(row) for row in tx.all("erasures", after=after, limit=limit, hash=digest)]


def find(tx: Transaction, act_id: int) -> Act | None:
    """Return an act, or None."""
    row = tx.one("erasure", id=act_id)
    return None if row is None else _act(row)


def _act(row: Row) -> Act:
    return Act(row[0], row[1], row[2], row[3], _texts(row[4]), _numbers(row[5]), row[6])


def _rename(tx: Transaction, contact_id: int) -> int:
    """Give facts and events ids that say nothing; return how many had others."""
    fresh = _namer()
    facts = tx.all("named_facts", contact_id=contact_id)
    events = tx.all("named_events", contact_id=contact_id)
    if facts:
        tx.changed_many("rename_facts", [(contact_id, *row, fresh(row[3])) for row in facts])
    if events:
        tx.changed_many("rename_events", [(contact_id, row[0], fresh(row[0])) for row in events])
    return len(facts) + len(events)


def _namer() -> Callable[[str], str]:
    """Return what gives different texts different names; how is forgotten with it."""
    salt = secrets.token_bytes(16)
    return lambda text: "erased:" + blake2b(text.encode(), key=salt, digest_size=9).hexdigest()


def _hide_proofs(tx: Transaction, contact_id: int, marks: Marks) -> list[int]:
    """Take out of the proofs of a person's consents who it was; return the proofs that said it."""
    spare = []
    for proof_id, detail in tx.all("proofs_of", contact_id=contact_id):
        left = _anonymous(_proof(detail), marks)
        text = contacts.proof_text(left)
        if left == _proof(detail):
            continue
        tx.changed_many("put_proofs", [(text,)])
        ((_, fresh),) = tx.among_texts("proofs_by_detail", [text])
        tx.run("swap_proof", contact_id=contact_id, old=proof_id, fresh=fresh)
        spare.append(proof_id)
    return spare


def _anonymous(proof: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    return {
        key: value for key, value in proof.items() if key in PROOF_KEYS and not marks.name(f"\n{value}\n")
    }
