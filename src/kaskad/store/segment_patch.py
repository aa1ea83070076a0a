"""A block as it was made, with those who were changed since as they stand: less work than making it anew."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from kaskad.store.segment_columns import Coded, Flags, Floats, Happened, Integers, Live, Made, narrow

_encode = msgspec.json.Encoder().encode


class Patched:
    """The people of a block: `changed` as `live` has them, all others as they were made."""

    def __init__(self, made: Made, live: Live, changed: Sequence[int]) -> None:
        self._made, self._live = made, live
        self._stays: Flags = ~np.isin(made.ids, np.array(changed, np.int64))
        together = np.concatenate([made.ids[self._stays], live.ids])
        self.ids: Integers = np.sort(together)
        places = np.searchsorted(self.ids, together)
        staying = int(np.count_nonzero(self._stays))
        self._old = np.full(len(made.ids), -1, np.int64)  # where those who were made are now
        self._old[self._stays] = places[:staying]
        self._new = places[staying:]
        self._orders: dict[str, tuple[Flags, Integers]] = {}

    @property
    def seeds(self) -> Flags:
        return self._joined(self._made.seeds, self._live.seeds).astype(np.bool_)

    @property
    def reach(self) -> Integers:
        return self._joined(self._made.reach, self._live.reach)

    @property
    def consents(self) -> Coded:
        return self._coded(self._made.consents, self._live.consents)

    @property
    def mailboxes(self) -> Coded:
        return self._coded(self._made.mailboxes, self._live.mailboxes)

    def attributes(self) -> list[str]:
        """Return the names of all attributes that were made or are there now."""
        return sorted({*self._made.names("attribute"), *self._live.attributes()})

    def attribute(self, name: str) -> Coded:
        return self._coded(self._made.attribute(name), self._live.attribute(name))

    def names_of_events(self) -> list[str]:
        """Return the names of all events that were made or are there now."""
        return sorted({*self._made.names("events"), *self._live.names_of_events()})

    def events(self, name: str) -> Happened:
        made, live = self._made.events(name), self._live.events(name)
        stays, order = self._order(name, made, live)
        places = np.concatenate([self._old[made.places[stays]], self._new[live.places]])
        return Happened(places[order], np.concatenate([made.at[stays], live.at])[order])

    def properties(self, name: str) -> list[str]:
        """Return the properties that were made, or are a number in some event now."""
        return sorted({*self._made.properties(name), *self._live.properties(name)})

    def amounts(self, name: str, property_name: str) -> Floats | None:
        happened, now = self._made.events(name), self._live.events(name)
        stays, order = self._order(name, happened, now)
        made, live = self._made.amounts(name, property_name), self._live.amounts(name, property_name)
        if made is None:
            made = np.zeros(len(happened.at), np.float64)
        if live is None:
            live = np.zeros(len(now.at), np.float64)
        return np.concatenate([made[stays], live])[order]

    def _order(self, name: str, made: Happened, live: Happened) -> tuple[Flags, Integers]:
        """Return which events made stay, and the order by place of these and those of now; kept by name."""
        if name not in self._orders:
            stays = self._stays[made.places]
            places = np.concatenate([self._old[made.places[stays]], self._new[live.places]])
            self._orders[name] = (stays, np.argsort(places, kind="stable"))
        return self._orders[name]

    def _joined(self, made: Integers | Flags, live: Integers | Flags) -> Integers:
        found = np.zeros(len(self.ids), np.int64)
        found[self._old[self._stays]] = made[self._stays]
        found[self._new] = live
        return found

    def _coded(self, made: Coded, live: Coded) -> Coded:
        """Return a column of both. Values that nobody has any more go; else codes stay what they were."""
        values = list(made.values)
        known = {_encode(value): code for code, value in enumerate(values, 1)}
        told = [0]
        for value in live.values:
            code = known.setdefault(_encode(value), len(values) + 1)
            if code > len(values):
                values.append(value)
            told.append(code)
        codes = np.zeros(len(self.ids), np.int64)
        codes[self._old[self._stays]] = made.codes[self._stays]
        codes[self._new] = np.array(told, np.int64)[live.codes]
        used = np.unique(codes)
        used = used[used > 0]
        if len(used) < len(values):
            again = np.zeros(len(values) + 1, np.int64)
            again[used] = np.arange(1, len(used) + 1)
            codes, values = again[codes], [values[code - 1] for code in used.tolist()]
        return Coded(narrow(codes, len(values)), values)
