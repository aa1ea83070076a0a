"""The contacts of an audience as a simulation plays them: each as itself, with what left us for it before.

What the last look would answer about a contact is asked once for all who are alike in everything that it
looks at: that is told by what was read of them, without any rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import structs

from kaskad.actions.crowds import Asker
from kaskad.actions.office import Office
from kaskad.domain.caps import Touch
from kaskad.domain.cascade import Cascade
from kaskad.domain.consent import ConsentRow
from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.hours import zones_for
from kaskad.domain.run import SHARED, Address, Answers, Run
from kaskad.domain.terms import Channel, Phase, RunState
from kaskad.domain.version import prepare
from kaskad.engine.look import NOBODY, Desk, Look, Person, look
from kaskad.planning.scene import attributes_asked
from kaskad.planning.world import Cast, Prices, Sort

_PIECE = 10_000  # contacts that are read at once
_PHONE = Channel.SMS.code
_NAMES = {channel.code: channel.value for channel in Channel}

Key = tuple[object, ...]  # equal for contacts about whom the last look answers the same


class Casting:
    """Reads the contacts of one simulation that begins at `start`; `told` are prices that a file tells."""

    def __init__(self, office: Office, asker: Asker, cascade: Cascade, told: Prices, start: int) -> None:
        self._office, self._asker, self._cascade, self._told = office, asker, cascade, told
        self._now, self._start = office.now(), start
        self._version = prepare(0, 0, cascade, asker.policy)
        self._names = sorted(attributes_asked(cascade))
        self._known: dict[Key, int] = {}
        self._sorts: list[Sort] = []
        self._consents: dict[tuple[ConsentRow, ...], tuple[ConsentRow, ...]] = {}
        self._zones: dict[tuple[str | None, str], tuple[str, ...]] = {}
        channels = {channel for step in cascade.steps for channel in step.channels}
        self._listed = [  # channels on which a price may hang on the number
            ADDRESS_CHANNEL.get(channel.code, channel.code)
            for channel in channels
            for account in office.engine.world.accounts.by_channel.get(channel.code, ())
            if account.id in office.engine.world.money.price_lists
        ]

    def cast(self, ids: Sequence[int]) -> tuple[list[Sort], Cast]:
        """Return the sorts of these contacts, and each of them."""
        places: list[int] = []
        touches: dict[int, tuple[Touch, ...]] = {}
        with self._office.read() as tx:
            world = self._office.engine.world
            for first in range(0, len(ids), _PIECE):
                runs = [self._run(contact_id) for contact_id in ids[first : first + _PIECE]]
                entering = [(self._version, run) for run in runs]
                seen = look(tx, entering, self._now, world.accounts)
                desk = Desk(tx, world, self._now)
                desk.see(seen)
                places += self._placed(seen, desk, runs)
                touches |= {contact_id: self._moved(each) for contact_id, each in seen.touches.items()}
        return self._sorts, Cast(tuple(ids), places, touches)

    def _run(self, contact_id: int) -> Run:
        now = self._now
        return Run(contact_id, 1, 0, 0, 0, RunState.PENDING.code, Phase.ENTER, -1, None, 0, now, now, now)

    def _placed(self, seen: Look, desk: Desk, runs: Sequence[Run]) -> Iterator[int]:
        """Yield of each contact the place of its sort; new sorts are added."""
        for run in runs:
            key = self._key(seen, desk, run)
            place = self._known.get(key)
            if place is None:
                place = self._known[key] = len(self._sorts)
                self._sorts.append(self._sort(seen, desk, run))
            yield place

    def _key(self, seen: Look, desk: Desk, run: Run) -> Key:
        """Return all that was read of a contact and can make a difference."""
        contact_id, version = run.contact_id, self._version
        bits = seen.bits.get(contact_id, 0)
        if bits & SHARED or seen.several or version.best_hours:
            return (contact_id,)  # what others with its address got, which account reaches it, its own hours
        person = seen.people.get(contact_id, NOBODY)
        addresses = seen.addresses.get(contact_id)
        phone = addresses[_PHONE].value if addresses and person.zone is None and _PHONE in addresses else ""
        return (
            self._zones_of(person.zone, phone), person.country, bits,
            seen.preferred.get(contact_id), self._in_order(seen.consents.get(contact_id, ())),
            desk.share(version, run),
            tuple(seen.heard[contact_id].items()) if contact_id in seen.heard else None,
            person.language if version.chooses else None,
            msgspec.msgpack.encode(self._asked(person), enc_hook=repr) if self._names else None,
            repr(seen.standing.get(contact_id)) if seen.standing else None,
            tuple([addresses[code].value for code in self._listed if addresses and code in addresses]),
        )  # fmt: skip

    def _sort(self, seen: Look, desk: Desk, run: Run) -> Sort:
        person = seen.people.get(run.contact_id, NOBODY)
        answers = desk.answers(self._version, run, {})
        return Sort(
            1, self._alike(answers), self._prices(answers), self._asked(person),
            seen.standing.get(run.contact_id, {}),
        )  # fmt: skip

    def _asked(self, person: Person) -> dict[str, object]:
        """Return what conditions and dates ask of the contact."""
        if not self._names:
            return {}
        asked = person.asked()
        return {name: asked[name] for name in self._names if name in asked}

    def _zones_of(self, known: str | None, phone: str) -> tuple[str, ...]:
        key = known, phone
        zones = self._zones.get(key)
        if zones is None:
            zones = self._zones[key] = zones_for(known, phone, self._version.policy.zone)
        return zones

    def _alike(self, answers: Answers) -> Answers:
        """Return answers without what is one person's alone."""
        return structs.replace(
            answers, scope=None, anchors=None, touches=(),
            addresses={code: _nobodys(code, address) for code, address in answers.addresses.items()},
            fitting={
                number: None if address is None else structs.replace(address, value="fits")
                for number, address in answers.fitting.items()
            },
            consents=self._in_order(answers.consents),
        )  # fmt: skip

    def _prices(self, answers: Answers) -> Prices:
        found = dict(self._told)
        for step in self._cascade.steps:
            for channel in step.channels:
                if (step.number, channel.code) not in found:
                    cost = self._asker.cost_of(step, channel, answers)
                    if cost is not None:
                        found[step.number, channel.code] = cost
        return found

    def _moved(self, touches: Sequence[Touch]) -> tuple[Touch, ...]:
        """Return what left us before, as long before the start as it now is; none of it is of this run."""
        later = self._start - self._now
        return tuple([
            Touch(touch.at + later, -1 - touch.run_id, touch.channel_code, touch.class_code)
            for touch in touches
        ])  # fmt: skip

    def _in_order(self, rows: Sequence[ConsentRow]) -> tuple[ConsentRow, ...]:
        """Return consents with places in their order for instants: which came later is all that is asked of
        those given before that never expire."""
        key = tuple(rows)
        found = self._consents.get(key)
        if found is None:
            found = self._consents[key] = _in_order(key, min(self._now, self._start))
        return found


def _in_order(rows: tuple[ConsentRow, ...], now: int) -> tuple[ConsentRow, ...]:
    if any(row.expires_at is not None or row.at > now for row in rows):
        return rows
    places = {at: place for place, at in enumerate(sorted({row.at for row in rows}), 1)}
    return tuple(structs.replace(row, at=places[row.at]) for row in rows)


def _nobodys(code: int, address: Address) -> Address:
    return structs.replace(address, value=_NAMES[code])
