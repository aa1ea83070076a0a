"""The words of the field, each with the code that the tables keep. See the glossary in docs/glossary.md.

Texts are what the definition, the API and the pages show; codes are what rows hold and never change.
Instants (`_at`) inside the core are integers, milliseconds since 1970 UTC; spans are `_ms`.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self


class Coded(StrEnum):
    """A text with the small integer that stands for it in tables."""

    code: int

    def __new__(cls, text: str, code: int) -> Self:
        member = str.__new__(cls, text)
        member._value_ = text
        member.code = code
        return member

    @classmethod
    def of(cls, code: int) -> Self:
        """Return the member with this code; raises KeyError for a code that no row can hold."""
        for member in cls:
            if member.code == code:
                return member
        raise KeyError(code)


class Channel(Coded):
    EMAIL = "email", 1
    TELEGRAM = "telegram", 2
    WHATSAPP = "whatsapp", 3
    VIBER = "viber", 4
    VK = "vk", 5
    MAX = "max", 6
    PUSH = "push", 7
    SMS = "sms", 8
    ROBOT_CALL = "robot_call", 9
    AGENT_CALL = "agent_call", 10
    FACEBOOK_MESSENGER = "facebook_messenger", 11
    INSTAGRAM = "instagram", 12


class MessageClass(Coded):
    """What kind of message it is to the law and to the caps; the code is also its lane, best first."""

    EMERGENCY = "emergency", 0
    TRANSACTIONAL = "transactional", 1
    SERVICE = "service", 2
    ADVERTISING = "advertising", 3


class RunState(Coded):
    PENDING = "pending", 0  # enrolled, before its first step
    ACTIVE = "active", 1
    PAUSED = "paused", 2  # wanted to send while its cascade was paused
    FINISHED = "finished", 3


class Phase(IntEnum):
    """What a live run's timer means."""

    ENTER = 0  # the step is planned or waits for its window
    QUEUED = 1  # its message waits for tokens and slots of the account
    SUBMITTED = 2  # handed to the provider, no answer yet: the timer is the submit guard
    WAITING = 3  # sent: the timer is the step's clock
    BRANCH = 4  # a branch matched and waits for the goal before it goes


class Outcome(Coded):
    CONVERTED = "converted", 1
    RESPONDED = "responded", 2
    EXHAUSTED = "exhausted", 3
    UNREACHABLE = "unreachable", 4
    OPTED_OUT = "opted_out", 5
    COMPLAINED = "complained", 6
    EXPIRED = "expired", 7
    SUPERSEDED = "superseded", 8
    CANCELLED = "cancelled", 9
    FAILED = "failed", 10


class Kind(IntEnum):
    """A fact's kind: what a provider reported, a person did, or the business saw.

    The facts of a message are a set; `1 << kind` is its bit in the message's mask.
    """

    SENT = 1
    DELIVERED = 2
    OPENED = 3
    READ = 4
    ANSWERED = 5  # a human picked up
    CLICKED = 6  # a link, a button, or the key that confirms
    REPLIED = 7
    REJECTED = 8
    FAILED = 9
    BOUNCED = 10
    EXPIRED = 11
    UNKNOWN = 12  # no receipt in time, or the answer to the submission was lost
    UNSUBSCRIBED = 13
    COMPLAINED = 14
    MACHINE_OPENED = 15
    MACHINE_CLICKED = 16
    SUSPECTED_CLICKED = 17
    MACHINE_ANSWERED = 18
    SOFT_BOUNCED = 19  # the provider still tries
    KEYPRESS = 20
    ASKED_AGENT = 21  # the key of a call that asks for a person
    IN_DOUBT = 22  # an answer was lost; only the same account may be asked again, under the same key
    NO_ANSWER = 23  # an agent has called and nobody picked up; the agent calls again
    CALL_BACK = 24  # the person wants the agent to call later
    # Facts of the run, not of a message (step -1):
    GOAL = 32
    CANCELLED = 33
    SUPERSEDED = 34
    ERASED = 35
    ANCHOR_CANCELLED = 36
    RETURNED = 37  # what its goal was worth came back, or a part of it
    # Only on its way in: what CRM or site told us of a contact, for triggers, goals and anchors
    EVENT = 40
    # and what a person did with a chat as a whole
    STARTED = 41  # opened it, perhaps by a link with a token
    BLOCKED = 42
    UNBLOCKED = 43
    # or who is to enter a cascade, and could not when its turn came
    ENTERS = 44

    @property
    def bit(self) -> int:
        return 1 << self.value


class MessageState(Coded):
    CREATED = "created", 0
    QUEUED = "queued", 1
    SUBMITTED = "submitted", 2
    SENT = "sent", 3
    DELIVERED = "delivered", 4
    READ = "read", 5
    REJECTED = "rejected", 6
    FAILED = "failed", 7
    BOUNCED = "bounced", 8
    EXPIRED = "expired", 9
    UNKNOWN = "unknown", 10
    SKIPPED = "skipped", 11
    CANCELLED = "cancelled", 12


