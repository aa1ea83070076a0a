"""By which facts a simulated person is heard of: what a step wants to see, and what is less than that."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.channels import CHANNELS, tells
from kaskad.domain.terms import Channel, Kind, Reaction
from kaskad.domain.version import Version

_KINDS = {
    Reaction.DELIVERED: Kind.DELIVERED, Reaction.OPENED: Kind.OPENED, Reaction.READ: Kind.READ,
    Reaction.ANSWERED: Kind.ANSWERED, Reaction.CLICKED: Kind.CLICKED, Reaction.REPLIED: Kind.REPLIED,
}  # fmt: skip


class Heard(Struct, frozen=True):
    """What a message on a channel brings: the reaction that counts, and a weaker one, None: there is none."""

    reaction: Kind
    weaker: Kind | None


def success_kinds(version: Version) -> dict[tuple[int, int], Heard]:
    """Return that for each step and channel. A branch's reaction stands for the step that it leaves."""
    leads = {branch.step: branch.reaction for branch in reversed(version.cascade.branches)}
    found = {}
    for step in version.cascade.steps:
        for channel in step.channels:
            wanted = leads.get(step.number, step.success)
            kind = _kind(wanted, channel)
            found[step.number, channel.code] = Heard(kind, _weaker(version, step.number, channel))
    return found


def _kind(wanted: Reaction | None, channel: Channel) -> Kind:
    plain = CHANNELS[channel].default_success
    shown = plain if wanted in (None, Reaction.REACTED, Reaction.NONE) else wanted
    return _KINDS[shown if shown is not None else plain]


def _weaker(version: Version, step: int, channel: Channel) -> Kind | None:
    """Return that a message was opened or read, where this neither ends the step nor leads elsewhere."""
    for reaction in (Reaction.OPENED, Reaction.READ):
        if tells(channel, reaction):
            kind = _KINDS[reaction]
            taken = version.rules[step, channel.code].success
            for branch, masks in zip(version.branches, version.branch_masks, strict=True):
                taken |= masks.get(channel.code, 0) if branch.step == step else 0
            return None if kind.bit & taken else kind
    return None
