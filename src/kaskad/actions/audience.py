"""A cascade held against its real audience before it is launched: who would get what, and what that costs.

A large audience is looked at in a sample, in which each contact is as likely as any other; its size is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from msgspec import Struct, json

from kaskad.actions.cascade_texts import source_of
from kaskad.actions.office import Office
from kaskad.actions.rates import into
from kaskad.actions.template_check import PIECE, Check, Findings, by_language, ids_after
from kaskad.domain.cascade import Cascade, Money, Step, Variant
from kaskad.domain.content import TextBook
from kaskad.domain.definition import to_cascade
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.money import format_money
from kaskad.domain.policy import Policy
from kaskad.domain.rates import Exchange, half_even
from kaskad.domain.template import BadTemplate
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.engine.wording import look_up
from kaskad.store import cascades as cascade_store
from kaskad.store import lists as list_store
from kaskad.store import segments as segment_store
from kaskad.store import settings
from kaskad.store.db import Transaction

SEED = 1  # so that whoever asks twice is told the same
ALL = "all"  # of a trigger; one that names a segment means its people
EVERYBODY = "everybody"


class Audience(Struct, frozen=True):
    """Whom a launch is for: one of these; none is the segment or list that the cascade's trigger names."""

    list: str = ""
    segment: str = ""
    everybody: bool = False

    def __str__(self) -> str:
        """Return the audience as it is shown."""
        return f"list {self.list}" if self.list else f"segment {self.segment}" if self.segment else EVERYBODY


class StepFindings(Struct, frozen=True):
    """One step on one channel, in one variant, held against the sample."""

    step: str
    channel: str
    variant: str
    found: Findings


class Forecast(Struct, frozen=True):
    """What a cascade would say to its audience. `cost` is as if everybody got every step."""

    of: str  # whom it was held against
    size: int  # of them all
    sample: int
    steps: tuple[StepFindings, ...]
    cost: tuple[Money, ...]  # of the whole audience, by currency
    warnings: tuple[str, ...]


def look_at(
    office: Office, slug: str, text: str = "", *, contacts: int = 1_000, listed: str = "", segment: str = "",
    trigger: Mapping[str, Any] | None = None,
) -> Forecast:  # fmt: skip
    """Return what a cascade would say: by `text`, else its draft, else what runs, with templates as they are.

    Whom it is for: the list or segment that is named, else that of its broadcast, else everybody. Raises
    NotFound, Invalid.
    """
    with office.read() as tx:
        source = text or source_of(tx, slug)[0]
        cascade = to_cascade(source, name=slug)
        texts, wrong = look_up(tx, cascade)
        if wrong:
            raise Invalid(
                [
                    worded("%(path)s: %(message)s: %(remedy)s.", path=path, message=message, remedy=remedy)
                    for path, message, remedy in wrong
                ]
            )
        zone = (settings.get(tx, POLICY, Policy) or Policy()).zone
        checks = _checks(office, cascade, TextBook(texts), zone, trigger or {})
        people = people_of(tx, office, cascade, listed, segment)
        size, seen = people.size, 0
        for ids in people.sample(contacts):
            seen += len(ids)
            for _, check in checks:
                check.take(tx, ids)
    steps = tuple(
        StepFindings(step.id, channel.value, variant.id if variant else "", check.findings())
        for (step, channel, variant), check in checks
    )
    told_in = into(office, cascade.budget.currency)
    cost = _cost(steps, size / seen if seen else 0.0, told_in)
    return Forecast(people.name, size, seen, steps, cost, _warnings(cascade, steps, cost))


Place = tuple[Step, Channel, Variant | None]


def _checks(
    office: Office, cascade: Cascade, book: TextBook, zone: str, trigger: Mapping[str, Any]
) -> list[tuple[Place, Check]]:
    found: list[tuple[Place, Check]] = []
    for step in cascade.steps:
        for channel in step.channels:
            for variant in step.variants or (None,):
                try:
                    compiled = by_language(step.content, channel, step.id, book, variant)
                except BadTemplate as bad:
                    raise bad.refusal() from None
                check = Check(
                    office, compiled, channel, zone, trigger, cascade.message_class,
                    office.engine.world.link_url(cascade.brand), step.account,
                )  # fmt: skip
                found.append(((step, channel, variant), check))
    return found


class People(Struct):
    """An audience that can be sampled."""

    tx: Transaction
    name: str
    size: int
    list_id: int | None = None
    members: Sequence[int] | None = None  # of a segment, in the order of their ids

    def sample(self, wanted: int) -> Iterator[list[int]]:
        """Yield so many of them, piece by piece in the order of their ids; all where they are fewer."""
        if self.size <= wanted:
            yield from self._all()
            return
        ids = self._at(places(self.size, wanted))
        for start in range(0, len(ids), PIECE):
            yield ids[start : start + PIECE]

    def _at(self, chosen: Sequence[int]) -> list[int]:
        """Return those who stand there when all are put in the order of their ids, which may have gaps."""
        if self.members is not None:
            return [self.members[place] for place in chosen]
        told = json.encode(chosen).decode()
        if self.list_id is None:
            return [row[0] for row in self.tx.all("contacts_at", places=told)]
        return [row[0] for row in self.tx.all("members_at", list_id=self.list_id, places=told)]

    def _all(self) -> Iterator[list[int]]:
        if self.members is not None:
            for start in range(0, self.size, PIECE):
                yield list(self.members[start : start + PIECE])
            return
        after = 0
        while ids := ids_after(self.tx, self.list_id, after, PIECE):
            yield ids
            after = ids[-1]