class TaskState(Coded):
    """Where a call by a person stands."""

    OPEN = "open", 0  # may be claimed, from `not_before` on
    CLAIMED = "claimed", 1  # an agent has it
    DONE = "done", 2  # the agent has said how it ended
    WITHDRAWN = "withdrawn", 3  # something else ended it: the goal, a refusal, a reply elsewhere
    EXPIRED = "expired", 4  # nobody closed it in time


class Disposition(Coded):
    """How the agent says that a call ended."""

    REACHED_AGREED = "reached_agreed", 1
    REACHED_REFUSED = "reached_refused", 2
    CALLBACK_AT = "callback_at", 3  # wants to be called later
    NO_ANSWER = "no_answer", 4
    WRONG_NUMBER = "wrong_number", 5
    DO_NOT_CALL = "do_not_call", 6


class SkipReason(Coded):
    NO_ADDRESS = "no_address", 1
    NO_CONSENT = "no_consent", 2
    SUPPRESSED = "suppressed", 3
    ADDRESS_INVALID = "address_invalid", 4
    FREQUENCY_CAPPED = "frequency_capped", 5
    POLICY_DENIED = "policy_denied", 6
    NO_TEMPLATE = "no_template", 7
    WINDOW_IMPOSSIBLE = "window_impossible", 8
    TOO_LATE = "too_late", 9
    DUPLICATE_ADDRESS = "duplicate_address", 10
    STEP_HOLDOUT = "step_holdout", 11
    PROVIDER_DISABLED = "provider_disabled", 12
    CONDITION_FALSE = "condition_false", 13  # the step's own `if`
    OVER_BUDGET = "over_budget", 14
    CONTROL_GROUP = "control_group", 15  # of all advertising
    STEP_PAUSED = "step_paused", 16  # and people are to pass it over


class TemplateState(Coded):
    """How a text stands that a service must approve; only an approved one is taken."""

    DRAFT = "draft", 0
    PENDING = "pending", 1
    APPROVED = "approved", 2
    REJECTED = "rejected", 3
    PAUSED = "paused", 4  # for some hours, since people did not like it
    DISABLED = "disabled", 5  # for good, or deleted


class Reaction(StrEnum):
    """What a definition can wait for; which of them a channel can tell is in `channels.py`."""

    DELIVERED = "delivered"
    OPENED = "opened"
    READ = "read"
    ANSWERED = "answered"
    CLICKED = "clicked"
    REPLIED = "replied"
    REACTED = "reacted"  # the best human signal that the channel used has
    NONE = "none"


class CallResult(StrEnum):
    """How a call ended that nobody took: the `code` of its FAILED, whatever the provider of calls.

    Retries look at it. What is our own fault (money, credentials, a country that is not enabled) has the
    service's own code.
    """

    BUSY = "busy"
    NO_ANSWER = "no_answer"  # it rang, nobody picked up
    UNREACHABLE = "unreachable"  # switched off, out of the network, or the way there failed
    INVALID_NUMBER = "invalid_number"  # does not exist
    REJECTED = "rejected"  # the person declined
    CARRIER_BLOCKED = "carrier_blocked"  # the network let it not through


class Reason(Coded):
    """Why a provider did not take or deliver a message; the action for each is in `engine/outcome.py`."""

    OTHER = "other", 0
    INVALID_ADDRESS = "invalid_address", 1  # permanent_recipient
    OPTED_OUT = "opted_out", 2
    CONTENT = "content", 3  # permanent_content
    WINDOW = "window", 4  # consent_or_window: skip, the address stays good
    RATE_LIMITED = "rate_limited", 5
    TRANSIENT = "transient", 6
    AUTH = "auth", 7  # also billing and configuration: stop the account
    AMBIGUOUS = "ambiguous", 8  # the answer was lost: never sent again on a guess
    DOUBTFUL_ADDRESS = "doubtful_address", 9  # may pass: two such failures on two days make it invalid
    # How a call ended that nobody took, where another may do better (`CallResult`):
    BUSY = "busy", 10
    NO_ANSWER = "no_answer", 11
    UNREACHABLE = "unreachable", 12
    CARRIER_REFUSED = "carrier_refused", 13  # the person has refused such messages at the carrier


class Suppressed(StrEnum):
    """Why an address, or a whole mail domain, is on the stop-list (domain rules 3.6)."""

    OPT_OUT = "opt_out"
    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard_bounce"
    INVALID_NUMBER = "invalid_number"
    LEGAL = "legal"
    ERASED = "erased"  # written by an erasure only
    MANUAL = "manual"
    CARRIER_REFUSAL = "carrier_refusal"


REDIALLED = {  # the `code` of a call that nobody took -> why it failed, where another call may do better
    CallResult.BUSY.value: Reason.BUSY,
    CallResult.NO_ANSWER.value: Reason.NO_ANSWER,
    CallResult.UNREACHABLE.value: Reason.UNREACHABLE,
}
