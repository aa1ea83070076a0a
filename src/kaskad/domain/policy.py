"""Policy: when people may be written to, and how often, as data with defaults for every class.

The defaults are those of domain.md C6, E15, E7, E5; settings hold a Policy as JSON, and what a setting leaves
out keeps its default. Law (who may be written to at all) is elsewhere: here are hours, caps and waits.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Literal, Self

from msgspec import Struct

from kaskad.domain.cascade import Returned
from kaskad.domain.guard import Guard
from kaskad.domain.money import parse_money
from kaskad.domain.terms import Channel, MessageClass, Reason
from kaskad.domain.worded import worded

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

CALLS = (Channel.ROBOT_CALL, Channel.AGENT_CALL)
MAIL = (Channel.EMAIL,)
TEXTS = tuple(channel for channel in Channel if channel not in CALLS + MAIL)  # push, messengers, SMS

_ADVERTISING = (MessageClass.ADVERTISING,)
_NOTIFYING = (MessageClass.SERVICE, MessageClass.ADVERTISING)
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class Days(StrEnum):
    """On which days of the contact's country a window is open."""

    EVERY = "every"
    NOT_HOLIDAYS = "not_holidays"  # all but public holidays
    WORKING = "working"  # without week-ends and holidays, with week-end days that a country works


