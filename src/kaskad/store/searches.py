"""What was kept whole and names a person who was erased: looked for piece by piece, and deleted.

A search is a row of `erasure_searches` until it has come to the end; it knows, encrypted, how the person is
told. It goes through the ids at services first, as what services sent may name the person by these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from kaskad.domain.terms import Channel
from kaskad.store import erasures
from kaskad.store.db import Row, Transaction
from kaskad.store.marks import Marks
from kaskad.store.vault import Vault

# What was kept whole, where a person is found by what it says: what the act calls it, and the statements.
KEPT_WHOLE = (
    ("raw webhooks", "kept_webhooks", "drop_kept_webhooks"),
    ("outgoing webhooks", "kept_deliveries", "drop_kept_deliveries"),
    ("conversations with CRMs", "kept_crm_jobs", "drop_kept_crm_jobs"),
    ("unmatched receipts", "kept_orphans", "drop_kept_orphans"),
    ("notes of imports", "kept_notes", "drop_kept_notes"),
    ("rows that imports left out", "kept_rejects", "drop_kept_rejects"),
)
IDS, PROOFS = "ids at services", "proofs and mail domains"
STAGES = (IDS, *(each[0] for each in KEPT_WHOLE), PROOFS)
PIECE = 500  # rows that are read at a time
PIECES = 20  # of them, before what was found is deleted
_IDS = 5_000  # rows of a piece that are short
_CONTACTS = 5_000
_place = msgspec.json.Decoder(list[Any]).decode


class Told(Struct, frozen=True):
    """How the person is told, proofs that may be theirs alone, and the domains of their mail addresses.

    `numbers` are those of the contact, and of those that were merged into it.
    """

    numbers: list[int]
    terms: list[str]
    exact: list[str]
    proofs: list[int]
    domains: list[str]


class Search(Struct, frozen=True):
    """A search that has come to a place (the key of the last row that was looked at) of a stage."""

    erasure_id: int
    contact_id: int
    stage: int
    place: list[Any]
    told: Told

    @property
    def marks(self) -> Marks:
        return Marks(self.told.terms, self.told.exact)


class Found(Struct, frozen=True):
    """What was found, and the search as it goes on; its stage is past the last where that was all."""

    after: Search
    rows: list[int] = []
    ids: list[Row] = []
    look_ups: list[Row] = []


def begin(tx: Transaction, vault: Vault, erasure_id: int, contact_id: int, told: Told) -> None:
    """Have what was kept whole searched for a person."""
    tx.run("put_search", erasure_id=erasure_id, contact_id=contact_id, told=vault.encrypt(told))


def first(tx: Transaction, vault: Vault, erasure_id: int = 0) -> Search | None:
    """Return the oldest search, or that of an act; None where there is none."""
    row = tx.one("first_search", erasure_id=erasure_id)
    if row is None:
        return None
    return Search(row[0], row[1], row[2], _place(row[3]), vault.decrypt(bytes(row[4]), Told))


def left(stage: int | None) -> list[str]:
    """Return what is still to be looked through by a search at a stage; None is none."""
    return [] if stage is None else list(STAGES[stage:])


def look(tx: Transaction, search: Search) -> Found:
    """Read on until something is found, a stage ends, or for some thousand rows."""
    if search.stage == 0:
        return _among_ids(tx, search)
    if search.stage == len(STAGES) - 1:
        return _among_contacts(tx, search)
    _, statement, _ = KEPT_WHOLE[search.stage - 1]
    marks, after = search.marks, search.place[0] if search.place else 0
    for _ in range(PIECES):
        rows = tx.all(statement, after=after, limit=PIECE)
        if not rows:
            return Found(_next(search))
        after = rows[-1][0]
        if found := marks.among(rows):
            return Found(structs.replace(search, place=[after]), found)
    return Found(structs.replace(search, place=[after]))


def apply(tx: Transaction, vault: Vault, before: Search, found: Found) -> bool:
    """Delete what was found, and keep how far the search has come; return whether it has come to its end.

    Nothing happens where another process has gone on with it meanwhile.
    """
    after = found.after
    moved = {"erasure_id": before.erasure_id, "stage": before.stage, "place": _json(before.place)}
    told = vault.encrypt(after.told)
    if not tx.run("move_search", **moved, next_stage=after.stage, next_place=_json(after.place), told=told):
        return False
    with erasures.overwriting(tx):
        counts = {STAGES[before.stage]: _drop(tx, before.stage, found)}
        ended = after.stage == len(STAGES)
        if ended:
            for proof_id in after.told.proofs:
                tx.run("empty_proof", id=proof_id)
            for domain in after.told.domains:
                tx.run("drop_mail_domain", domain=domain)
            tx.run("end_search", erasure_id=before.erasure_id)
    erasures.count_more(tx, before.erasure_id, {what: count for what, count in counts.items() if count})
    return ended


def _drop(tx: Transaction, stage: int, found: Found) -> int:
    if found.ids:
        tx.changed_many("drop_provider_ids", found.ids)
    if found.look_ups:
        tx.changed_many("drop_look_ups", found.look_ups)
    if not found.rows:
        return len(found.ids) + len(found.look_ups)
    return len(tx.among(KEPT_WHOLE[stage - 1][2], found.rows))


def _among_ids(tx: Transaction, search: Search) -> Found:
    """Look for the person among ids at services, which are terms from then on: they name them elsewhere."""
    account_id, provider_id = search.place or (-1, "")
    rows = tx.all("provider_ids_after", account_id=account_id, provider_id=provider_id, limit=_IDS)
    ids = [(row[0], row[1]) for row in rows if row[2] in search.told.numbers]
    looked = [] if rows else tx.all("look_ups_of", contact_id=search.contact_id)
    terms = [row[1] for row in [*ids, *looked]]
    told = structs.replace(search.told, terms=list(dict.fromkeys([*search.told.terms, *terms])))
    known = structs.replace(search, told=told)
    after = structs.replace(known, place=list(rows[-1][:2])) if rows else _next(known)
    return Found(after, ids=ids, look_ups=looked)


def _among_contacts(tx: Transaction, search: Search) -> Found:
    """Look whether others have the person's proofs and mail domains: then these stay."""
    told = search.told
    row = tx.one("first_contact_after", after=search.place[0] if search.place else 0)
    if row is None or row[0] is None or not (told.proofs or told.domains):
        return Found(_next(search))
    part = {"after": row[0] - 1, "until": row[0] + _CONTACTS - 1}
    used = {each[0] for each in tx.among("proofs_in_use", told.proofs, **part)} if told.proofs else set()
    domains = [
        domain
        for domain in told.domains
        if tx.one("mail_domain_in_use", domain=domain, channel=Channel.EMAIL.code, **part) is None
    ]
    left = structs.replace(told, proofs=[each for each in told.proofs if each not in used], domains=domains)
    return Found(structs.replace(search, told=left, place=[part["until"]]))


def _next(search: Search) -> Search:
    return structs.replace(search, stage=search.stage + 1, place=[])


def _json(place: Sequence[Any]) -> str:
    return msgspec.json.encode(place).decode()
