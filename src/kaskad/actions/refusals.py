"""What a person refuses, told by CRM or an agent: it goes the way of an unsubscribe link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.consent import Scope
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.arrival import Arrival


class Refusal(Struct, frozen=True):
    """A withdrawal: of a topic, of channels, of advertising, or of everything but transactional messages."""

    topic: str
    channels: tuple[Channel, ...]
    advertising: bool
    at: int
    proof: Mapping[str, str]
    brand: str = ""  # "": of every brand


def refuse(office: Office, refusals: Sequence[tuple[int, Refusal]]) -> None:
    """Keep what contacts refuse, and end their runs that it concerns, before this returns."""
    arrivals = [
        Arrival(contact_id, 0, -1, Kind.UNSUBSCRIBED.value, _event(told), refusal.at, _text(told))
        for contact_id, refusal in refusals
        for told in _told(refusal)
    ]
    if arrivals:
        office.tell(arrivals)


def _told(refusal: Refusal) -> list[dict[str, object]]:
    """Return the refusal as the engine's intake reads it, one for each channel."""
    proof: dict[str, object] = {"proof": dict(refusal.proof)} if refusal.proof else {}
    proof |= {"brand": refusal.brand} if refusal.brand else {}
    if refusal.topic:
        return [{"scope": Scope.TOPIC.value, "topic": refusal.topic, **proof}]
    if refusal.channels:
        return [
            {"scope": Scope.CHANNEL.value, "channel": channel.code, **proof}
            for channel in dict.fromkeys(refusal.channels)
        ]
    scope = Scope.ADVERTISING if refusal.advertising else Scope.ALL
    return [{"scope": scope.value, **proof}]


def _event(told: Mapping[str, object]) -> str:
    return f"api {told['scope']} {told.get('topic') or told.get('channel') or ''}".strip()


def _text(told: Mapping[str, object]) -> str:
    return msgspec.json.encode(told).decode()
