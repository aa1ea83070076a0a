"""The people behind a figure of a report, page by page.

Figures of a step are in messages and told in `figures.py`, those of the cascade in runs. A page looks at so
many runs at most, however few of them fit.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from kaskad.analytics.reach import Amounts
from kaskad.analytics.scope import Scope
from kaskad.analytics.services import currencies
from kaskad.domain.figures import OF_STEPS, REACTED, SEEN, WINDOW_MS
from kaskad.domain.run import HUMAN
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Reason, SkipReason
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

SCAN = 20_000  # runs looked at for one page: some hundredths of a second
START: RunKey = (0, 0)
OF_RUNS = ("entered", "under_way", "holdouts", "ended", "reached", "seen", "delivered", "reacted", "goals",
           "returned")  # fmt: skip


class Person(Struct, frozen=True):
    """One run behind a figure; the message's part is empty where the figure is of runs. Codes are words."""

    contact_id: int
    run_id: int
    external_id: str
    name: str
    outcome: str  # "" while under way
    entered_at: int
    holdout: bool
    state: str = ""
    channel: str = ""
    reason: str = ""
    sent_at: int | None = None
    cost: Amounts = {}


class Found(Struct, frozen=True):
    """A page of people, perhaps short or empty though more follow; `next` is None at the end."""

    people: list[Person]
    next: RunKey | None


class Figure(Struct, frozen=True):
    """Which figure is meant: one of OF_STEPS at a step, or of OF_RUNS; `reason` is the outcome of `ended`."""

    name: str
    step: int = -1
    channel: str = ""
    reason: str = ""


def looked_at(tx: Transaction, after: RunKey) -> tuple[int, int]:
    """Return the first and the last contact whose runs a page behind a run looks at."""
    row = tx.one("run_key_after", contact_id=after[0], run_id=after[1], skip=SCAN - 1)
    return max(after[0], 1), row[0] if row else 1 << 62


def who(
    tx: Transaction, cascade_id: int, figure: Figure, scope: Scope, after: RunKey = START, limit: int = 50
) -> Found:
    """Return the runs that a figure counts, in the order of contact and run."""
    place = {"contact_id": after[0], "run_id": after[1]}
    common = {**place, "scan": SCAN, "cascade_id": cascade_id, "limit": limit + 1, **scope.params}
    if figure.step < 0:
        rows = tx.all("report_who_runs", **common, **_of_runs(figure))
        people = [_person(row) for row in rows]
    else:
        counted = OF_STEPS[figure.name]
        rows = tx.among(
            "report_who_messages", counted.states, **common, step=figure.step, some=counted.some,
            none=counted.none, first=int(counted.first), arrived=int(counted.arrived), window=WINDOW_MS,
            human=HUMAN, reason=_code(figure),
            channel=Channel[figure.channel.upper()].code if figure.channel else -1,
        )  # fmt: skip
        money = currencies(tx)
        people = [_person(row, money.get(row[13], "")) for row in rows]
    if len(people) > limit:
        last = people[limit - 1]
        return Found(people[:limit], (last.contact_id, last.run_id))
    row = tx.one("run_key_after", **place, skip=SCAN - 1)
    return Found(people, (row[0], row[1]) if row else None)


def _of_runs(figure: Figure) -> dict[str, int]:
    outcome = -1
    if figure.name == "under_way":
        outcome = 0
    elif figure.name == "ended":
        outcome = Outcome[figure.reason.upper()].code
    some = {"reached": SEEN, "seen": SEEN, "reacted": REACTED}.get(figure.name, 0)
    delivered = figure.name in ("reached", "delivered")
    return {
        "holdout": int(figure.name == "holdouts"), "outcome": outcome, "some": some,
        "delivered": int(delivered), "any_message": int(not some and not delivered),
        "channel": Channel.SMS.code if figure.name == "reached" else -1,
        "marks": {"goals": Kind.GOAL.bit, "returned": Kind.RETURNED.bit}.get(figure.name, 0),
    }  # fmt: skip


def _code(figure: Figure) -> int:
    if not figure.reason:
        return -1
    return (SkipReason if figure.name == "skipped" else Reason)[figure.reason.upper()].code


def _person(row: Row, currency: str = "") -> Person:
    contact_id, run_id, external_id, attributes, code, entered_at, holdout = row[:7]
    name = str(msgspec.json.decode(attributes).get("name") or "")
    outcome = Outcome.of(code).value if code else ""
    plain = (contact_id, run_id, external_id or "", name, outcome, entered_at, bool(holdout))
    if len(row) == 7:
        return Person(*plain)
    state, channel, reason, _, sent_at, cost = row[7:13]
    skipped = state == MessageState.SKIPPED.code
    words = (SkipReason if skipped else Reason).of(reason).value if reason is not None else ""
    return Person(
        *plain, MessageState.of(state).value, Channel.of(channel).value, words, sent_at,
        {currency: cost} if currency and cost else {},
    )  # fmt: skip
