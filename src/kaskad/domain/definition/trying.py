"""What a step finds out by itself: which channel people react to, at which hour, by which words."""

from __future__ import annotations

from kaskad.domain.cascade import Choose, Winner
from kaskad.domain.definition.form import Form
from kaskad.domain.definition.schema import GROUPS, KEYS, WON_BY
from kaskad.domain.definition.source import Scalar
from kaskad.domain.shares import EQUAL
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

MAX_LEARNT = 6  # channels of which one is learnt: every set of them has chances of its own
LEAST_EXPLORED = 500  # of 10 000
LEAST_CERTAIN = 8_000


def read_best_hour(form: Form) -> bool:
    """Return whether the step waits for the hour at which a person reacts most."""
    if form.has("send_at") and form.has("at"):
        form.report.error(
            form.at("send_at"),
            worded("a step with `at` has its time already"),
            worded("remove `send_at`, or `at`"),
        )
    return bool(form.word("send_at", {"best_hour": True}, {"best_time": "best_hour"}))


def read_choose(form: Form, channels: tuple[Channel, ...]) -> Choose | None:
    """Return how one of several channels is learnt, reporting what cannot be."""
    node = form.node("choose")
    if node is None:
        return None
    if not 1 < len(channels) <= MAX_LEARNT:
        remedy = worded("name several: `channel: [telegram, whatsapp]`")
        form.report.error(
            form.at("choose"), worded("one of two to %(most)s channels is chosen", most=MAX_LEARNT), remedy
        )
    if isinstance(node, Scalar):
        form.word("choose", {"learn": True})
        return Choose()
    told = form.form("choose", KEYS["choose"])
    assert told is not None
    explore = told.percent("explore")
    explore = LEAST_EXPLORED if explore is None else explore
    if explore < LEAST_EXPLORED or explore * len(channels) > EQUAL:
        told.report.error(
            told.at("explore"),
            worded("each channel gets at least 5%%, and all together no more than there is"),
            worded("write for example 10%%"),
        )
    return Choose(told.word("by", {word: word for word in GROUPS}) or "", explore, told.money("worth"))


def read_winner(form: Form, variants: int) -> Winner | None:
    """Return when the best of the variants takes over, reporting what cannot be."""
    told = form.form("winner", KEYS["winner"])
    if told is None:
        return None
    if not variants:
        told.report.error(
            told.path, worded("there are no variants to choose from"), worded("add `variants`, or remove it")
        )
    confidence, explore = told.percent("confidence"), told.percent("explore") or 0
    if confidence is not None and confidence < LEAST_CERTAIN:
        told.report.error(
            told.at("confidence"), worded("it must be certain to at least 80%%"), worded("write 95%%")
        )
    if explore * variants > EQUAL:
        told.report.error(
            told.at("explore"),
            worded("the variants keep more than there is"),
            worded("write for example 5%%"),
        )
    by = told.word("by", {word: word for word in WON_BY}, {"click": "clicked", "conversion": "goal"})
    return Winner(
        by or "reacted", told.integer("after", 100, 10_000_000, 500),
        9_500 if confidence is None else confidence, told.percent("opt_out"), explore,
    )  # fmt: skip
