"""The control group of all advertising: what it is, and what it shows."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.analytics.control import Whole, measure
from kaskad.domain.control import Drawn, key_of
from kaskad.domain.policy import ControlGroup
from kaskad.store import held_shares, settings

EARLIER = 3  # times of other shares, the last ones


class Control(Struct, frozen=True):
    """The group as the policy has it; `told` None: there is none, or it names no event. `earlier`: what the
    times before showed, when another share was held out, or by another lot, the latest first."""

    group: ControlGroup
    as_of: int
    told: Whole | None
    earlier: tuple[Whole, ...] = ()


def show(office: Office) -> Control:
    """Return what all advertising together brings, against who gets none: in the time of each share apart,
    since who was held out under one share was written to under another."""
    policy, now = office.engine.world.policy, office.now()
    group = policy.control
    if not group.event:
        return Control(group, now, None)
    with office.read() as tx:
        currency = settings.currency(tx)
        known = held_shares.stretches(tx, held_shares.CONTROL, policy)
        begun = [one for one in known if one.since < now]
        looked = [
            Drawn(one.share, key_of(one.salt), one.since, one.until) for one in begun[-EARLIER - 1 :][::-1]
        ]
        found = measure(tx, group, looked, currency, now) if looked else []
    current = found[0] if begun and group.share and begun[-1] == known[-1] else None
    return Control(group, now, current, tuple(found[1:] if current else found[:EARLIER]))
