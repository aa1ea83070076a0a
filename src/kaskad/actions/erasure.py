"""Erasing a person, and the acts that remain of it."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from time import monotonic

from msgspec import Struct, structs

from kaskad.actions.contacts import find_one
from kaskad.actions.office import Office
from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.worded import worded, wording
from kaskad.engine.arrival import Arrival
from kaskad.log import get_logger
from kaskad.store import cards, erasures, searches, suppressions
from kaskad.store.cards import KnownConsent
from kaskad.store.db import Transaction
from kaskad.store.erasures import Act
from kaskad.store.marks import Marks
from kaskad.store.searches import Told

log = get_logger(__name__)

REASON = "erased"  # of the suppression
PATIENCE_S = 2.0
_STEPLESS = -1


class Kept(Struct, frozen=True):
    """An act, and the consents that are kept as proof under the number of the erased contact."""

    act: Act
    consents: list[KnownConsent]


def erase(office: Office, who: str, by: str) -> Act:
    """Cancel the runs of a contact, delete who it was, and return the act of it.

    The addresses are never written to again. What was kept whole from services is then searched for the
    person, which may take a while on a large installation: the act says what is left, and the server goes on
    with it (`engine/forgetting.py`). Raises NotFound, Conflict where several people have the address that is
    given.
    """
    now = office.now()

    def change(tx: Transaction) -> Act:
        contact_id = find_one(tx, who)
        told = _told(office, tx, contact_id)
        addresses = [(each.channel, each.value) for each in cards.addresses(tx, contact_id)]
        key = suppressions.hash_key(tx, office.vault)
        suppressions.suppress(tx, key, addresses, REASON, now)
        with erasures.overwriting(tx):
            erased = erasures.erase(tx, contact_id, Marks(told.terms, told.exact), now)
        if erased is None:
            raise NotFound(worded("%(contact)s has been erased already.", contact=contact_text(contact_id)))
        # Kept with the rest: the runs end too where this process dies before it has told the engine.
        tx.many("put_inbox", [(now, contact_id, 0, _STEPLESS, Kind.ERASED.value, "erasure", now, None)])
        hashes = suppressions.digests(key, addresses)
        act = erasures.keep(tx, contact_id, by, hashes, erased.counts, now)
        told = structs.replace(told, proofs=erased.spare_proofs)
        searches.begin(tx, office.vault, act.id, contact_id, told)
        return act

    act = office.write(change)
    office.tell([Arrival(act.contact_id, 0, _STEPLESS, Kind.ERASED.value, "erasure", now)])
    log.info("contact erased", contact=act.contact_id, by=by)
    return _search(office, act)


def _search(office: Office, act: Act) -> Act:
    """Look through what was kept whole for as long as somebody waits; return the act as it is then."""
    until_s = monotonic() + PATIENCE_S
    while monotonic() < until_s:
        with office.read() as tx:
            search = searches.first(tx, office.vault, act.id)
            found = None if search is None else searches.look(tx, search)
        if search is None or found is None:
            break
        if office.write(partial(searches.apply, vault=office.vault, before=search, found=found)):
            office.db.shed()
    with office.read() as tx:
        return erasures.find(tx, act.id) or act


def listing(office: Office, *, address: str = "", after: int, limit: int) -> list[Act]:
    """Return the acts in their order; with `address`, an e-mail or a number with +, those of who had it.

    Raises Invalid.
    """
    digest = _digest(office, address) if address else ""
    with office.read() as tx:
        return erasures.page(tx, after=after, limit=limit, digest=digest)


def show(office: Office, act_id: int) -> Kept:
    """Return an act with what is kept as proof; raises NotFound."""
    with office.read() as tx:
        act = erasures.find(tx, act_id)
        if act is None:
            raise NotFound(worded("There is no such act: `kaskad erasures` lists them."))
        return Kept(act, cards.consents(tx, act.contact_id))


def _told(office: Office, tx: Transaction, contact_id: int) -> Told:
    """Return how the person is told in what was kept whole."""
    addresses = cards.addresses(tx, contact_id)
    terms = [each.value for each in addresses]
    terms += [
        office.signer.reference(contact_id, run_id, step, account_id)
        for run_id, step, account_id in tx.all("message_places", contact_id=contact_id)
    ]
    was = {(row[0], row[1]): row[2] for row in tx.all("old_runs_of", contact_id=contact_id)}
    places = defaultdict(list)
    for run_id, step, account_id in tx.all("message_places", contact_id=contact_id):
        places[run_id].append((step, account_id))
    terms += [
        office.signer.reference(*old, step, account_id)
        for old, run_id in was.items()
        for step, account_id in places[run_id]
    ]
    terms += [row[0] for row in tx.all("external_ids_of", contact_id=contact_id)]
    ids = [contact_id, *(row[0] for row in tx.all("merged_from", contact_id=contact_id))]
    exact = [text for each in ids for text in (f'"{contact_text(each)}"', f'"contact_id":{each},')]
    domains = {each.value.rpartition("@")[2] for each in addresses if each.channel is Channel.EMAIL}
    return Told(ids, terms, exact, [], sorted(domains))


def _digest(office: Office, address: str) -> str:
    channel = Channel.EMAIL if "@" in address else Channel.SMS
    try:
        value = normalise(channel, address, None)
    except BadAddress as error:
        raise Invalid(
            [worded("%(error)s: give an e-mail address or a number with +.", error=wording(error))],
            ["/address"],
        ) from None
    key = office.write(lambda tx: suppressions.hash_key(tx, office.vault))
    (digest,) = suppressions.digests(key, [(channel, value)])
    return digest
