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
_SMS = 1 << Channel.SMS.code
_ROBOT = 1 << Channel.ROBOT_CALL.code
_AGENT = 1 << Channel.AGENT_CALL.code
# A stop in an SMS also stops robot calls and the reverse; a stop said in a call stops people's calls too.
_GROUPS = {
    Channel.SMS: _SMS | _ROBOT,
    Channel.ROBOT_CALL: _SMS | _ROBOT | _AGENT,
    Channel.AGENT_CALL: _SMS | _ROBOT | _AGENT,
}


class ConsentRow(Struct, frozen=True, gc=False):
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
    if health:
        return _HEALTH[health]
    if message_class is MessageClass.EMERGENCY:
        return None
    bit = 1 << channel.code
    refused_at = None  # a withdrawal counts whatever its clock said: also one from the future
    for row in rows:
        if (
            not row.granted
            and (refused_at is None or row.at > refused_at)
            and _refuses(row, message_class.code, bit, topic)
        ):
            refused_at = row.at
    if refused_at is None and message_class is not MessageClass.ADVERTISING:
        return None
    for row in rows:
        if row.granted and (refused_at is None or row.at > refused_at):
            proven = row.proven or message_class is not MessageClass.ADVERTISING
            if proven and _grants(row, message_class.code, bit, topic, now):
                return None
    return SkipReason.NO_CONSENT


def granting(
    rows: Sequence[ConsentRow], channel: Channel, message_class: MessageClass, topic: str, now: int
) -> int | None:
    """Return the place of the newest consent by which such a message may be sent; None: by none of these."""
    bit = 1 << channel.code
    found = [
        (row.at, place)
        for place, row in enumerate(rows)
        if row.granted and _grants(row, message_class.code, bit, topic, now)
    ]
    return max(found)[1] if found else None


def refusing(
    rows: Sequence[ConsentRow], channel: Channel, message_class: MessageClass, topic: str
) -> int | None:
    """Return the place of the newest withdrawal that speaks about such a message; None: there is none."""
    bit = 1 << channel.code
    found = [
        (row.at, place)
        for place, row in enumerate(rows)
        if not row.granted and _refuses(row, message_class.code, bit, topic)
    ]
    return max(found)[1] if found else None


def _covers(row: ConsentRow, bit: int, topic: str) -> bool:
    return (row.channels == ALL_CHANNELS or bool(row.channels & bit)) and row.topic in ("", topic)


def _refuses(row: ConsentRow, purpose: int, bit: int, topic: str) -> bool:
    if row.purpose == ANY:
        narrowed = row.channels != ALL_CHANNELS or row.topic != ""
        return (narrowed or purpose != _TRANSACTIONAL) and _covers(row, bit, topic)
    return row.purpose == purpose and _covers(row, bit, topic)


def _grants(row: ConsentRow, purpose: int, bit: int, topic: str, now: int) -> bool:
    valid = row.at <= now and (row.expires_at is None or row.expires_at > now)
    return valid and row.purpose in (purpose, ANY) and _covers(row, bit, topic)


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
    match _scope(opt_out):
        case Scope.TOPIC:
            return ConsentRow(False, ANY, ALL_CHANNELS, opt_out.topic, at, proven=True)
        case Scope.CHANNEL:
            return ConsentRow(False, ANY, channels_of(opt_out.channel), "", at, proven=True)
        case Scope.ADVERTISING:
            return ConsentRow(False, _ADVERTISING, ALL_CHANNELS, "", at, proven=True)
        case Scope.ALL | Scope.COMPLAINT:
            return ConsentRow(False, ANY, ALL_CHANNELS, "", at, proven=True)


def renewal(channel: Channel, at: int) -> ConsentRow:
    """Return the row by which START takes a stop back, for that channel only."""
    return ConsentRow(True, ANY, 1 << channel.code, "", at, proven=True)


def channels_of(channel: Channel) -> int:
    """Return the channels (bits) that a stop on this one closes."""
    return _GROUPS.get(channel, 1 << channel.code)


def effect_of_opt_out(
    opt_out: OptOut, message_class: MessageClass, topic: str, *, channel_stop_ends_advertising: bool = True
) -> Effect:
    """Return what the refusal does to a live run of that class and topic.

    A run whose every channel is closed ends. On a channel's stop service and transactional runs go on by the
    other channels; an advertising run ends too, unless the policy says otherwise (E9).
    """
    if message_class is MessageClass.EMERGENCY:
        return Effect()
    advertising = message_class is MessageClass.ADVERTISING
    match _scope(opt_out):
        case Scope.TOPIC:
            return Effect(Outcome.OPTED_OUT) if topic == opt_out.topic else Effect()
        case Scope.CHANNEL:
            if advertising and channel_stop_ends_advertising:
                return Effect(Outcome.OPTED_OUT)
            return Effect(channels=channels_of(opt_out.channel))
        case Scope.ADVERTISING:
            return Effect(Outcome.OPTED_OUT) if advertising else Effect()
        case Scope.ALL | Scope.COMPLAINT:
            if message_class is MessageClass.TRANSACTIONAL:
                return Effect()
            complaint = opt_out.scope is Scope.COMPLAINT
            return Effect(Outcome.COMPLAINED if complaint else Outcome.OPTED_OUT)


def _scope(opt_out: OptOut) -> Scope:
    return Scope.CHANNEL if opt_out.scope is Scope.TOPIC and not opt_out.topic else opt_out.scope