def places(size: int, wanted: int, seed: int = SEED) -> list[int]:
    """Return so many different places of `size`, in order, each as likely as any other, from all over.

    They are one step apart, the first by chance within one; then those of each stretch as long as a step are
    turned by chance, as what comes again every few places would else be met always or never.
    """
    chance, step = Random(seed), size / wanted
    stretch, start = max(1, round(step)), chance.random()
    turns = [chance.randrange(stretch) for _ in range(size // stretch + 1)]
    found = []
    for number in range(wanted):
        which, rest = divmod(min(size - 1, int((number + start) * step)), stretch)
        width = min(stretch, size - which * stretch)
        found.append(which * stretch + (rest + turns[which]) % width)
    return sorted(found)


def people_of(
    tx: Transaction, office: Office, cascade: Cascade, listed: str = "", segment: str = "",
    everybody: bool = False,
) -> People:  # fmt: skip
    """Return the audience: a list, a segment, or everybody; else whom the cascade's broadcast names.

    Raises NotFound.
    """
    if everybody:
        return People(tx, "everybody", cascade_store.size_of(tx, None))
    named = cascade.trigger.broadcast if cascade.trigger.broadcast != ALL else ""
    if named and not listed and not segment:
        if segment_store.find(tx, named) is not None:
            segment = named
        elif list_store.find(tx, named) is not None:
            listed = named
        else:
            raise NotFound(
                worded(
                    "There is no segment and no list %(named)r, for which %(cascade)r is.",
                    named=named,
                    cascade=cascade.id,
                )
            )
    if listed:
        list_id = cascade_store.list_id(tx, listed)
        return People(tx, f"list {listed}", cascade_store.size_of(tx, list_id), list_id)
    if segment:
        known = segment_store.find(tx, segment)
        if known is None:
            raise NotFound(
                worded("There is no segment %(segment)r: `kaskad segment list` shows them.", segment=segment)
            )
        members = segment_store.matching(tx, known.condition, office.now())
        return People(tx, f"segment {segment}", len(members), members=members)
    return People(tx, "everybody", cascade_store.size_of(tx, None))


def _cost(steps: Sequence[StepFindings], times: float, told_in: Exchange) -> tuple[Money, ...]:
    """Return what the whole audience costs, in one currency as far as rates of today tell.

    Of a step's channels and variants the dearest counts.
    """
    by_step: dict[tuple[str, str], Decimal] = {}
    for one in steps:
        if one.found.price >= 0:
            ((currency, price),) = told_in.exact({one.found.currency: one.found.price}).items()
            key = (currency, one.step)
            by_step[key] = max(by_step.get(key, Decimal(0)), price)
    sums: dict[str, Decimal] = {}
    for (currency, _), price in by_step.items():
        sums[currency] = sums.get(currency, Decimal(0)) + price
    return tuple(
        Money(half_even(minor * Decimal(times)), currency) for currency, minor in sorted(sums.items())
    )


def _warnings(cascade: Cascade, steps: Sequence[StepFindings], cost: Sequence[Money]) -> tuple[str, ...]:
    found = []
    for one in steps:
        place, told = f"{one.step} ({one.channel})", one.found
        if one.variant:
            place += f", variant {one.variant}"
        if told.contacts > told.written:
            none = told.contacts - told.written
            found.append(
                worded(
                    "%(place)s: %(share)s of those with an address get no message.",
                    place=place,
                    share=_share(none, told.contacts),
                )
            )
        longer = sum(number for count, number in told.parts.items() if count > 1)
        if longer:
            most = max(told.parts)
            share = _share(longer, told.written)
            found.append(
                worded(
                    "%(place)s: %(share)s get two parts or more, at most %(most)s; each is paid.",
                    place=place,
                    share=share,
                    most=most,
                )
            )
    total = cascade.budget.total
    for money in cost:
        if total is not None and money.currency == total.currency and money.minor > total.minor:
            found.append(
                worded(
                    "If everybody gets every step it costs %(cost)s, and the budget stops at "
                    "%(budget)s: %(share)s of that.",
                    cost=format_money(money),
                    budget=format_money(total),
                    share=_share(total.minor, money.minor),
                )
            )
    return tuple(found)


def _share(part: int, whole: int) -> str:
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f} %" if share >= 1 else f"{share:.1f} %"
