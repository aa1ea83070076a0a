"""The last look: everything that the answers about contacts need, read for a whole batch at once (E1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain import caps, hours
from kaskad.domain.cascade import Step
from kaskad.domain.clocks import patience_ms
from kaskad.domain.consent import ConsentRow
from kaskad.domain.paths import instant_at, look_up
from kaskad.domain.policy import PerClass
from kaskad.domain.rhythm import rhythm_of
from kaskad.domain.run import SHARED, Address, Answers, Dialogue, Passage, Run, Send, address_bits
from kaskad.domain.scope import condition_scope, contact_scope
from kaskad.domain.terms import Channel
from kaskad.domain.version import Version
from kaskad.engine.accounts import Accounts
from kaskad.engine.available import Available
from kaskad.engine.world import World
from kaskad.providers import provider
from kaskad.store import places, rhythms, segments
from kaskad.store.db import Row, Transaction

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_PHONE = Channel.SMS.code
_NO_GAP = PerClass()


class Person(Struct, frozen=True, gc=False):
    """A contact as texts and conditions see it."""

    zone: str | None
    language: str
    country: str
    tracking: bool
    attributes: dict[str, Any]

    def asked(self) -> dict[str, Any]:
        """Return what conditions ask of the contact."""
        return contact_scope(self.attributes, self.zone, self.language, self.country)


_Addresses = tuple[
    dict[int, dict[int, Address]],
    dict[int, int],
    dict[int, tuple[int, ...]],
    dict[int, dict[int, list[Address]]],
    dict[int, list[tuple[int, Address]]],
]
NOBODY = Person(None, "", "", False, {})


class Look(Struct):
    """What one tick has read about its contacts."""

    people: dict[int, Person]
    addresses: Mapping[int, dict[int, Address]]
    bits: Mapping[int, int]  # `address_bits` of each contact
    preferred: Mapping[int, tuple[int, ...]]  # channels in the contact's own order, where it has one
    consents: Mapping[int, list[ConsentRow]]
    touches: dict[int, list[caps.Touch]]
    properties: Mapping[tuple[int, int], dict[str, Any]]
    events: Mapping[int, list[tuple[str, int, dict[str, Any]]]]
    several: Mapping[int, dict[int, list[Address]]] = {}  # all addresses of picky channels, the best last
    standing: Mapping[int, dict[str, object]] = {}  # segments and the like, where a condition asks for them
    heard: Mapping[int, dict[int, int]] = {}  # of each contact: account -> when the person last wrote to it
    hours: Mapping[int, tuple[dict[int, float], int]] = {}  # at which a person reacts, where a step asks
    every: Mapping[int, list[tuple[int, Address]]] = {}  # all addresses of whom the event says which is meant


def look(
    tx: Transaction, entering: Sequence[tuple[Version, Run]], now: int, accounts: Accounts | None = None
) -> Look:
    """Read what is known of the contacts of runs that are about to enter a step.

    What only some `accounts` ask for is read where they are given: when the person last wrote to them, and
    all addresses of a channel with accounts that take one kind only.
    """
    windowed = frozenset[int]() if accounts is None else accounts.window_channels
    picky: Container[int] = () if accounts is None else accounts.picky
    ids = sorted({run.contact_id for _, run in entering})
    versions = {version.id: version for version, _ in entering}.values()
    people = {
        row[0]: Person(row[1], row[2] or "", row[3] or "", bool(row[4]), _decode(row[5]))
        for row in tx.among("look_contacts", ids)
    }
    meant = {run.contact_id for version, run in entering if version.cascade.to}
    addresses, bits, preferred, several, every = _addresses(tx, ids, picky, meant)
    consents: dict[int, list[ConsentRow]] = defaultdict(list)
    for row in tx.among("look_consents", ids):
        consents[row[0]].append(
            ConsentRow(bool(row[1]), row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8])
        )
    since = touches_since(versions, now)
    touches = {} if since is None else touches_of(tx, ids, since)
    triggered = [run for version, run in entering if version.uses_trigger]
    watched = sorted({run.contact_id for version, run in entering if version.uses_events})
    return Look(
        people,
        addresses,
        bits,
        preferred,
        consents,
        touches,
        properties_of(tx, triggered),
        _events(tx, watched) if watched else {},
        several,
        _standing(tx, entering, now),
        _heard(tx, entering, windowed) if windowed else {},
        rhythms.of_contacts(tx, sorted({run.contact_id for version, run in entering if version.best_hours})),
        every,
    )


def _addresses(
    tx: Transaction, ids: Sequence[int], picky: Container[int], meant: Iterable[int]
) -> _Addresses:  # fmt: skip
    """Return the addresses of contacts, as `Look` has them; `meant`: of these the event says which."""
    addresses: dict[int, dict[int, Address]] = defaultdict(dict)
    bits: dict[int, int] = defaultdict(int)
    wishes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    several: dict[int, dict[int, list[Address]]] = defaultdict(lambda: defaultdict(list))
    every: dict[int, list[tuple[int, Address]]] = {contact_id: [] for contact_id in meant}
    doubles: set[int] = set()  # contacts with several addresses of a channel
    rows = tx.among("look_addresses", ids)
    for contact_id, channel, value, health, shared, preferred, _, _ in rows:
        if preferred:
            wishes[contact_id].append((preferred, channel))
        own = addresses[contact_id]
        if channel in own:
            doubles.add(contact_id)
        own[channel] = address = Address(value, health, shared)  # the last is the best
        if contact_id in every:
            every[contact_id].append((channel, address))
        if channel in picky:
            several[contact_id][channel].append(address)
        bits[contact_id] |= (1 | health << 1 | shared << 3) << channel * 4
    if doubles:
        _prefer_answered(tx, [row for row in rows if row[0] in doubles], addresses)
    orders = {contact_id: tuple(channel for _, channel in sorted(own)) for contact_id, own in wishes.items()}
    return addresses, bits, orders, several, every


def _prefer_answered(
    tx: Transaction, rows: Sequence[Row], addresses: Mapping[int, dict[int, Address]]
) -> None:  # fmt: skip
    """Of addresses that stand alike take the one where the person has reacted last."""
    answered = places.reacted(tx, {row[0] for row in rows})
    best: dict[tuple[int, int], tuple[object, int]] = {}
    for contact_id, channel, value, health, shared, *ranks in rows:  # the best rank comes last
        at = answered.get((contact_id, channel, value), 0)
        key, rank = (contact_id, channel), (health, *ranks)
        if key not in best or best[key][0] != rank or at >= best[key][1]:
            best[key] = (rank, at)
            addresses[contact_id][channel] = Address(value, health, shared)


def _standing(
    tx: Transaction, entering: Sequence[tuple[Version, Run]], now: int
) -> Mapping[int, dict[str, object]]:  # fmt: skip
    asking = [(version, run.contact_id) for version, run in entering if version.standing]
    if not asking:
        return {}
    ids = sorted({contact_id for _, contact_id in asking})
    nodes = list({node: None for version, _ in asking for node in version.standing})
    return segments.standing(tx, nodes, ids, now)


def _heard(
    tx: Transaction, entering: Sequence[tuple[Version, Run]], windowed: Container[int]
) -> dict[int, dict[int, int]]:  # fmt: skip
    asking = {
        version.id
        for version in {version.id: version for version, _ in entering}.values()
        if any(channel.code in windowed for step in version.cascade.steps for channel in step.channels)
    }
    ids = sorted({run.contact_id for version, run in entering if version.id in asking})
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for contact_id, account_id, heard_at in tx.among("look_dialogues", ids) if ids else ():
        found[contact_id][account_id] = heard_at
    return found


def touches_since(versions: Iterable[Version], now: int) -> int | None:
    """Return how far back the caps of the versions look; None: they have none."""
    capped = [v for v in versions if v.policy.caps or v.policy.run_gap_ms != _NO_GAP]
    return now - max(caps.reach_ms(version.policy) for version in capped) if capped else None


def touches_of(tx: Transaction, ids: Sequence[int], since: int) -> dict[int, list[caps.Touch]]:
    """Return what has left us for these contacts since then."""
    found: dict[int, list[caps.Touch]] = defaultdict(list)
    for contact_id, at, run_id, channel, lane in tx.among("touches_of", ids, since=since):
        found[contact_id].append(caps.Touch(at, run_id, channel, lane))
    return found


def properties_of(tx: Transaction, runs: Iterable[Run]) -> dict[tuple[int, int], dict[str, Any]]:
    """Return the properties of the events that these runs were begun by."""
    ids = sorted({run.contact_id for run in runs})
    rows: list[Row] = tx.among("run_data_of", ids) if ids else []
    return {(row[0], row[1]): _decode(row[3]) for row in rows}


def _events(tx: Transaction, ids: Sequence[int]) -> dict[int, list[tuple[str, int, dict[str, Any]]]]:
    found: dict[int, list[tuple[str, int, dict[str, Any]]]] = defaultdict(list)
    for contact_id, name, at, properties in tx.among("events_of_contacts", ids, since=0):
        found[contact_id].append((name, at, _decode(properties)))
    return found


class Desk:
    """Answers for the runs of one tick, one by one, from what `look` has read."""

    def __init__(self, tx: Transaction, world: World, now: int) -> None:
        self._tx, self._world, self._now = tx, world, now
        self._seen = Look({}, {}, {}, {}, {}, {}, {}, {})
        self._accounts: dict[int, Available] = {}
        self._zones: dict[tuple[str | None, str, str], tuple[str, ...]] = {}
        accounts = world.accounts
        self._closed = {number: Dialogue(0, accounts.text_states(number)) for number in accounts.windows}

    def see(self, seen: Look) -> None:
        """Answer from what was read."""
        self._seen = seen

    def answers(self, version: Version, run: Run, passages: Mapping[int, Passage]) -> Answers:
        """Return what a decision about this run needs to know of its contact."""
        contact_id = run.contact_id
        seen = self._seen
        person = seen.people.get(contact_id, NOBODY)
        addresses = seen.addresses.get(contact_id, {})
        bits = seen.bits.get(contact_id, 0)
        phone = addresses[_PHONE].value if person.zone is None and _PHONE in addresses else ""
        properties = seen.properties.get((contact_id, run.id), {})
        if version.cascade.to:
            meant = look_up(version.cascade.to, {"trigger": properties})
            addresses = {code: each for code, each in seen.every.get(contact_id, ()) if each.value == meant}
            bits = sum(address_bits(code, each.health, each.shared) for code, each in addresses.items())
        answers = Answers(
            self._zones_of(person.zone, phone, version.policy.zone),
            person.country or version.policy.country,
            addresses,
            seen.preferred.get(contact_id, ()),
            tuple(seen.consents.get(contact_id, ())),
            tuple(seen.touches.get(contact_id, ())),
            self._accounts_for(version, run),
            self._world.cascades.paused(run.cascade_id),
            named=self._named_for(version, run) if version.names_accounts else {},
            told_addresses=bits,
        )
        if (several := seen.several.get(contact_id)) and not version.cascade.to:
            answers.fitting = fitting = self._fitting(several)
            in_service = self._world.traffic.in_service(self._now, patience_ms(version, max(run.step, 0)))
            usable = {number: address for number, address in fitting.items() if number in in_service}
            answers.accounts = self._chosen(answers.accounts, usable)
        if self._closed:
            heard = seen.heard.get(contact_id)
            answers.dialogues = self._dialogues(heard)
            if heard:
                answers.accounts = self._in_dialogue(version, run, answers)
        if bits & SHARED:
            answers.touched = self._touched(version, run, addresses)
        if version.has_conditions:
            events = seen.events.get(contact_id, [])
            answers.scope = condition_scope(
                version, run, passages, person.asked(), properties, events,
                seen.standing.get(contact_id, {}),
            )  # fmt: skip
        if version.best_hours:
            own, reactions = seen.hours.get(contact_id, ({}, 0))
            answers.rhythm = rhythm_of(self._world.curves, own, reactions, person.country)
        if version.chooses:
            answers.traits = {"language": person.language, "country": person.country}
        if version.anchored:
            answers.anchors = {
                step.number: at for step in version.anchored if (at := self._anchor(run, step)) is not None
            }
        return answers

    def counts_back_from(self, version: Version, run: Run, number: int) -> int | None:
        """Return the date that a step counts back from; None: it counts from none, or none is told."""
        step = version.cascade.steps[max(number, 0)]
        dated = step.at is not None and step.at.before and step.at.path
        return self._anchor(run, step) if dated else None

    def _anchor(self, run: Run, step: Step) -> int | None:
        path = step.at.path if step.at is not None else ""
        return instant_at(path, self.properties(run), self.person(run.contact_id).attributes)

    def alike(
        self, version: Version, run: Run, zone: str, country: str | None, addresses: Mapping[int, Address],
        consents: tuple[ConsentRow, ...],
    ) -> Answers:  # fmt: skip
        """Return the answers of all contacts of whom so much is the same; `addresses` are one of theirs."""
        return Answers(
            self._zones_of(zone, "", version.policy.zone),
            country or version.policy.country,
            addresses,
            (),
            consents,
            (),
            self._accounts_for(version, run),
            self._world.cascades.paused(run.cascade_id),
            named=self._named_for(version, run) if version.names_accounts else {},
            told_addresses=sum(address_bits(code, a.health, a.shared) for code, a in addresses.items()),
        )

    def person(self, contact_id: int) -> Person:
        return self._seen.people.get(contact_id, NOBODY)

    def note_touch(self, version: Version, run: Run, send: Send) -> None:
        """Count a message of this tick among the contact's touches."""
        touch = caps.Touch(self._now, run.id, send.channel, version.class_code)
        self._seen.touches.setdefault(run.contact_id, []).append(touch)

    def properties(self, run: Run) -> dict[str, Any]:
        return self._seen.properties.get((run.contact_id, run.id), {})

    def _accounts_for(self, version: Version, run: Run) -> Mapping[int, int]:
        return self._available(version, run).of(run.contact_id)

    def _available(self, version: Version, run: Run) -> Available:
        patience = patience_ms(version, max(run.step, 0))
        if patience not in self._accounts:
            self._accounts[patience] = self._world.traffic.available(self._now, patience)
        return self._accounts[patience]

    def share(self, version: Version, run: Run) -> tuple[int, ...]:
        """Return which accounts are this contact's where several share a channel; () where none do."""
        available = self._available(version, run)
        return available.share(run.contact_id) if available.shared else ()

    def _named_for(self, version: Version, run: Run) -> Mapping[str, int]:
        in_service = self._world.traffic.in_service(self._now, patience_ms(version, max(run.step, 0)))
        return {
            account.name: account.id for account in self._world.accounts.values() if account.id in in_service
        }

    def _in_dialogue(self, version: Version, run: Run, answers: Answers) -> Mapping[int, int]:
        """Return the accounts to use: of those that share a channel the one in a dialogue with the person."""
        shared = self._available(version, run).shared
        open_ones = {
            channel: number
            for channel, members in shared.items()
            for number, _ in members
            if number in answers.dialogues and answers.dialogues[number].open_until
        }
        return {**answers.accounts, **open_ones}

    def _dialogues(self, heard: Mapping[int, int] | None) -> Mapping[int, Dialogue]:
        """Return what accounts take whose service lets free text go only for some time."""
        if not heard:
            return self._closed
        found = dict(self._closed)
        for number, heard_at in heard.items():
            ends_at = heard_at + self._world.accounts.windows.get(number, 0)
            if number in found and ends_at > self._now:
                found[number] = Dialogue(ends_at, found[number].texts)
        return found

    def _fitting(self, several: Mapping[int, Sequence[Address]]) -> Mapping[int, Address | None]:
        """Return where each account that takes one kind of address only reaches this contact."""
        return {
            account.id: next((a for a in reversed(several.get(channel, ())) if takes(a.value)), None)
            for channel, accounts in self._world.accounts.picky.items()
            for account in accounts
            for takes in (provider(account.provider).takes,)
        }

    def _chosen(self, accounts: Mapping[int, int], usable: Mapping[int, Address | None]) -> Mapping[int, int]:
        """Return the accounts by channel with one that reaches the contact, in place of one that does not."""
        chosen = dict(accounts)
        for channel in self._world.accounts.picky:
            now = usable.get(chosen.get(channel, 0))
            reaching = [
                (address.health, place, account.id)
                for place, account in enumerate(self._world.accounts.by_channel[channel])
                if (address := usable.get(account.id)) is not None
            ]
            if chosen.get(channel, 0) in usable and (now is None or now.health) and reaching:
                chosen[channel] = min(reaching)[2]
        return chosen

    def _zones_of(self, known: str | None, phone: str, brand: str) -> tuple[str, ...]:
        key = (known, phone, brand)
        zones = self._zones.get(key)
        if zones is None:
            zones = self._zones[key] = hours.zones_for(known, phone, brand)
        return zones

    def _touched(self, version: Version, run: Run, addresses: Mapping[int, Address]) -> frozenset[int]:
        since = self._now - 7 * 86_400_000
        return frozenset(
            row[0]
            for address in addresses.values()
            if address.shared
            for row in self._tx.all(
                "touched_by_sharers",
                value=address.value,
                contact_id=run.contact_id,
                cascade_id=run.cascade_id,
                version_id=version.id,
                since=since,
            )
        )
