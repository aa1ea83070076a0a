"""At which hours people react: counted once a day from what they did, where a step asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from kaskad.actions.office import Office
from kaskad.domain.hours import WindowKey, Windows
from kaskad.domain.rhythm import (
    HALF_LIFE_MS,
    WEEK,
    Curves,
    Favourite,
    Rhythm,
    counted,
    favourite,
    rhythm_of,
    sending_hour,
)
from kaskad.domain.terms import Channel, MessageClass
from kaskad.log import get_logger
from kaskad.store import rhythms, settings
from kaskad.store.db import Transaction

log = get_logger(__name__)

PIECE = 2_000  # contacts looked at together
OLDEST_MS = 8 * HALF_LIFE_MS  # older reactions are worth next to nothing
_Found = Mapping[int, tuple[dict[int, float], int]]


def counted_at(office: Office) -> int:
    """Return when the hours were last counted, 0 for never; now where no step asks for them."""
    world = office.engine.world
    asked = any(version.best_hours for version in list(world.versions.values()))
    return world.curves.at if asked else office.now()


def renew(office: Office) -> int:
    """Count anew at which hours everybody reacts; return how many people have reacted at all."""
    now, zone = office.now(), office.engine.world.policy.zone
    with office.read() as tx:
        last = tx.one("last_messaged_contact")
    people = 0
    everyone = [0.0] * WEEK
    countries: dict[str, list[float]] = {}
    for after in range(0, (last[0] or 0) if last else 0, PIECE):
        found, of = _piece(office, after, now, zone)
        people += len(found)
        for contact_id, (counts, _) in found.items():
            theirs = countries.setdefault(of[contact_id], [0.0] * WEEK)
            for hour, count in counts.items():
                everyone[hour] += count
                theirs[hour] += count
    curves = Curves(tuple(everyone), {name: tuple(told) for name, told in countries.items() if name}, now)
    office.write(lambda tx: settings.put(tx, rhythms.CURVES, curves))
    office.reload()
    log.info("hours of reactions", people=people)
    return people


def of_contact(
    office: Office, tx: Transaction, contact_id: int, zones: tuple[str, ...], country: str
) -> Favourite | None:
    """Return at which hour somebody reacts, as last counted, and when steps that wait for it would go."""
    world = office.engine.world
    own, reactions = rhythms.of_contacts(tx, [contact_id]).get(contact_id, ({}, 0))
    rhythm = rhythm_of(world.curves, own, reactions, country)
    asking = {
        (channel, version.cascade.message_class)
        for version in list(world.versions.values())
        if version.best_hours and not version.cascade.urgent
        for step in version.cascade.steps
        if step.best_hour and not step.urgent
        for channel in step.channels
    }
    return favourite(
        rhythm,
        reactions,
        world.curves.at,
        _sends(office, rhythm, asking, zones, country or world.policy.country),
    )


def of_all(
    office: Office, channels: Iterable[Channel] = (), message_class: MessageClass = MessageClass.SERVICE
) -> tuple[Favourite | None, int]:
    """Return at which hour all people react most, and when that was counted (0: never).

    With `channels`, also when a step on these would go by it.
    """
    world = office.engine.world
    rhythm = rhythm_of(world.curves, {}, 0, "")
    asking = {(channel, message_class) for channel in channels}
    sends = _sends(office, rhythm, asking, (world.policy.zone,), world.policy.country)
    return favourite(rhythm, round(sum(world.curves.everyone)), world.curves.at, sends), world.curves.at


def _sends(
    office: Office, rhythm: Rhythm | None, asking: set[tuple[Channel, MessageClass]], zones: tuple[str, ...],
    country: str,
) -> tuple[tuple[Channel, int], ...]:  # fmt: skip
    """Return the hours at which messages of these channels and classes would mostly go."""
    if rhythm is None:
        return ()
    now, windows = office.now(), Windows(office.engine.world.policy)
    found: dict[tuple[Channel, int], None] = {}
    for channel, message_class in sorted(asking, key=lambda one: (one[0].code, one[1].code)):
        key = windows.key(channel, message_class, zones, country)
        hour = sending_hour(rhythm, now, zones[0], partial(_is_open, windows, key))
        if hour is not None:
            found[channel, hour] = None
    return tuple(found)


def _is_open(windows: Windows, key: WindowKey, at: int) -> bool:
    return windows.next(at, key) == at


def _piece(office: Office, after: int, now: int, zone: str) -> tuple[_Found, dict[int, str]]:
    """Count the hours of some contacts and keep them; return them, and the countries of these contacts."""
    until = after + PIECE
    with office.read() as tx:
        rows = rhythms.reactions(tx, after, until, now - OLDEST_MS)
    told: dict[int, list[tuple[int, str]]] = {}
    countries: dict[int, str] = {}
    for contact_id, _, _, at, zones, country in rows:
        told.setdefault(contact_id, []).append((at, (zones or zone).split(" ")[0]))
        countries[contact_id] = country or ""
    found = {contact_id: (counted(own, now), len(own)) for contact_id, own in told.items()}

    def change(tx: Transaction) -> None:
        rhythms.put(tx, after, until, found)

    office.write(change)
    return found, countries
