"""Sunset: no more advertising by e-mail to who has long been silent, where the policy says so."""

from __future__ import annotations

from kaskad.actions import contacts
from kaskad.actions.office import Office
from kaskad.domain.policy import Policy
from kaskad.domain.segment import SUNSET, read
from kaskad.domain.terms import Channel, MessageClass
from kaskad.engine.catalog import POLICY
from kaskad.store import contacts as contact_store
from kaskad.store import segments, settings, suppressions
from kaskad.store.contacts import Consent, Contact, proof_text
from kaskad.store.db import Transaction


def let_go(office: Office) -> int:
    """Withdraw for the silent what they had agreed to for advertising by e-mail; return how many they are.

    A withdrawal like any other: it ends nothing else, and who agrees anew later gets such messages again.
    """
    now = office.now()
    with office.read() as tx:
        days = (settings.get(tx, POLICY, Policy) or Policy()).sunset_days
        if not days:
            return 0
        silent = segments.matching(tx, read(SUNSET.format(f"{days}d")), now)
    proof = proof_text({"act": "sunset", "text": f"No reaction for {days} days", "source": "policy"})
    told = Consent(
        granted=False, at=now, purpose=MessageClass.ADVERTISING.code, channels=1 << Channel.EMAIL.code,
        proof=proof,
    )  # fmt: skip
    for piece in contacts.pieces(silent, contacts.PIECE):
        people = [Contact(id=each, consents=(told,)) for each in piece]

        def change(tx: Transaction, people: list[Contact] = people) -> None:
            contact_store.save(tx, suppressions.hash_key(tx, office.vault), people, now)

        office.write(change)
    return len(silent)
