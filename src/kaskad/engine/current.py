"""What comes in under the number of a merged contact, told of the contact that was kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import structs

from kaskad.engine.arrival import Arrival
from kaskad.engine.parcel import Result
from kaskad.store import merges
from kaskad.store.db import Row, Transaction


class Current:
    """Puts those who were kept in the place of merged contacts, in what has come in of these."""

    def __init__(self, tx: Transaction, ids: Iterable[int]) -> None:
        self._kept = merges.kept_among(tx, ids)
        self._runs = merges.kept_runs(tx, self._kept)

    def results(self, results: Sequence[Result]) -> Sequence[Result]:
        """Return results, each of the message as it is called now."""
        if not self._kept:
            return results
        return [
            result
            if (key := self._runs.get((result.contact_id, result.run_id))) is None
            else structs.replace(result, contact_id=key[0], run_id=key[1])
            for result in results
        ]

    def arrivals(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Return what has arrived, about whom it is now; what names no run that we know is left out."""
        if not self._kept:
            return arrivals
        return [found for each in arrivals if (found := self._arrival(each)) is not None]

    def _arrival(self, told: Arrival) -> Arrival | None:
        if told.contact_id not in self._kept:
            return told
        if not told.run_id:
            return structs.replace(told, contact_id=self._kept[told.contact_id])
        key = self._runs.get((told.contact_id, told.run_id))
        return None if key is None else structs.replace(told, contact_id=key[0], run_id=key[1])

    def rows(self, rows: list[Row]) -> list[Row]:
        """Return rows that begin with a contact and a run, as these are called now."""
        if not self._kept:
            return rows
        return [
            (*self._runs.get((row[0], row[1]), (self._kept.get(row[0], row[0]), row[1])), *row[2:])
            for row in rows
        ]


def current(tx: Transaction, results: Sequence[Result], *arrived: Sequence[Arrival]) -> Current:
    """Return who is meant by all that has come in for one tick."""
    ids = {result.contact_id for result in results}
    ids.update(arrival.contact_id for arrivals in arrived for arrival in arrivals)
    return Current(tx, ids)
