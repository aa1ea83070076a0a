"""May this contact be sent this, on this channel, now? And what a refusal changes (E9, 3.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from kaskad.domain.terms import Channel, MessageClass, Outcome, SkipReason

ANY = 9  # purpose of a row that is not about one message class
TRACKING, RECORDING, DATA = 10, 11, 12  # purposes that no message is sent by; each is asked for by itself
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


class Purpose(StrEnum):
    """What a consent is for: messages of one class, or something else that needs a consent of its own."""

    ADVERTISING = "advertising"
    SERVICE = "service"
    TRANSACTIONAL = "transactional"
    EMERGENCY = "emergency"
    TRACKING = "tracking"  # that openings are noted
    RECORDING = "recording"  # of calls
    DATA = "data"  # that personal data are kept at all

    @property
    def code(self) -> int:
        """Return the number that table `consents` has for it."""
        return _PURPOSES[self]

    @property
    def is_class(self) -> bool:
        """Say whether messages are sent by it."""
        return self.code < ANY


_PURPOSES = {
    **{Purpose(each.value): each.code for each in MessageClass},
    Purpose.TRACKING: TRACKING, Purpose.RECORDING: RECORDING, Purpose.DATA: DATA,
}  # fmt: skip
_BY_CODE = {code: purpose for purpose, code in _PURPOSES.items()}


def purpose_of(code: int) -> Purpose | None:
    """Return what a row is for; None: for any message."""
    return _BY_CODE.get(code)


class ConsentRow(Struct, frozen=True, gc=False):
    """A grant or a withdrawal, as table `consents` keeps them.

    A withdrawal for `ANY` purpose, on all channels and for all topics, is "all non-transactional"; narrowed
    to channels or to a topic it covers transactional messages as well. One that expires is a pause: the
    newest of a contact's counts alone, so that a pause can be shortened. `brand` empty is every brand.
    """

    granted: bool
    purpose: int
    channels: int
    topic: str
    at: int
    expires_at: int | None = None
    proven: bool = False
    brand: str = ""


_HEALTH = (None, SkipReason.ADDRESS_INVALID, SkipReason.SUPPRESSED)  # by the code in table `addresses`


def may(
    rows: Sequence[ConsentRow],
    channel: Channel,
    message_class: MessageClass,
    topic: str,
    now: int,
    health: int = 0,
    brand: str = "",
) -> SkipReason | None:
    """Return why the message may not be sent, or None when it may.

    `rows` are all rows of the contact in any order; `health` is that of the address (0 good, 1 invalid,
    2 suppressed), the only thing that holds an emergency message back. What was agreed to for another brand
    than the message's does not count.
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
            and _refuses(row, message_class.code, bit, topic, brand)
            and (row.expires_at is None or _pauses(row, rows, now))
        ):
            refused_at = row.at
    if refused_at is None and message_class is not MessageClass.ADVERTISING:
        return None
    for row in rows:
        if row.granted and (refused_at is None or row.at > refused_at):
            proven = row.proven or message_class is not MessageClass.ADVERTISING
            if proven and _grants(row, message_class.code, bit, topic, now, brand):
                return None
    return SkipReason.NO_CONSENT


def granting(
    rows: Sequence[ConsentRow], channel: Channel, message_class: MessageClass, topic: str, now: int,
    brand: str = "",
) -> int | None:  # fmt: skip
    """Return the place of the newest consent by which such a message may be sent; None: by none of these."""
    bit = 1 << channel.code
    found = [
        (row.at, place)
        for place, row in enumerate(rows)
        if row.granted and _grants(row, message_class.code, bit, topic, now, brand)
    ]
    return max(found)[1] if found else None


def refusing(
    rows: Sequence[ConsentRow], channel: Channel, message_class: MessageClass, topic: str, now: int,
    brand: str = "",
) -> int | None:  # fmt: skip
    """Return the place of the newest withdrawal that speaks about such a message; None: there is none."""
    bit = 1 << channel.code
    found = [
        (row.at, place)
        for place, row in enumerate(rows)
        if not row.granted
        and _refuses(row, message_class.code, bit, topic, brand)
        and (row.expires_at is None or _pauses(row, rows, now))
    ]
    return max(found)[1] if found else None


def paused_until(rows: Iterable[ConsentRow], now: int) -> int | None:
    """Return until when the person has asked for a rest; None: there is no such rest now."""
    pauses = [(row.at, row.expires_at) for row in rows if not row.granted and row.expires_at is not None]
    until = max(pauses)[1] if pauses else 0
    return until if until > now else None


def _pauses(row: ConsentRow, rows: Iterable[ConsentRow], now: int) -> bool:
    """Say whether a withdrawal that expires is the pause that counts now."""
    return paused_until(rows, now) == row.expires_at


def _covers(row: ConsentRow, bit: int, topic: str, brand: str) -> bool:
    return (
        (row.channels == ALL_CHANNELS or bool(row.channels & bit))
        and row.topic in ("", topic)
        and row.brand in ("", brand)
    )


def _refuses(row: ConsentRow, purpose: int, bit: int, topic: str, brand: str) -> bool:
    if row.purpose == ANY:
        narrowed = row.channels != ALL_CHANNELS or row.topic != ""
        return (narrowed or purpose != _TRANSACTIONAL) and _covers(row, bit, topic, brand)
    return row.purpose == purpose and _covers(row, bit, topic, brand)


def _grants(row: ConsentRow, purpose: int, bit: int, topic: str, now: int, brand: str) -> bool:
    valid = row.at <= now and (row.expires_at is None or row.expires_at > now)
    return valid and row.purpose in (purpose, ANY) and _covers(row, bit, topic, brand)


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
    brand: str = ""  # refused only of this brand; "": of every one


class Effect(Struct, frozen=True):
    """What a refusal does to one live run: end it with `outcome`, or close `channels` (bits) to it."""

    outcome: Outcome | None = None
    channels: int = 0


def withdrawal(opt_out: OptOut, at: int) -> ConsentRow:
    """Return the row that records the refusal."""
    match _scope(opt_out):
        case Scope.TOPIC:
            return ConsentRow(False, ANY, ALL_CHANNELS, opt_out.topic, at, None, True, opt_out.brand)
        case Scope.CHANNEL:
            return ConsentRow(False, ANY, channels_of(opt_out.channel), "", at, None, True, opt_out.brand)
        case Scope.ADVERTISING:
            return ConsentRow(False, _ADVERTISING, ALL_CHANNELS, "", at, None, True, opt_out.brand)
        case Scope.ALL | Scope.COMPLAINT:
            return ConsentRow(False, ANY, ALL_CHANNELS, "", at, None, True, opt_out.brand)


def renewal(channel: Channel, at: int) -> ConsentRow:
    """Return the row by which START takes a stop back, for that channel only."""
    return ConsentRow(True, ANY, 1 << channel.code, "", at, proven=True)


def channels_of(channel: Channel) -> int:
    """Return the channels (bits) that a stop on this one closes."""
    return _GROUPS.get(channel, 1 << channel.code)


def effect_of_opt_out(
    opt_out: OptOut, message_class: MessageClass, topic: str, *, channel_stop_ends_advertising: bool = True,
    brand: str = "",
) -> Effect:  # fmt: skip
    """Return what the refusal does to a live run of that class, topic and brand.

    A run whose every channel is closed ends. On a channel's stop service and transactional runs go on by the
    other channels; an advertising run ends too, unless the policy says otherwise (E9).
    """
    if message_class is MessageClass.EMERGENCY or opt_out.brand not in ("", brand):
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
