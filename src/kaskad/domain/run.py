"""A run as its rows tell it, the answers that a decision needs, and the decision.

Instants are milliseconds since 1970 UTC, codes those of `terms.py`: these values are made by the
thousand in every tick, straight from rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from kaskad.domain.caps import Touch
from kaskad.domain.consent import ConsentRow
from kaskad.domain.rhythm import Rhythm
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, SkipReason

NOTHING: Mapping[int, int] = {}

HUMAN = (
    Kind.OPENED.bit | Kind.READ.bit | Kind.ANSWERED.bit | Kind.CLICKED.bit | Kind.REPLIED.bit
    | Kind.KEYPRESS.bit | Kind.ASKED_AGENT.bit
)  # fmt: skip
_BOUNCED, _DELIVERED = Kind.BOUNCED.bit, Kind.DELIVERED.bit
_FAILED = Kind.REJECTED.bit | Kind.FAILED.bit | Kind.EXPIRED.bit
_ARRIVED = Kind.DELIVERED.bit | HUMAN
UNSENT = (
    MessageState.SKIPPED.code, MessageState.CANCELLED.code, MessageState.CREATED.code,
    MessageState.QUEUED.code,
)  # fmt: skip
PLAIN = Kind.SENT.bit | Kind.DELIVERED.bit  # receipts that move no run unless a clock asks for them


class Run(Struct, frozen=True, gc=False):
    """One contact's passage through one version: the row of `runs`, in its order."""

    contact_id: int
    id: int
    cascade_id: int
    version_id: int
    slot: int
    state: int
    phase: int
    step: int
    branch: int | None
    seq: int
    wake_at: int | None
    due_at: int
    entered_at: int
    holdout: int = 0
    outcome: int | None = None
    outcome_step: int | None = None
    late: int = 0
    finished_at: int | None = None
    marks: int = 0


class Passage(Struct, frozen=True, gc=False):
    """One step in one run: the row of its message, or of its skip, with the facts folded in.

    `first` has the earliest instant of each fact kind; it is empty while nothing but SENT and
    DELIVERED is known. `retriable` says that the same submission may be repeated under its key.
    """

    step: int
    channel: int
    state: int
    mask: int
    submitted_at: int | None
    sent_at: int | None
    attempt: int = 0
    account_id: int | None = None
    price: int = 0
    retriable: bool = False
    first: Mapping[int, int] = NOTHING
    reason: int | None = None  # of a failure
    deadline_at: int | None = None  # of a call by a person: when silence ends, whatever the clocks say
    held: int = 0  # of the contact's budget, in minor units, by earlier attempts too
    again: bool = False  # an attempt has failed, and the step is tried again


Passages = Mapping[int, Passage]  # by step
Marks = Mapping[int, int]  # facts of the run itself: kind -> earliest instant


class Address(Struct, frozen=True, gc=False):
    value: str
    health: int = 0  # 0 good, 1 invalid, 2 suppressed
    shared: int = 0  # 1: another contact has it too


class Dialogue(Struct, frozen=True, gc=False):
    """What an account takes for one contact whose service wants an approved text outside of a dialogue.

    `texts` has the state of each approved text by name and language; None: it sends none.
    """

    open_until: int = 0  # a free text is taken until then; 0: the person has not written lately
    texts: Mapping[tuple[str, str], str] | None = None


class Answers(Struct, gc=False):
    """What the database says of one contact at this moment, asked for runs that are about to send."""

    zones: tuple[str, ...]
    country: str
    addresses: Mapping[int, Address]  # by channel code
    preferred: tuple[int, ...]
    consents: tuple[ConsentRow, ...]
    touches: tuple[Touch, ...]
    accounts: Mapping[int, int]  # channel code -> account; 0: every account of it is out of service
    paused: bool = False
    touched: frozenset[int] = frozenset()  # steps whose address another contact shares and already got
    scope: Mapping[str, object] | None = None  # what conditions look at
    anchors: Mapping[int, int] | None = None  # anchored step -> its anchor's instant
    named: Mapping[str, int] = {}  # accounts by name, for steps that name theirs; 0: out of service
    told_addresses: int = 0  # `address_bits` of all addresses: what of them is kept with a decision
    fitting: Mapping[int, Address | None] = {}  # by account, of those that take one kind of address only
    dialogues: Mapping[int, Dialogue] = {}  # by account, of those whose service takes free text for a while
    rhythm: Rhythm | None = None  # at which hours the person reacts, where a step asks for it
    traits: Mapping[str, str] = {}  # language and country, where channels are learnt by them

    def signature(self) -> tuple[object, ...]:
        """Return what of the answers is kept with a decision: nothing that names a person."""
        return (
            self.zones, self.country, self.paused,
            self.told_addresses,
            tuple([(c.granted, c.purpose, c.channels, c.topic, c.proven, c.brand) for c in self.consents]),
            len(self.touches),
            tuple(self.accounts.items()), self.touched,
            tuple(self.anchors.items()) if self.anchors else (),
            tuple([(number, bool(d.open_until)) for number, d in self.dialogues.items()]),
        )  # fmt: skip

    def told(self) -> dict[str, object]:
        """Return the same, with names, for the history of decisions."""
        values = zip(_TOLD, self.signature(), strict=True)
        return {name: value for name, value in values if value not in ((), "", frozenset())}