class Window(Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    """Allowed local time for the messages that fit it; an empty selector fits all.

    `hours` are `HH:MM-HH:MM`, any of which allows; the end is excluded, may be `24:00`, and may lie after
    midnight (`22:00-02:00`). The day that counts is always that of the instant itself. A `legal` window
    holds for urgent messages too (C9). Raises ValueError for hours that cannot be read.
    """

    hours: tuple[str, ...] = ("00:00-24:00",)
    days: Days = Days.EVERY
    channels: tuple[Channel, ...] = ()
    classes: tuple[MessageClass, ...] = ()
    countries: tuple[str, ...] = ()  # ISO 3166-1 alpha-2
    legal: bool = False

    def __post_init__(self) -> None:
        self.spans()

    def fits(self, channel: Channel, message_class: MessageClass, country: str) -> bool:
        """Return whether the window speaks about such a message to a contact of that country."""
        return (
            (not self.channels or channel in self.channels)
            and (not self.classes or message_class in self.classes)
            and (not self.countries or country in self.countries)
        )

    def spans(self) -> tuple[tuple[int, int], ...]:
        """Return the allowed minutes of a day, `(from, until)` with until excluded, in order and apart."""
        spans: list[tuple[int, int]] = []
        for text in self.hours:
            match = _HOURS.fullmatch(text)
            if match is None:
                raise ValueError(worded("hours %(text)r: write them like 09:00-21:00", text=text))
            opens, closes = (int(match[i]) * 60 + int(match[i + 1]) for i in (1, 3))
            if closes > 1440 or opens == closes:
                raise ValueError(
                    worded(
                        "hours %(text)r: the end must differ from the start and be at most 24:00", text=text
                    )
                )
            spans += [(opens, closes)] if opens < closes else [(0, closes), (opens, 1440)]
        apart: list[tuple[int, int]] = []
        for opens, closes in sorted(spans):
            if apart and opens <= apart[-1][1]:
                apart[-1] = apart[-1][0], max(apart[-1][1], closes)
            elif opens < closes:
                apart.append((opens, closes))
        return tuple(apart)


WindowRule = tuple[Window, ...]  # all of them must be open; (): always open

WINDOWS: tuple[Window, ...] = (
    Window(("08:00-22:00",), channels=MAIL, classes=_NOTIFYING),
    Window(("09:00-21:00",), channels=TEXTS, classes=(MessageClass.SERVICE,)),
    Window(("09:00-21:00",), Days.NOT_HOLIDAYS, channels=TEXTS, classes=_ADVERTISING),
    # Transactional messages go at once, but nobody is called at night unless it is urgent (C9).
    Window(("10:00-20:00",), Days.WORKING, channels=CALLS, classes=(MessageClass.TRANSACTIONAL, *_NOTIFYING)),
    # Kazakhstan's carriers: advertising and notifying SMS on working days only, whatever the sender's hours.
    Window(("09:00-21:00",), Days.WORKING, (Channel.SMS,), _NOTIFYING, ("KZ",), legal=True),
    # 47 CFR 64.1200 (c): calls and texts that solicit, local time of the called party.
    Window(("08:00-21:00",), Days.EVERY, (Channel.SMS, *CALLS), _ADVERTISING, ("US",), legal=True),
    # France, sales calls since 11 Aug 2026.
    Window(("10:00-13:00", "14:00-20:00"), Days.WORKING, CALLS, _ADVERTISING, ("FR",), legal=True),
)


class Counted(StrEnum):
    """What a cap counts."""

    TOUCHES = "touches"  # of every class: also those that are themselves never capped
    RUNS = "runs"  # runs of the capped classes, by their first touch


class Cap(Struct, frozen=True, forbid_unknown_fields=True):
    """At most `limit` in `days` local calendar days, today included; `days` 0: in one run.

    With `channels`, only touches on these are counted and only messages on these are capped.
    """

    limit: int
    days: int
    counts: Counted = Counted.TOUCHES
    channels: tuple[Channel, ...] = ()
    classes: tuple[MessageClass, ...] = _ADVERTISING

    def __post_init__(self) -> None:
        if self.limit < 1 or self.days < 0:
            raise ValueError(
                worded("a cap needs a limit of at least 1, and days of at least 0 (0: in one run)")
            )
        if self.counts is Counted.RUNS and not self.days:
            raise ValueError(worded("a cap that counts runs needs days"))

    def fits(self, channel: Channel, message_class: MessageClass) -> bool:
        """Return whether such a message is held back by this cap."""
        return message_class in self.classes and (not self.channels or channel in self.channels)

    def words(self) -> str:
        """Return the cap as people read it: `6 touches in 7 days`."""
        where = f" on {', '.join(self.channels)}" if self.channels else ""
        return f"{self.limit} {self.counts}{where} in {f'{self.days} days' if self.days else 'one run'}"


CAPS: tuple[Cap, ...] = (
    Cap(1, 1, Counted.RUNS),
    Cap(2, 7, Counted.RUNS),
    Cap(4, 0),
    Cap(6, 7),
    Cap(1, 1, channels=CALLS),
    Cap(2, 7, channels=CALLS),
)


class PerClass(Struct, frozen=True, forbid_unknown_fields=True):
    """One number for each message class."""

    emergency: int = 0
    transactional: int = 0
    service: int = 0
    advertising: int = 0

    def of(self, message_class: MessageClass) -> int:
        """Return the number of that class."""
        return int(getattr(self, message_class))


class PerFamily(Struct, frozen=True, forbid_unknown_fields=True):
    """One number for each family of channels: e-mail, SMS, chats (messengers and push), calls."""

    email: int
    sms: int
    chat: int
    call: int

    def of(self, channel: Channel) -> int:
        """Return the number of that channel's family."""
        if channel in CALLS:
            return self.call
        if channel in (Channel.EMAIL, Channel.SMS):
            return self.email if channel is Channel.EMAIL else self.sms
        return self.chat


class Redial(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a robot waits to call again whom it has not reached: after the first call, the second, so on.

    A call on another day is made at another hour, at least `other_hour_ms` from that of the last.
    """

    calls: int = 3  # of one step, at most; 1: nobody is called again
    busy_ms: tuple[int, ...] = (15 * MINUTE,)
    no_answer_ms: tuple[int, ...] = (2 * HOUR, 20 * HOUR)  # then on the next day that calls are made on
    unreachable_ms: tuple[int, ...] = (24 * HOUR,)
    other_hour_ms: int = 2 * HOUR

    def after_ms(self, reason: Reason, calls: int) -> int | None:
        """Return how long to wait after the `calls`th call, which has ended so; None: no other is made."""
        waits = {
            Reason.BUSY: self.busy_ms,
            Reason.NO_ANSWER: self.no_answer_ms,
            Reason.UNREACHABLE: self.unreachable_ms,
        }.get(reason, ())
        return waits[min(calls, len(waits)) - 1] if waits and 1 <= calls < self.calls else None


class Wording(Struct, frozen=True, forbid_unknown_fields=True):
    """A text in one language (ISO 639-1, such as `ru`)."""

    language: str
    text: str


class Confirmations(Struct, frozen=True, forbid_unknown_fields=True):
    """The one text that answers a STOP, and a START; in a language that is not listed, the first one.

    Empty: nothing is answered, as no law asks for it and many services answer by themselves.
    """

    opt_out: tuple[Wording, ...] = ()
    opt_in: tuple[Wording, ...] = ()
    within_ms: int = 5 * MINUTE  # later than that nothing is answered: 47 CFR 64.1200 (a)(12)


class TopicName(Struct, frozen=True, forbid_unknown_fields=True):
    """A topic as people read it on the page where they choose: in one language or several."""

    name: str  # as `topic` of cascades
    titles: tuple[Wording, ...] = ()


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """For how many days what is known of people is kept (domain rules 3.6); 0: for ever."""

    texts: int = 365  # of messages and replies, notes of calls; links of older messages lead nowhere
    requests: int = 90  # to links and pixels, with IP and user agent
    events: int = 760  # of CRM and site, and the triggers of runs that have ended: 25 months
    raw_webhooks: int = 30  # as services sent them
    proofs: int = 1095  # consents of people who were erased, after that
    unconfirmed: int = 7  # sign-ups that were never confirmed, and whom nothing else is known of

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) <= 36_500:
                raise ValueError(
                    worded("retention.%(name)s is a number of days from 1 to 36500, or 0 for ever", name=name)
                )


class Approval(StrEnum):
    """Whether somebody who has not written a text must approve it before it is activated."""

    NONE = "none"
    REQUIRED = "required"


class LinkParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """What links get for the shop's own figures, each a template; "": nothing. A cascade's go first.

    With `domains` only links that lead to these or below them.
    """

    source: str = ""
    medium: str = ""
    campaign: str = ""
    content: str = ""
    term: str = ""
    domains: tuple[str, ...] = ()


class Brand(Struct, frozen=True, forbid_unknown_fields=True):
    """What one brand has for itself; `name` is `brand` of cascades."""

    name: str
    link_domain: str = ""  # of short links, such as https://s.example.org; "": that of the settings
    utm: LinkParameters = LinkParameters()  # what is not told here is the policy's


class ControlGroup(Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets no advertising from any cascade, by lot, so that all of it together can be measured."""

    share: int = 0  # of 10 000; 0: there is none
    salt: str = ""  # another one draws another group
    since: date | None = None  # days of the policy's zone; None: from the beginning
    until: date | None = None  # the first day on which there is none any more
    event: str = ""  # what is counted, such as purchase
    value: str = ""  # where the amount stands in it, such as total
    returned: Returned | None = None  # how the shop tells that it came back; None: nothing is deducted

    def __post_init__(self) -> None:
        if self.returned is not None and not self.returned.event:
            raise ValueError(worded("control.returned needs the name of an event, such as refund"))


class SpendingLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be spent in a day or month of the policy's zone, by an account or ("") by all of them.

    Accounts of other currencies than that of the amount are not counted.
    """

    amount: str  # such as 50000 KZT
    period: Literal["day", "month"] = "day"
    account: str = ""

    def __post_init__(self) -> None:
        parse_money(self.amount)  # a ValueError that says what to write


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """When, how often and how late; numbers ending in `_ms` are milliseconds, hold-outs are of 10 000."""

    zone: str = "UTC"  # the brand's: for contacts of whom nothing is known (C5)
    country: str = ""  # the brand's: for contacts of whom nothing is known
    windows: tuple[Window, ...] = WINDOWS
    window_jitter_ms: int = 30 * MINUTE  # an opening window lets its backlog out over this time (C7)
    caps: tuple[Cap, ...] = CAPS
    min_gap_ms: PerClass = PerClass(service=HOUR, advertising=HOUR)  # between touches of one run (E15)
    run_gap_ms: PerClass = PerClass(service=HOUR, advertising=24 * HOUR)  # of different runs (E15)
    holdout: PerClass = PerClass(advertising=1000)
    control: ControlGroup = ControlGroup()
    max_lateness_ms: int = 12 * HOUR  # later than due: the step is skipped (E7, E14)
    outage_skip_after_ms: int = 2 * HOUR  # provider down for longer: the step is skipped (E7)
    outage_skip_after_urgent_ms: int = 10 * MINUTE
    receipt_ttl_ms: PerFamily = PerFamily(72 * HOUR, 72 * HOUR, 24 * HOUR, 24 * HOUR)  # then `unknown` (E5)
    late_open_hold_ms: int = 4 * HOUR  # a human open where a click is required postpones the next step (E2)
    suspected_click_hold_ms: int = 15 * MINUTE  # wait for a second signal after a doubtful click (2.3)
    earliest_ok_ms: int = 24 * HOUR  # how far an anchored step may be moved earlier than due (C8)
    missed_margin_ms: int = 30 * MINUTE  # a missed anchored step is left out if the next is so near (C8)
    redial: Redial = Redial()  # domain rules 6
    retention: Retention = Retention()
    tenant: tuple[str, ...] = ()  # what the sender is to the law, names of `law.FLAGS`
    set_aside: tuple[str, ...] = ()  # ids of laws that the sender has decided not to apply
    channel_stop_ends_advertising: bool = True  # a stop on one channel ends the advertising run (E9)
    confirmations: Confirmations = Confirmations()  # of STOP and START, by text
    topics: tuple[TopicName, ...] = ()  # what people choose from; (): the topics of active cascades
    utm: LinkParameters = LinkParameters()  # of all links, unless brand, cascade or step say otherwise
    brands: tuple[Brand, ...] = ()
    approval: Approval = Approval.NONE  # of texts, before a cascade is activated with them
    test_addresses: tuple[str, ...] = ()  # of one's own people: test messages may go there
    sunset_days: int = 0  # who is silent for so long gets no more advertising by e-mail; 0: that is not done
    guard: Guard = Guard()  # what may befall messages, before no more are sent
    budgets: tuple[SpendingLimit, ...] = ()  # of accounts and of all; cascades have their own
    hold_refused_percent: int = 5  # of a day's mails refused for what the sender is: held (5.7.x); 0: never

    def brand(self, name: str) -> Brand:
        """Return what a brand has for itself: nothing, where the policy does not name it."""
        return next((one for one in self.brands if one.name == name), Brand(name))

    def rule(
        self, channel: Channel, message_class: MessageClass, country: str = "", *, urgent: bool = False
    ) -> WindowRule:
        """Return the windows that such a message has to keep; urgent ones only keep the legal (C9)."""
        urgent = urgent and message_class is not MessageClass.ADVERTISING
        return tuple(
            window
            for window in self.windows
            if (window.legal or not urgent) and window.fits(channel, message_class, country)
        )

    @classmethod
    def unlimited(cls) -> Self:
        """Return a policy without windows, caps, gaps, hold-outs and jitter, for demo and benchmark."""
        none = PerClass()
        return cls(windows=(), window_jitter_ms=0, caps=(), min_gap_ms=none, run_gap_ms=none, holdout=none)
