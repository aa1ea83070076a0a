"""Erasing one person: what is deleted, what is emptied, and table `erasures`, which remembers each act.

Runs and messages stay, without a name: they are what reports count. Consents stay as proof, under the number
of a contact of whom nothing else is known, and the addresses as keyed hashes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from json import dumps
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Struct

from kaskad.store import contacts
from kaskad.store.db import Row, Transaction

# What is known of one contact, by its number: what the act calls it, and the statement.
OF_CONTACT = (
    ("external ids", "erase_external_ids"),
    ("addresses", "erase_addresses"),
    ("changes", "erase_changes"),
    ("places on lists", "erase_list_members"),
    ("dialogues", "erase_dialogues"),
    ("opt-in links", "erase_opt_ins"),
    ("sign-ups", "erase_sign_ups"),
    ("texts of messages", "erase_bodies"),
    ("appointments", "erase_invites"),
    ("triggers of runs", "erase_run_data"),
    ("words of refusals", "erase_attempts"),
    ("hits", "erase_hits"),
    ("notes of tasks", "erase_tasks"),
    ("waiting in the inbox", "erase_inbox"),
    ("waiting in the outbox", "erase_outbox"),
    ("words of facts", "erase_fact_values"),
    ("properties of events", "erase_event_properties"),
)
# What was kept whole, where a person is found by what it says: what the act calls it, and the statements.
KEPT_WHOLE = (
    ("raw webhooks", "kept_webhooks", "drop_kept_webhooks"),
    ("outgoing webhooks", "kept_deliveries", "drop_kept_deliveries"),
    ("conversations with CRMs", "kept_crm_jobs", "drop_kept_crm_jobs"),
    ("unmatched receipts", "kept_orphans", "drop_kept_orphans"),
    ("notes of imports", "kept_notes", "drop_kept_notes"),
    ("rows that imports left out", "kept_rejects", "drop_kept_rejects"),
)
# What a proof may still say: how the person agreed, not who it was.
PROOF_KEYS = frozenset({
    "act", "basis", "controller", "form", "imported_at", "jurisdiction", "language", "scope", "source",
    "text", "version",
})  # fmt: skip
PIECE = 500  # rows that are looked through at a time
_SHORTEST = 4  # shorter ids stand in every other text
_proof = msgspec.json.Decoder(dict[str, Any]).decode
_numbers = msgspec.json.Decoder(dict[str, int]).decode
_texts = msgspec.json.Decoder(list[str]).decode


class Act(Struct, frozen=True):
    """That a person was erased: when, by whom, and how much."""

    id: int
    contact_id: int
    at: int
    who: str
    hashes: list[str]
    counts: dict[str, int]


class Found(Struct, frozen=True):
    """Where one person stands besides the rows under their number; `until` is how far each was searched."""

    provider_ids: list[Row]
    look_ups: list[Row]
    kept: dict[str, list[int]]
    until: dict[str, int]
    spare_proofs: frozenset[int]  # proofs that nobody else's consent has


class Marks:
    """Tells whether a text names a person: by an address or an id, written as services write them."""

    def __init__(self, terms: Iterable[str], exact: Iterable[str] = ()) -> None:
        self._terms = {form for term in terms if len(term) >= _SHORTEST for form in _forms(term)}
        self._exact = {text.lower().encode() for text in exact}

    def among(self, rows: Sequence[Row]) -> list[int]:
        """Return the ids, which come first, of the rows one of whose texts names the person."""
        texts = [_plain(b"\n".join(_bytes(part) for part in row[1:])) for row in rows]
        whole = b"\n".join(texts)  # most pieces name nobody: one look instead of many
        if not any(term in whole for term in (*self._terms, *self._exact)):
            return []
        return [row[0] for row, text in zip(rows, texts, strict=True) if self._names(text)]

    def name(self, text: str) -> bool:
        """Return whether the text names the person."""
        return self._names(_plain(text.encode()))

    def _names(self, text: bytes) -> bool:
        if any(exact in text for exact in self._exact):
            return True
        return any(_stands(term, text) for term in self._terms)


def search(tx: Transaction, contact_id: int, marks: Marks) -> Found:
    """Return where else the person stands; it takes as long as it takes to read what was kept whole."""
    kept, until = {}, {}
    for what, _, _ in KEPT_WHOLE:
        kept[what], until[what] = look_through(tx, what, marks, 0)
    proofs = [row[0] for row in tx.all("proofs_of", contact_id=contact_id)]
    spare = {
        each for each in proofs if tx.one("proof_in_use", id=each, contact_id=contact_id) is None
    }  # fmt: skip
    return Found(
        tx.all("provider_ids_of", contact_id=contact_id), tx.all("look_ups_of", contact_id=contact_id),
        kept, until, frozenset(spare),
    )  # fmt: skip


def look_through(tx: Transaction, what: str, marks: Marks, after: int) -> tuple[list[int], int]:
    """Return the rows after `after` that name the person, and the last row that was looked at."""
    statement = next(each[1] for each in KEPT_WHOLE if each[0] == what)
    found: list[int] = []
    while rows := tx.all(statement, after=after, limit=PIECE):
        found += marks.among(rows)
        after = rows[-1][0]
    return found, after


def erase(tx: Transaction, contact_id: int, found: Found, marks: Marks, now: int) -> dict[str, int] | None:
    """Delete what is known of a person; return how many rows of each kind. None: somebody was quicker."""
    counts = {}
    for what, statement in OF_CONTACT:
        counts[what] = tx.run(statement, contact_id=contact_id)
    if not tx.run("erase_contact", contact_id=contact_id, now=now):
        return None
    _rename(tx, contact_id)
    if found.provider_ids:
        tx.changed_many("drop_provider_ids", found.provider_ids)
    if found.look_ups:
        tx.changed_many("drop_look_ups", found.look_ups)
    counts["ids at services"] = len(found.provider_ids) + len(found.look_ups)
    for what, _, drop in KEPT_WHOLE:
        late, _ = look_through(tx, what, marks, found.until[what])
        ids = [*found.kept[what], *late]
        counts[what] = len(tx.among(drop, ids)) if ids else 0
    counts["proofs of consents made anonymous"] = _hide_proofs(tx, contact_id, found.spare_proofs, marks)
    return {what: count for what, count in counts.items() if count}


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
        for _, statement in OF_CONTACT:
            swept += tx.run(statement, contact_id=contact_id)
        swept += _rename(tx, contact_id)
    return swept


def keep(
    tx: Transaction, contact_id: int, who: str, hashes: list[str], counts: dict[str, int], at: int
) -> Act:
    """Write the act and return it."""
    texts = {"hashes": msgspec.json.encode(hashes).decode(), "counts": msgspec.json.encode(counts).decode()}
    row = tx.one("put_erasure", contact_id=contact_id, at=at, who=who, **texts)
    return Act(row[0] if row else 0, contact_id, at, who, hashes, counts)


def page(tx: Transaction, *, after: int, limit: int, digest: str = "") -> list[Act]:
    """Return acts in their order, those after one of them; with `digest` of who had that hash."""
    return [_act(row) for row in tx.all("erasures", after=after, limit=limit, hash=digest)]


def find(tx: Transaction, act_id: int) -> Act | None:
    """Return an act, or None."""
    row = tx.one("erasure", id=act_id)
    return None if row is None else _act(row)


def _act(row: Row) -> Act:
    return Act(row[0], row[1], row[2], row[3], _texts(row[4]), _numbers(row[5]))


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


def _hide_proofs(tx: Transaction, contact_id: int, spare: frozenset[int], marks: Marks) -> int:
    """Take out of the proofs of a person's consents who it was; return how many said it."""
    hidden = 0
    for proof_id, detail in tx.all("proofs_of", contact_id=contact_id):
        left = _anonymous(_proof(detail), marks)
        text = contacts.proof_text(left)
        if left == _proof(detail):
            continue
        tx.changed_many("put_proofs", [(text,)])
        ((_, fresh),) = tx.many("proofs_by_detail", [(text,)])
        tx.run("swap_proof", contact_id=contact_id, old=proof_id, fresh=fresh)
        if proof_id in spare:
            tx.run("drop_proof", id=proof_id)
        hidden += 1
    return hidden


def _anonymous(proof: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    return {
        key: value for key, value in proof.items() if key in PROOF_KEYS and not marks.name(f"\n{value}\n")
    }


def _forms(term: str) -> set[bytes]:
    """Return how a term may be written in what services send, in lower case."""
    plain = term.removeprefix("+")
    return {text.lower().encode() for text in (plain, dumps(plain)[1:-1])}


def _plain(text: bytes) -> bytes:
    """Return a text in lower case, with what forms and URLs write as %40 written out."""
    return (unquote_to_bytes(text) if b"%" in text else text).lower()


def _stands(term: bytes, text: bytes) -> bool:
    """Return whether the term is there as a whole word."""
    at = text.find(term)
    while at >= 0:
        end = at + len(term)
        if not text[max(0, at - 1) : at].isalnum() and not text[end : end + 1].isalnum():
            return True
        at = text.find(term, at + 1)
    return False


def _bytes(part: Any) -> bytes:
    if part is None:
        return b""
    return part.encode() if isinstance(part, str) else bytes(part)
