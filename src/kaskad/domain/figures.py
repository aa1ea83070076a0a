"""What the figures of messages count: the one table for reports, pages, files, views and guardrails.

All are in messages. Only what people did is a reaction; what machines did stands beside it. What was done
with a message counts for it if it came within WINDOW_MS of its submission.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from kaskad.domain.run import HUMAN
from kaskad.domain.terms import Kind

LEFT = (3, 4, 5, 7, 8, 9, 10)  # states of messages that have left us, whatever became of them
MADE = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
DELIVERED = (4, 5)
UNFAILED = (3, 4, 5, 10)  # left us, and not known to have failed
FAILED = (6, 7, 8, 9)
WAITING = (0, 1, 2)
UNDER_WAY = 2
SKIPPED = 11
NO_MESSAGE = (11, 12)

SEEN = HUMAN
REACTED = Kind.CLICKED.bit | Kind.REPLIED.bit | Kind.KEYPRESS.bit | Kind.ASKED_AGENT.bit
MACHINE = Kind.MACHINE_OPENED.bit | Kind.MACHINE_CLICKED.bit | Kind.MACHINE_ANSWERED.bit
WINDOWED = HUMAN | MACHINE | Kind.UNSUBSCRIBED.bit | Kind.COMPLAINED.bit | Kind.SUSPECTED_CLICKED.bit
SUSPECTED = Kind.SUSPECTED_CLICKED.bit  # every click at first, and for good where nothing settles it as
SETTLED = Kind.CLICKED.bit | Kind.MACHINE_CLICKED.bit
_OPENED, _PREFETCHED, _CLICKED = Kind.OPENED.bit, Kind.MACHINE_OPENED.bit, Kind.CLICKED.bit
WINDOW_MS = 7 * 86_400_000
REFUSED = Kind.UNSUBSCRIBED.bit | Kind.COMPLAINED.bit  # by the message itself: whoever did has got it


def arrived(state: int, mask: int, tells: int) -> bool:
    """Say whether a message has arrived; `tells`: its service tells of deliveries, so that silence means no.

    Mail servers mostly do not: there what left us and is not known to have failed has arrived. The same in
    SQL is the view `arrivals`; `bi_steps` has it of counted messages.
    """
    return state in (DELIVERED if tells else UNFAILED) or (state in LEFT and bool(mask & REFUSED))


class Definition(Struct, frozen=True):
    """Which messages are counted: in one of these states (`arrived`: which have arrived), with one of the
    facts `some`, none of `none`."""

    says: str
    states: tuple[int, ...]
    some: int = 0
    none: int = 0
    first: bool = False
    arrived: bool = False

    def counts(self, state: int, mask: int, past: int = 0, tells: int = 0) -> bool:
        """Say whether a message of this state is counted; `past` are the facts of it that came too late."""
        if not (arrived(state, mask, tells) if self.arrived else state in self.states):
            return False
        in_time = mask & ~past
        return (not self.some or bool(in_time & self.some)) and not in_time & self.none


OF_STEPS = {
    "sent": Definition("left us, whatever became of it", LEFT),
    "delivered": Definition("its provider or a reaction says so, and no bounce took it back", DELIVERED),
    "seen": Definition("a person opened, read, answered, or did more", MADE, SEEN),
    "reacted": Definition("a person clicked, replied or pressed a key", MADE, REACTED),
    "machine": Definition("a machine opened, clicked or answered", MADE, MACHINE),
    "suspected": Definition("clicked by whom nobody knows", MADE, SUSPECTED, SETTLED),
    "opened": Definition("opened by a person", MADE, _OPENED),
    "opened_raw": Definition("opened by a person or a machine", MADE, _OPENED | _PREFETCHED),
    "clicked": Definition("clicked by a person", MADE, _CLICKED),
    "clicked_raw": Definition("clicked by whomever", MADE, SETTLED | SUSPECTED),
    "prefetched": Definition(
        "opened, as far as one knows by a machine only", LEFT, _PREFETCHED, _OPENED, arrived=True
    ),
    "arrived": Definition(
        "delivered; over services that do not tell, as most mail servers, not known to have failed", LEFT,
        arrived=True,
    ),
    "silent": Definition("arrived, and no person was heard of", LEFT, none=HUMAN, arrived=True),
    "failed": Definition("refused or undelivered", FAILED),
    "unknown": Definition("without an answer, or without a receipt in its time", (10,)),
    "waiting": Definition("not handed over yet, or without an answer so far", WAITING),
    "first": Definition("the first that the person of the run saw", MADE, HUMAN, first=True),
    "skipped": Definition("a step passed over without a message", (SKIPPED,)),
}  # fmt: skip
OF_MONEY = {
    "goals": "Runs whose goal came within its time, whatever brought it about; the control group aside.",
    "revenue": "What these goals were worth by their events, less what came back of it (`goal.returned`), by "
    "currency: that of the cascade's budget, else the brand's.",
    "returned": "What came back of the worth of these goals, whenever: it is in no revenue.",
    "goals_returned": "Goals of which something came back. They are goals still.",
    "returned_late": "Of these, goals of which something came back after their time: figures of then have "
    "changed since.",
    "returned_unread": "Of these, goals with a return of which no amount is known, or one in another "
    "currency: it is not deducted.",
    "revenue_each": "Revenue by runs that entered.",
    "goal_cost": "What all messages cost, failed ones too, by goals.",
    "return_rate": "Revenue by cost, where all of both is in one currency; else null, and where goals "
    "came of which none told what it was worth. No proof of cause.",
}
OF_MESSAGES = tuple(name for name, one in OF_STEPS.items() if one.states != (SKIPPED,) and not one.first)


@lru_cache(50_000)
def counted_as(state: int, mask: int, past: int, tells: int) -> tuple[str, ...]:
    """Return the figures that count a message of this state with these facts."""
    return tuple(name for name in OF_MESSAGES if OF_STEPS[name].counts(state, mask, past, tells))


def price_of(state: int, price: int) -> int:
    """Return what a message that has left us was to cost; 0 for others."""
    return price if state in LEFT else 0


def cost_of(state: int, price: int, cost: int | None) -> int:
    """Return what a message cost: what its provider took, else the price of what has left us."""
    return cost if cost is not None else price if state in LEFT else 0
