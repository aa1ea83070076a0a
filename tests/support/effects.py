"""A cascade whose people are counted already: that of the field's worked example (docs/uplift.md)."""

from __future__ import annotations

from kaskad.domain.course import Leg, Part, Shape, id_of, live, text_of
from kaskad.domain.terms import Kind, MessageState, Outcome, SkipReason
from kaskad.store.courses import DAY, EVER, HOUR_MS
from kaskad.store.db import Transaction

TRIED = """cascade: tried
title: Tried
class: advertising
goal: {event: purchase, within: 7d}
holdout: 10%
trigger: {event: left}
steps:
  - id: letter
    channel: email
    subject: News
    variants: [{id: plain, text: Hello}, {id: warm, text: Dear}]
    wait: 1h
  - {id: chat, channel: telegram, text: "Hello", wait: 1h, holdout: 10%}
"""
_SENT, _SKIPPED = MessageState.SENT.code, MessageState.SKIPPED.code
_HELD = SkipReason.STEP_HOLDOUT.code


def put_tried(
    tx: Transaction, version_id: int, now: int, *, treated: int = 9000, held: int = 1000,
    variants: tuple[int, int] = (4500, 4500), stepped: int = 4500,
) -> None:  # fmt: skip
    """Count 540 goals of 9 000 who were treated and 42 of 1 000 held out; a step and variants likewise."""
    done, goal = Outcome.EXHAUSTED.code, Kind.GOAL.bit
    parts: list[tuple[Part, int]] = []
    for holdout, steps, people, goals in ((0, (0,), treated, 540), (1, (), held, 42)):
        parts.append((Shape(holdout, Outcome.CONVERTED.code, None, 0, goal, steps, 0), goals))
        parts.append((Shape(holdout, done, None, 0, 0, steps, 0), people - goals))
    for variant, reacted in ((0, 400), (1, 560)):
        for mask, count in ((Kind.CLICKED.bit, reacted), (0, variants[variant] - reacted)):
            parts.append((Leg(0, 1, _SENT, mask, None, variant, None, 0, 0, goal=bool(mask)), count))
    for state, reason, goals, count in ((_SENT, None, 200, stepped), (_SKIPPED, _HELD, 18, 500)):
        for came in (True, False):
            leg = Leg(1, 2, state, 0, None, None, reason, 0, 0, goal=came)
            parts.append((leg, goals if came else count - goals))
    hour = now // HOUR_MS - 24 * 9
    tx.many("put_course_parts", [(id_of(text_of(part)), text_of(part), live(part)) for part, _ in parts])
    tx.many("add_counts", sorted(
        (version_id, hours, first, id_of(text_of(part)), count, 0, 0)
        for part, count in parts for hours, first in ((EVER, 0), (DAY, hour // DAY * DAY), (1, hour))
    ))  # fmt: skip
