"""May this contact be sent this, on this channel, now? And what a refusal changes (E9, 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from kaskad.domain.terms import Channel, MessageClass, Outcome, SkipReason

ANY = 9  # purpose of a row that is not about one message class
ALL_CHANNELS = 0

_ADVERTISING = MessageClass.ADVERTISING.code
_TRANSACTIONAL = MessageClass.TRANSACTIONAL.code
_EMERGENCY = MessageClass.EMERGENCY.code
_SMS = 1 << Channel.SMS.code
_ROBOT = 1 << Channel.ROBOT_CALL.code
_AGENT = 1 << Channel.AGENT_CALL.code
# A stop in an SMS also stops robot calls and the reverse; a stop said in a call stops people's calls too.
_GROUPS = {
    Channel.SMS: _SMS | _ROBOT,
    Channel.ROBOT_CALL: _SMS | _ROBOT | _AGENT,
    Channel.AGENT_CALL: _SMS | _ROBOT | _AGENT,
}


class ConsentRow(Struct, frozen=True):
    """A grant or a withdrawal, as table `consents` keeps them.

    A withdrawal for `ANY` purpose, on all channels and for all topics, is "all non-transactional"; narrowed
    to channels or to a topic it covers transactional messages as well.
    """

    granted: bool
    purpose: int
    channels: int
    topic: str
    at: int
    expires_at: int | None = None
    proven: bool = False


_HEALTH = (None, SkipReason.ADDRESS_INVALID, SkipReason.SUPPRESSED)  # by the code in table `addresses`


def may(
    rows: Sequence[ConsentRow],
    channel: Channel,
    message_class: MessageClass,
    topic: str,
    now: int,
    health: int = 0,
) -> SkipReason | None:
    """Return why the message may not be sent, or None when it may.

    `rows` are all rows of the contact in any order; `health` is that of the address (0 good, 1 invalid,
    2 suppressed), the only thing that holds an emergency message back.
    """
    raise NotImplementedError


class Scope(StrEnum):
    """How much a person refuses."""

    TOPIC = "topic"
    CHANNEL = "channel"
    ADVERTISING = "advertising"
    ALL = "all"  # non-transactional
    COMPLAINT = "complaint"  # as ALL, and said to somebody else


class OptOut(Struct, frozen=True):
    """A refusal: what, and where it was said. A topic that is empty makes scope TOPIC mean CHANNEL."""

    scope: Scope
    channel: Channel
    topic: str = ""


class Effect(Struct, frozen=True):
    """What a refusal does to one live run: end it with `outcome`, or close `channels` (bits) to it."""

    outcome: Outcome | None = None
    channels: int = 0


def withdrawal(opt_out: OptOut, at: int) -> ConsentRow:
    """Return the row that records the refusal."""
    raise NotImplementedError


def effect_of_opt_out(
    opt_out: OptOut, message_class: MessageClass, topic: str, *, channel_stop_ends_advertising: bool = True
) -> Effect:
    """Return what the refusal does to a live run of that class and topic."""
    raise NotImplementedError