NO_ANSWERS = Answers((), "", {}, (), (), (), {})  # to a run that ends: nothing is asked about its contact

_TOLD = (
    "zones", "country", "paused", "addresses", "consents", "touches", "accounts", "touched", "anchors",
    "dialogues",
)  # fmt: skip


class Send(Struct, frozen=True, gc=False):
    step: int
    channel: int
    account_id: int
    to: str
    variant: int | None
    by_name: bool = False  # by its approved text
    open_until: int = 0  # a free text is taken until then, where the service asks (`Dialogue`)
    chance: int = 0  # of 10 000, by which the channel was drawn; 0: it was not
    arms: int = 0  # bits of the channels that it was drawn from
    group: str = ""  # of people, for whom the chances were learnt


class Decision(Struct, frozen=True, gc=False):
    """The run's next state and what to do for it. `reason` is one word for the log and the history."""

    state: int
    phase: int
    step: int
    wake_at: int | None
    due_at: int
    reason: str
    branch: int | None = None
    outcome: int | None = None
    outcome_step: int | None = None
    late: bool = False
    skips: tuple[tuple[int, int, SkipReason, str], ...] = ()  # step, channel, reason, detail
    send: Send | None = None
    withdraw: int | None = None  # the step whose queued message is cancelled
    doubt: int | None = None  # the step whose answer was lost: unknown from now on
    repeat: int | None = None  # the step whose submission is repeated under its key
    retry: int | None = (
        None  # the step whose message has failed and is tried again, as if it had not been sent
    )
    detail: str = ""
    heard: bool = False  # of the message before its answer: that is then not all that has happened


@lru_cache(maxsize=4096)
def state_of(mask: int) -> MessageState:
    """Return the message's state that its facts add up to, in whatever order they came.

    Positive evidence beats a failure; a bounce beats a delivery (the DSN comes later), but not a
    person's reaction.
    """
    if mask & (HUMAN & ~Kind.OPENED.bit):
        return MessageState.READ
    if mask & _BOUNCED and not mask & HUMAN:
        return MessageState.BOUNCED
    if mask & _ARRIVED:
        return MessageState.DELIVERED
    for kind, state in _ENDS:
        if mask & kind.bit:
            return state
    return MessageState.SENT if mask & Kind.SENT.bit else MessageState.SUBMITTED


_ENDS = (
    (Kind.REJECTED, MessageState.REJECTED),
    (Kind.FAILED, MessageState.FAILED),
    (Kind.EXPIRED, MessageState.EXPIRED),
    (Kind.UNKNOWN, MessageState.UNKNOWN),
)


def address_bits(channel: int, health: int, shared: int) -> int:
    """Return what of an address is kept with a decision: four bits at the place of its channel."""
    return (1 | health << 1 | shared << 3) << channel * 4


SHARED = sum(address_bits(channel.code, 0, 1) & ~address_bits(channel.code, 0, 0) for channel in Channel)


def failed(mask: int) -> bool:
    """Say whether the message did not arrive and nothing positive contradicts that."""
    if mask & HUMAN:
        return False
    return bool(mask & _BOUNCED) or (bool(mask & _FAILED) and not mask & _DELIVERED)


FINISHED_BY = {
    Kind.GOAL: Outcome.CONVERTED,
    Kind.COMPLAINED: Outcome.COMPLAINED,
    Kind.UNSUBSCRIBED: Outcome.OPTED_OUT,
    Kind.REPLIED: Outcome.RESPONDED,
    Kind.ERASED: Outcome.CANCELLED,
    Kind.CANCELLED: Outcome.CANCELLED,
    Kind.ANCHOR_CANCELLED: Outcome.CANCELLED,
    Kind.SUPERSEDED: Outcome.SUPERSEDED,
}
