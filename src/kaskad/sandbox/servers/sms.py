"""What SMS services have in common: a text that travels to its phone, or does not."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from kaskad.domain.sms import parts
from kaskad.sandbox import links
from kaskad.sandbox.person import SMS, Sim, Sms, next_id
from kaskad.sandbox.server import Server

ABSENT_MS = 24 * 3_600_000  # how long an absent phone is tried


class Fate(Enum):
    """What has become of a text; SENT is followed by one of the others."""

    SENT = "sent"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    UNKNOWN_NUMBER = "unknown number"


async def carry(
    server: Server, number: str, text: str, sender: str, ref: str, told: Callable[[Fate], None],
    valid_ms: float = ABSENT_MS,
) -> None:  # fmt: skip
    """Bring a text to the phone of a number (E.164), or not; `told` is called with each thing it becomes."""
    world = server.world
    phone = world.find(SMS, number)
    chance = world.chance("sms", number, ref)
    await world.pace.wait(world.profile.sms.deliver.draw_ms(chance))
    if phone is None or (phone.temper.sim is Sim.MISSING and not phone.by_hand):
        told(Fate.UNKNOWN_NUMBER)
        return
    told(Fate.SENT)
    if phone.temper.sim is Sim.ABSENT and not phone.by_hand:
        await world.pace.wait(valid_ms)
        told(Fate.EXPIRED)
        return
    sms = Sms(
        next_id(phone.texts), world.pace.now(), text, sender, by=server.name, ref=ref, parts=parts(text),
        links=links.in_text(text),
    )  # fmt: skip
    phone.texts.append(sms)
    told(Fate.DELIVERED)
    world.arrived(phone, sms)
