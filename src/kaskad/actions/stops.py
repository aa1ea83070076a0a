"""Stops in free text: shown to be looked at, then left standing or undone."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from kaskad.actions.hiding import hidden
from kaskad.actions.office import Office
from kaskad.domain.consent import ANY, ConsentRow, may
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded
from kaskad.store import cards, contacts
from kaskad.store import stops as store
from kaskad.store.cards import KnownConsent
from kaskad.store.contacts import Consent
from kaskad.store.db import Transaction
from kaskad.store.stops import Stop, Verdict


def listing(office: Office, *, after: int, limit: int, everything: bool = False) -> list[Stop]:
    """Return stops that nobody has looked at yet, or all, the oldest first."""
    with office.read() as tx:
        found = store.page(tx, after=after, limit=limit, everything=everything)
        return [replace(each, said=hidden(tx, office.signer, each.said)) for each in found]


def judge(office: Office, number: int, verdict: Verdict, by: str) -> Stop:
    """Leave a stop standing, or undo one that meant something else; return it.

    Undone, what was allowed on the channels that it closed is so again, and nothing else; another refusal,
    also a later one, stays. Runs that it has ended stay ended. Raises NotFound, Conflict for a second look.
    """
    now = office.now()

    def change(tx: Transaction) -> Stop:
        found = store.find(tx, number)
        if found is None:
            raise NotFound(worded("There is no stop %(number)s: `kaskad stops` lists them.", number=number))
        if not store.judge(tx, number, verdict, by, now):
            seen = found.verdict.name.lower()
            raise Conflict(
                worded(
                    "%(looked_by)s has looked at stop %(number)s: %(seen)s.",
                    looked_by=found.looked_by,
                    number=number,
                    seen=seen,
                )
            )
        if verdict is Verdict.UNDONE:
            again = _again(found, cards.consents(tx, found.contact_id), by, now)
            contacts.add_consents(tx, [(found.contact_id, row) for row in again])
        judged = store.find(tx, number)
        assert judged is not None
        return judged

    return office.write(change)


def _again(stop: Stop, known: Sequence[KnownConsent], by: str, now: int) -> list[Consent]:
    """Return the consents that make things on the stop's channels as they would be without it."""
    told = {"act": "stop undone", "operator": by, "said": stop.said, "stop": stop.id}
    rest = [row for row in known if row.granted or (row.at, row.channels) != (stop.at, stop.channels)]
    rows = [
        ConsentRow(
            k.granted, k.purpose, k.channels, k.topic, k.at, k.expires_at, k.proof is not None, k.brand
        )
        for k in rest
    ]

    def free(message_class: MessageClass, topic: str = "", brand: str = "") -> int:
        """Return the channels on which such a message might go but for the stop."""
        return sum(
            1 << each.code
            for each in Channel
            if stop.channels & 1 << each.code
            and may(rows, each, message_class, topic, now, brand=brand) is None
        )

    found = [
        Consent(granted=True, at=now, purpose=each.code, channels=bits, proof=contacts.proof_text(told))
        for each in (MessageClass.SERVICE, MessageClass.TRANSACTIONAL)
        if (bits := free(each))
    ]
    for row in rest:
        bits = free(MessageClass.ADVERTISING, row.topic, row.brand) & (row.channels or stop.channels)
        if row.granted and row.purpose in (ANY, MessageClass.ADVERTISING.code) and bits:
            proof = None if row.proof is None else contacts.proof_text({**row.proof, "again": told})
            found.append(Consent(
                granted=True, at=now, purpose=row.purpose, channels=bits, topic=row.topic,
                expires_at=row.expires_at, proof=proof, brand=row.brand,
            ))  # fmt: skip
    return found
