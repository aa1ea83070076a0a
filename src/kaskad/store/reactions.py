"""Messages with when their people reacted: of a part of a cascade's runs, from all over its contacts."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kaskad.domain.run import HUMAN
from kaskad.domain.terms import Kind
from kaskad.store.db import Transaction

STRETCHES = 50
SCANNED = 2_000  # runs of a stretch that are looked at, of whichever cascade
TAKEN = 400  # messages of a stretch


class Sent(Struct, frozen=True, gc=False):
    """One message, and when its person did what: by kind of fact."""

    contact_id: int
    run_id: int
    version_id: int
    finished_at: int | None
    step: int
    channel: int
    sent_at: int
    facts: tuple[tuple[int, int], ...]


def sample(tx: Transaction, cascade_id: int) -> Iterator[Sent]:
    """Yield messages of a cascade, those of a run together and in their order.

    At most STRETCHES * SCANNED runs are looked at: all there are, where contacts are few.
    """
    row = tx.one("last_contact")
    last = (row[0] or 0) if row else 0
    for stretch in range(STRETCHES):
        rows = tx.all(
            "waited", cascade_id=cascade_id, after=last * stretch // STRETCHES,
            until=last * (stretch + 1) // STRETCHES, scan=SCANNED, limit=TAKEN,
            some=HUMAN | Kind.DELIVERED.bit,
        )  # fmt: skip
        for contact_id, run_id, version_id, finished_at, step, channel, sent_at, facts in rows:
            told = _facts(facts) if facts else ()
            yield Sent(contact_id, run_id, version_id, finished_at, step, channel, sent_at, told)


def _facts(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [one.split(",") for one in text.split(";")]
    return tuple([(int(kind), int(at)) for kind, at in pairs])
