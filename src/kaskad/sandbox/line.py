"""The called end of one call: lets time pass, and tells what the person does meanwhile."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from kaskad.sandbox.clock import Pace
from kaskad.sandbox.person import Call, Phone

ENDINGS = ("hang_up", "decline", "cancel")
KEYS = "0123456789*#"


class HungUp(Exception):
    """The person, the caller or the time limit ended the call."""


class Intent(Struct):
    """What a simulated person is going to do, so long after they made up their mind."""

    after_ms: float
    deed: str


class Pickup(Struct, frozen=True):
    """What happens at the called end: `answer`, `busy`, `silence`, `machine` or `missing`."""

    how: str
    after_ms: float = 0.0


class Line:
    """Counts a call's own time, so that a call is the same however fast the sandbox runs.

    A person who is played by hand lives at the world's speed, and does what comes in by `call.deeds`.
    """

    def __init__(self, pace: Pace, phone: Phone, call: Call, limit_ms: float) -> None:
        self._pace = pace
        self._phone = phone
        self._call = call
        self._limit_ms = limit_ms
        self.intent: Intent | None = None
        self.talked_ms = 0.0

    async def deed(self, span_ms: float) -> str:
        """Return what the person does within this time, "" for nothing."""
        planned = ""
        if self.intent is not None and not self._phone.by_hand and self.intent.after_ms <= span_ms:
            span_ms, planned = self.intent.after_ms, self.intent.deed
        loop = asyncio.get_running_loop()
        began = loop.time()
        factor = 1.0 if self._phone.by_hand else self._pace.factor
        try:
            done = await asyncio.wait_for(self._call.deeds.get(), max(0.001, span_ms / 1000 / factor))
            passed_ms = min(span_ms, 1000 * factor * (loop.time() - began))
        except TimeoutError:
            done, passed_ms = planned, span_ms
            if planned:
                self.intent = None
        if self.intent is not None:
            self.intent.after_ms -= passed_ms
        self.talked_ms += passed_ms
        return done

    async def hear(self, span_ms: float) -> None:
        """Let so long pass; a key that is pressed meanwhile is lost. Raises HungUp."""
        until_ms = self.talked_ms + span_ms
        while (left_ms := until_ms - self.talked_ms) > 0:
            self._end_by(await self.deed(left_ms))

    async def key(self, span_ms: float) -> str:
        """Return the key that is pressed within this time, "" for none. Raises HungUp."""
        done = await self.deed(span_ms)
        self._end_by(done)
        return done if len(done) == 1 and done in KEYS else ""

    def _end_by(self, done: str) -> None:
        if done in ENDINGS or self.talked_ms >= self._limit_ms:
            raise HungUp


async def ring(phone: Phone, pickup: Pickup, line: Line, ring_ms: float) -> str:
    """Let it ring; return how that ended: answered, busy, no-answer or canceled."""
    alone = not phone.by_hand
    patient_ms = min(ring_ms, pickup.after_ms) if alone and pickup.how != "silence" else ring_ms
    deed = await line.deed(patient_ms)
    line.talked_ms = 0.0
    if deed == "cancel":
        return "canceled"
    if deed == "answer":
        return "answered"
    if deed == "decline" or (alone and pickup.how == "busy"):
        return "busy"
    return "no-answer" if patient_ms >= ring_ms else "answered"
