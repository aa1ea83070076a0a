"""What each channel can tell, costs and needs: table 2.2 of the domain rules as data.

The masks at the end answer "is this reaction there?" with one AND, since the engine asks for every receipt.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kaskad.domain.cascade import Clock, Span
from kaskad.domain.terms import Channel, Kind, Reaction

HOUR_MS = 3_600_000


class Family(StrEnum):
    """Which sending window a channel keeps: mail, what rings in a pocket, calls."""

    EMAIL = "email"
    MESSENGER = "messenger"
    CALL = "call"


class Needs(StrEnum):
    """What a step on the channel must say, unless it names a template."""

    MAIL = "mail"  # subject, and html, mjml or text
    TEXT = "text"
    SAY = "say"
    SCRIPT = "script"


class Traits(Struct, frozen=True):
    """One row of the table.

    `default_success` is the best human signal of the channel, and so what `reacted` means on it.
    `default_timeout` is also the last clock's (no dead end). `price_rank` orders channels from cheap
    to dear as a rule of thumb, for warnings only.
    """

    tells: frozenset[Reaction]
    default_success: Reaction
    default_wait: tuple[Clock, ...]
    default_timeout: Span
    receipt_ttl: Span
    family: Family
    needs: Needs
    price_rank: int


def _hours(count: int) -> Span:
    return Span(ms=count * HOUR_MS)


def _unless_success(span: Span) -> tuple[Clock, ...]:
    """Return the clock of a bare duration: it moves on after it, unless success has ended the run."""
    return (Clock(unless=Reaction.NONE, span=span),)


_DELIVERED, _OPENED, _READ = Reaction.DELIVERED, Reaction.OPENED, Reaction.READ
_ANSWERED, _CLICKED, _REPLIED = Reaction.ANSWERED, Reaction.CLICKED, Reaction.REPLIED


def _messenger(tells: set[Reaction], success: Reaction, price_rank: int) -> Traits:
    return Traits(
        tells=frozenset(tells | {_CLICKED, _REPLIED}),
        default_success=success,
        default_wait=_unless_success(_hours(6)),
        default_timeout=_hours(6),
        receipt_ttl=_hours(24),
        family=Family.MESSENGER,
        needs=Needs.TEXT,
        price_rank=price_rank,
    )


CHANNELS: dict[Channel, Traits] = {
    Channel.EMAIL: Traits(
        # "Delivered" says only that the receiving server took it; opens are those of humans.
        tells=frozenset({_DELIVERED, _OPENED, _CLICKED, _REPLIED}),
        default_success=_CLICKED,
        default_wait=(
            Clock(unless=_OPENED, span=_hours(24)),
            Clock(unless=_CLICKED, span=_hours(4), start=_OPENED),
        ),
        default_timeout=_hours(24),
        receipt_ttl=_hours(72),
        family=Family.EMAIL,
        needs=Needs.MAIL,
        price_rank=1,
    ),
    # A bot's updates hold no read event: https://core.telegram.org/bots/api#update
    Channel.TELEGRAM: _messenger(set(), _CLICKED, 2),
    Channel.MAX: _messenger(set(), _CLICKED, 2),
    Channel.VK: _messenger({_READ}, _READ, 2),
    Channel.FACEBOOK_MESSENGER: _messenger({_DELIVERED, _READ}, _READ, 2),
    Channel.INSTAGRAM: _messenger({_READ}, _READ, 2),
    Channel.WHATSAPP: _messenger({_DELIVERED, _READ}, _READ, 3),
    Channel.VIBER: _messenger({_DELIVERED, _READ}, _READ, 3),
    Channel.PUSH: Traits(
        tells=frozenset({_CLICKED}),
        default_success=_CLICKED,
        default_wait=_unless_success(_hours(2)),
        default_timeout=_hours(2),
        receipt_ttl=_hours(24),
        family=Family.MESSENGER,
        needs=Needs.TEXT,
        price_rank=1,
    ),
    Channel.SMS: Traits(
        # A reply needs a two-way number; an alphanumeric sender gets none.
        tells=frozenset({_DELIVERED, _CLICKED, _REPLIED}),
        default_success=_CLICKED,
        default_wait=_unless_success(_hours(2)),
        default_timeout=_hours(2),
        receipt_ttl=_hours(72),
        family=Family.MESSENGER,
        needs=Needs.TEXT,
        price_rank=4,
    ),
    Channel.ROBOT_CALL: Traits(
        # "Answered" is a human who pressed a key or listened for 15 s; "clicked" is the key that confirms.
        tells=frozenset({_DELIVERED, _ANSWERED, _CLICKED, _REPLIED}),
        default_success=_ANSWERED,
        default_wait=_unless_success(_hours(2)),
        default_timeout=_hours(2),
        receipt_ttl=_hours(24),
        family=Family.CALL,
        needs=Needs.SAY,
        price_rank=5,
    ),
    Channel.AGENT_CALL: Traits(
        # "Answered" is the disposition `reached`; the agent closes the step, or the day does.
        tells=frozenset({_DELIVERED, _ANSWERED, _REPLIED}),
        default_success=_ANSWERED,
        default_wait=_unless_success(Span(days=1)),
        default_timeout=Span(days=1),
        receipt_ttl=_hours(72),
        family=Family.CALL,
        needs=Needs.SCRIPT,
        price_rank=6,
    ),
}


def tells(channel: Channel, reaction: Reaction) -> bool:
    """Return whether the channel can report the reaction; `reacted` and `none` hold for every channel."""
    return reaction in (Reaction.REACTED, Reaction.NONE) or reaction in CHANNELS[channel].tells


def takes_approved(channel: Channel) -> bool:
    """Return whether services of the channel know approved texts; the account says whether its own does."""
    traits = CHANNELS[channel]
    return traits.needs is Needs.TEXT and channel not in (Channel.SMS, Channel.PUSH)


def wants_short(channel: Channel) -> bool:
    """Return whether people see the addresses of links as such: in texts and messengers."""
    traits = CHANNELS[channel]
    return traits.needs is Needs.TEXT and channel is not Channel.PUSH


def mask_of(reaction: Reaction, channel: Channel) -> int:
    """Return the bits of the facts (`Kind.bit`) of which any one shows the reaction; 0 for `none`.

    Stronger facts show weaker reactions: replied ≥ clicked ≥ read, opened, answered ≥ delivered.
    """
    return _MASKS[channel][reaction]


def success_mask(success: Reaction | None, channel: Channel) -> int:
    """Return the bits of the facts that end the cascade at a step; None means the channel's default."""
    return _MASKS[channel][Reaction.REACTED if success is None else success]


def _masks(channel: Channel) -> dict[Reaction, int]:
    voice = CHANNELS[channel].family is Family.CALL
    keypress = Kind.KEYPRESS.bit | Kind.ASKED_AGENT.bit if voice else 0
    confirmed = Kind.CLICKED.bit if voice else 0
    clicked = Kind.CLICKED.bit | Kind.REPLIED.bit | (Kind.ASKED_AGENT.bit if voice else 0)
    seen = Kind.OPENED.bit | Kind.READ.bit | Kind.ANSWERED.bit | clicked | keypress
    masks = {
        Reaction.NONE: 0,
        # On a call the pressed key is the reply.
        Reaction.REPLIED: Kind.REPLIED.bit | keypress | confirmed,
        Reaction.CLICKED: clicked,
        Reaction.OPENED: seen,
        Reaction.READ: seen,
        Reaction.ANSWERED: seen,
        Reaction.DELIVERED: seen | Kind.DELIVERED.bit,
    }
    masks[Reaction.REACTED] = masks[CHANNELS[channel].default_success]
    return masks


_MASKS: dict[Channel, dict[Reaction, int]] = {channel: _masks(channel) for channel in Channel}
