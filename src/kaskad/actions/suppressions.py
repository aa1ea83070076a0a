"""The stop-list: addresses and whole mail domains that nothing is sent to, whoever has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from msgspec import Struct

from kaskad.actions.contacts import ToldAddress
from kaskad.actions.office import Office
from kaskad.domain.address import BadAddress, normalise, normalise_domain
from kaskad.domain.consent import Purpose
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel, Suppressed
from kaskad.domain.worded import worded
from kaskad.store import cards, runs, suppressions
from kaskad.store.db import Transaction

CONTACTS = 10_000  # whose addresses are looked at in one piece
MARKS = 500  # addresses marked in one transaction: a few milliseconds of the tick's time


class Entry(Struct, frozen=True):
    """What the list has of an address or a mail domain (`channel` None); `reason` "": it is not on it."""

    channel: Channel | None
    value: str
    reason: str = ""
    at: int | None = None
    by_domain: bool = False  # an address that is there because of its mail domain


def add(office: Office, addresses: Sequence[ToldAddress], domains: Sequence[str], reason: Suppressed) -> int:
    """Never write to these addresses again, nor to any at these mail domains; return how many addresses of
    contacts are marked by it now. Raises Invalid. Broken off, it may be said again.
    """
    named, whole = _ready(addresses, domains)

    def change(tx: Transaction) -> int:
        suppressions.fence(tx, named)
        key, now = suppressions.hash_key(tx, office.vault), office.now()
        if whole:
            suppressions.put_domains(tx, key, whole, reason.value, now)
        return suppressions.suppress(tx, key, named, reason.value, now) if named else 0

    marked = office.write(change)
    for places in _at(office, whole, marked=False):
        marked += office.write(partial(_mark, places=places, now=office.now()))
    return marked


def lift(office: Office, domains: Sequence[str]) -> int:
    """Take mail domains off the list; return how many addresses of contacts are good again: not those that
    are on it for themselves. Raises Invalid. Broken off, it may be said again.
    """
    _, whole = _ready((), domains)
    key = office.write(lambda tx: suppressions.hash_key(tx, office.vault))
    office.write(lambda tx: suppressions.lift_domains(tx, key, whole))
    free = 0
    for places in _at(office, whole, marked=True):
        free += office.write(
            partial(_unmark, key=key, places=places, channel=Channel.EMAIL, now=office.now())
        )
    return free


class Lifted(Struct, frozen=True):
    """What came of taking addresses off: how many are good again, and of which contacts."""

    free: int
    contacts: list[int]


def lift_addresses(office: Office, addresses: Sequence[ToldAddress], why: str) -> Lifted:
    """Take single addresses off the list; `why` is for the audit. All or none: raises Invalid for every one
    that is not there by itself, or that nobody may take off by hand.
    """
    named, _ = _ready(addresses, ())
    if not why.strip():
        raise Invalid([worded("Say why they come off the list: it is kept in the audit.")], ["/why"])

    def change(tx: Transaction) -> Lifted:
        key = suppressions.hash_key(tx, office.vault)
        problems = [
            (problem, told.pointer)
            for told, (channel, value) in zip(addresses, named, strict=True)
            if (problem := _held(tx, key, channel, value))
        ]
        if problems:
            raise Invalid([text for text, _ in problems], [pointer for _, pointer in problems])
        places = suppressions.lift(tx, key, named)
        free = sum(_unmark(tx, key, [each], channel, office.now()) for channel, each in places)
        return Lifted(free, sorted({contact_id for _, (contact_id, _) in places}))

    return office.write(change)


def noted(lifted: Lifted, why: str) -> str:
    """Return what the audit keeps of addresses that were taken off: their contacts, never the addresses."""
    named = [contact_text(each) for each in lifted.contacts[:3]]
    return f"{' '.join(named)}: {why.strip()}" if named else why.strip()


def _held(tx: Transaction, key: bytes, channel: Channel, value: str) -> str:
    """Return why an address cannot be taken off the list by hand; "" where it can."""
    digest = suppressions.address_hash(key, channel, value)
    known = suppressions.known(tx, [digest])
    if digest not in known:
        domain = value.rpartition("@")[2] if channel is Channel.EMAIL else ""
        if domain and suppressions.known(tx, suppressions.domain_hashes(key, domain)):
            return worded(
                "%(value)s is on the list by its mail domain only: take %(domain)s off.",
                value=value, domain=domain,
            )  # fmt: skip
        return worded("%(value)s is not on the list.", value=value)
    reason, at = known[digest]
    if reason == Suppressed.COMPLAINT:
        return worded(
            "%(value)s has complained: mailbox services forbid any further contact, so it stays.", value=value
        )
    if reason == Suppressed.ERASED:
        return worded(
            "%(value)s belongs to a person who was erased, and stays, so that nobody brings them back.",
            value=value,
        )
    if reason == Suppressed.OPT_OUT and not _agreed_since(tx, channel, value, at):
        return worded(
            "%(value)s has unsubscribed: note the person's new consent with its proof first.", value=value
        )
    return ""


def _agreed_since(tx: Transaction, channel: Channel, value: str, at: int) -> bool:
    """Say whether who has the address has agreed anew, with proof, after that instant."""
    return any(
        each.granted and each.proof is not None and each.at > at and each.purpose == Purpose.ADVERTISING.code
        and (not each.channels or each.channels & 1 << channel.code)
        for contact_id in suppressions.owners(tx, channel, value)
        for each in cards.consents(tx, contact_id)
    )  # fmt: skip


def look(office: Office, addresses: Sequence[ToldAddress], domains: Sequence[str]) -> list[Entry]:
    """Return what the list says of these addresses and domains, each; raises Invalid."""
    named, whole = _ready(addresses, domains)
    key = office.write(lambda tx: suppressions.hash_key(tx, office.vault))
    hashes: dict[tuple[Channel | None, str], bytes] = {
        (channel, value): suppressions.address_hash(key, channel, value) for channel, value in named
    }
    hashes |= {(None, each): suppressions.domain_hash(key, each) for each in whole}
    by_domain = {
        value: suppressions.domain_hashes(key, value.rpartition("@")[2].removeprefix("*."))
        for channel, value in hashes
        if channel is Channel.EMAIL or channel is None
    }
    with office.read() as tx:
        known = suppressions.known(
            tx, [*hashes.values(), *(digest for each in by_domain.values() for digest in each)]
        )
    found = []
    for (channel, value), digest in hashes.items():
        others = by_domain.get(value, [])[
            value.startswith("*.") :
        ]  # by itself a domain says nothing of others
        hit = next((each for each in (digest, *others) if each in known), None)
        reason, at = known[hit] if hit else ("", None)
        found.append(Entry(channel, value, reason, at, channel is not None and hit not in (None, digest)))
    return found


def _mark(tx: Transaction, places: list[tuple[int, str]], now: int) -> int:
    runs.fence(tx, sorted({contact_id for contact_id, _ in places}))
    return suppressions.mark(tx, places, now)


def _unmark(tx: Transaction, key: bytes, places: list[tuple[int, str]], channel: Channel, now: int) -> int:
    return suppressions.unmark(tx, key, places, now, channel=channel)


def _at(office: Office, domains: Sequence[str], *, marked: bool) -> Iterator[list[tuple[int, str]]]:
    """Yield addresses of all contacts at these domains in pieces, each read before it is wanted."""
    after = 0
    while domains:
        with office.read() as tx:
            row = tx.one("first_contact_after", after=after)
            if row is None or row[0] is None:
                return
            first, after = row[0] - 1, row[0] - 1 + CONTACTS
            found = suppressions.at_domains(tx, domains, first, after, marked=marked)
        for place in range(0, len(found), MARKS):
            yield found[place : place + MARKS]


def _ready(
    addresses: Sequence[ToldAddress], domains: Sequence[str]
) -> tuple[list[tuple[Channel, str]], list[str]]:
    """Return addresses and domains as they are kept; raises Invalid with all that is wrong with them."""
    problems: list[tuple[str, str]] = []
    named: list[tuple[Channel, str]] = []
    whole: list[str] = []
    for one in addresses:
        try:
            named.append((one.channel, normalise(one.channel, one.value)))
        except BadAddress as problem:
            problems.append((f"{problem}.", one.pointer))
    for index, domain in enumerate(domains):
        try:
            below = domain.strip().startswith("*.")
            name = normalise_domain(domain.strip().removeprefix("*."))
            whole.append(f"*.{name}" if below else name)
        except BadAddress as problem:
            problems.append((f"{problem}.", f"/domains/{index}"))
    if not addresses and not domains:
        problems.append((worded("Name an address or a mail domain."), ""))
    if problems:
        raise Invalid([text for text, _ in problems], [pointer for _, pointer in problems])
    return named, whole
