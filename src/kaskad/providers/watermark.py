"""Reports of all that was sent to a person until an instant, as Messenger gives them."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.terms import Channel, Kind


class UpTo(Struct, frozen=True, kw_only=True):
    """What holds for all our messages to a person that were sent until an instant: a watermark."""

    channel: Channel
    address: str
    kind: Kind
    until: int
    raw: bytes = b""
