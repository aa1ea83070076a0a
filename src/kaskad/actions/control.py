"""The control group of all advertising: what it is, and what it shows."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.analytics.control import Whole, measure
from kaskad.domain.control import drawn
from kaskad.domain.policy import ControlGroup
from kaskad.store import settings


class Control(Struct, frozen=True):
    """The group as the policy has it; `told` None: there is none, or it names no event."""

    group: ControlGroup
    as_of: int
    told: Whole | None


def show(office: Office) -> Control:
    """Return what all advertising together brings, against who gets none."""
    policy, now = office.engine.world.policy, office.now()
    made = drawn(policy.control, policy.zone)
    if made is None or not policy.control.event:
        return Control(policy.control, now, None)
    with office.read() as tx:
        return Control(policy.control, now, measure(tx, policy.control, made, settings.currency(tx), now))
