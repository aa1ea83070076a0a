"""Table `contact_hours`: at which hours of the week each person has reacted, made anew once a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from kaskad.store.db import Row, Transaction

CURVES = "curves"  # the setting with the hours of all people together

_encode = msgspec.json.Encoder().encode
_counts = msgspec.json.Decoder(dict[int, float]).decode


def reactions(tx: Transaction, after: int, until: int, since: int) -> list[Row]:
    """Return (contact, run, step, instant, zones, country) of each reaction, once in a quarter of an hour.

    Of contacts numbered over `after` up to `until`.
    """
    return tx.all("reactions_between", after=after, until=until, since=since)


def put(tx: Transaction, after: int, until: int, found: Mapping[int, tuple[dict[int, float], int]]) -> None:
    """Keep the hours of these contacts, and of no other between the two numbers."""
    tx.run("drop_hours", after=after, until=until)
    if found:
        rows = [
            (
                contact_id,
                reactions,
                _encode({hour: round(count, 3) for hour, count in counts.items()}).decode(),
            )
            for contact_id, (counts, reactions) in sorted(found.items())
        ]
        tx.many("put_hours", rows)


def of_contacts(tx: Transaction, ids: Sequence[int]) -> dict[int, tuple[dict[int, float], int]]:
    """Return the hours of those of these contacts who have reacted, and how often they have."""
    if not ids:
        return {}
    return {row[0]: (_counts(row[2]), row[1]) for row in tx.among("look_hours", ids)}
