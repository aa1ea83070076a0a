"""Which channel people react to, learnt for steps that ask for it: counted, believed, and told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.actions.rates import into
from kaskad.domain.cascade import Span, Step
from kaskad.domain.shares import EQUAL
from kaskad.domain.terms import Channel
from kaskad.domain.version import Chances, Version
from kaskad.log import get_logger
from kaskad.planning.costs import fixed, told_in
from kaskad.store import cascades as store
from kaskad.store import learning
from kaskad.store.db import Transaction
from kaskad.store.learning import Learnt

log = get_logger(__name__)

PIECE = 500  # choices counted between two ticks
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class ArmLearnt(Struct, frozen=True):
    """A channel of a step. `chance` of 10 000 if all are open; `chosen` and `hits` where the time was over.

    `weighed` is the share of successes that everybody on this channel would have brought, by the chances that
    choices were made by; None: nothing is known.
    """

    channel: str
    chance: int
    chosen: int
    hits: int
    cost: int
    weighed: float | None


class StepLearnt(Struct, frozen=True):
    """What was learnt at a step, for a group of people; "": for all."""

    version: int
    step: str
    group: str
    arms: tuple[ArmLearnt, ...]


def listing(office: Office, slug: str) -> list[StepLearnt]:
    """Return what was learnt of channels in the versions of a cascade, the latest first; raises NotFound."""
    with office.read() as tx:
        numbers = {row.id: row.number for row in store.versions_of(tx, store.by_slug(tx, slug).id)}
        found: list[StepLearnt] = []
        for version, step in sorted(_learning(office), key=lambda pair: (-pair[0].id, pair[1].number)):
            if version.id in numbers:
                told = learning.learnt(tx, version.id, step.number)
                found += _groups(version, step, numbers[version.id], told)
        return found


def _groups(version: Version, step: Step, number: int, told: Sequence[Learnt]) -> Iterator[StepLearnt]:
    known = version.chances.get(step.number)
    for group in ["", *sorted({one.crowd for one in told if one.crowd})]:
        ours = [one for one in told if one.crowd == group or not group]
        odds = dict(known.of(group, sum(1 << c.code for c in step.channels))) if known else {}
        arms = tuple(
            _arm(channel, odds.get(channel.code, EQUAL // len(step.channels)), ours)
            for channel in step.channels
        )
        yield StepLearnt(number, step.id, group, arms)


def _arm(channel: Channel, chance: int, told: Sequence[Learnt]) -> ArmLearnt:
    mine = [one for one in told if one.channel == channel.code]
    open_ones = sum(one.choices for one in told if one.arms >> channel.code & 1)
    weighed = sum(one.hits * EQUAL / one.chance for one in mine)
    return ArmLearnt(
        channel.value, chance, sum(one.choices for one in mine), sum(one.hits for one in mine),
        sum(one.cost for one in mine), weighed / open_ones if open_ones else None,
    )  # fmt: skip


def renew(office: Office) -> int:
    """Count the choices whose time is over and learn from them; return for how many steps chances changed."""
    changed = 0
    for version, step in _learning(office):
        before = office.now() - time_ms(version, step)
        success = {c.code: version.rules[step.number, c.code].success for c in step.channels}

        def count(tx: Transaction, step: Step = step, version: Version = version, before: int = before,
                  success: Mapping[int, int] = success) -> int:  # fmt: skip
            return learning.settle(tx, version.id, step.number, before, success, PIECE)

        while office.write(count) == PIECE:
            pass
        chances = _believed(office, version, step)
        if chances != version.chances.get(step.number):
            changed += 1
            _put(office, version.id, step.number, chances)
    if changed:
        office.reload()
        log.info("channels learnt", steps=changed)
    return changed


def _put(office: Office, version_id: int, step: int, chances: Chances) -> None:
    now = office.now()
    office.write(lambda tx: learning.put_chances(tx, version_id, step, chances, now))


def _learning(office: Office) -> list[tuple[Version, Step]]:
    versions = list(office.engine.world.versions.values())
    return [(version, step) for version in versions for step in version.cascade.steps if step.choose]


def _believed(office: Office, version: Version, step: Step) -> Chances:
    """Return the chances that follow from what is believed of the step's channels."""
    from kaskad.planning.learning import Odds, odds
    from kaskad.planning.priors import reacts
    from kaskad.planning.rates import Seen, family

    assert step.choose is not None
    with office.read() as tx:
        own = learning.learnt(tx, version.id, step.number)
        before = [
            learning.learnt(tx, other.id, same.number)
            for other, same in _learning(office)
            if other.cascade_id == version.cascade_id and other.id != version.id and same.id == step.id
        ]
    groups = sorted({one.crowd for one in own if one.crowd})
    costs = _costs(office, step, own)
    found: dict[str, Odds] = {}
    for place, group in enumerate(["", *groups]):
        beliefs = {}
        for channel in step.channels:
            alike = [_seen(told, channel) for told in before]
            if group:
                alike += [_seen(own, channel, other) for other in groups if other != group]
            kin = family(reacts(channel, step.success)).knowing([Seen(*one) for one in alike])
            beliefs[channel.code] = kin.believed(Seen(*_seen(own, channel, group)))
        found[group] = odds(beliefs, costs, step.choose.explore, version.id * 1000 + step.number * 20 + place)
    return Chances(step.choose.by, found)


def _seen(told: Sequence[Learnt], channel: Channel, group: str = "") -> tuple[int, int]:
    mine = [one for one in told if one.channel == channel.code and (not group or one.crowd == group)]
    return sum(one.choices for one in mine), sum(one.hits for one in mine)


def _costs(office: Office, step: Step, own: Sequence[Learnt]) -> dict[int, float]:
    """Return what a message costs on each channel, as a share of what a success is worth.

    By what messages have cost, else by the account's price, in the currency of the worth at today's rates;
    accounts that no rate brings into it count for nothing.
    """
    worth = step.choose.worth if step.choose else None
    if worth is None or not worth.minor:
        return {}
    found = {}
    for channel in step.channels:
        accounts = office.engine.world.accounts.by_channel.get(channel.code, [])
        prices = [one.price for one in accounts if one.price]
        currencies = {price.currency for price in prices}
        if len(currencies) != 1:  # of what was paid nobody knows in which
            continue
        mine = [one for one in own if one.channel == channel.code]
        choices = sum(one.choices for one in mine)
        cost = sum(one.cost for one in mine) / choices if choices else prices[0].minor
        each = told_in(fixed(cost, currencies.pop()), into(office, worth.currency))
        if each.currency == worth.currency:
            found[channel.code] = each.at(0) / worth.minor
    return found


def time_ms(version: Version, step: Step) -> int:
    """Return how long a message of the step waits for a reaction at most."""
    rules = [version.rules[step.number, channel.code] for channel in step.channels]
    return max(_ms(span) for rule in rules for span in [rule.last, *(clock.span for clock in rule.clocks)])


def _ms(span: Span) -> int:
    return span.ms + (span.days + 31 * span.months) * _DAY_MS
