"""The whole definition from its tree: everything about the cascade that is not a step."""

from __future__ import annotations

import re

from kaskad.domain.cascade import Budget, Cascade, Goal, Reentry, Returned, Span, Trigger
from kaskad.domain.definition.branches import read_branches
from kaskad.domain.definition.form import Form, word_of
from kaskad.domain.definition.links import read_utm
from kaskad.domain.definition.schema import KEYS, REENTRY
from kaskad.domain.definition.source import Mapping, Scalar
from kaskad.domain.definition.steps import REACTION_WORDS, read_steps
from kaskad.domain.guard import Figure, OwnGuard, Then
from kaskad.domain.terms import MessageClass, Reaction
from kaskad.domain.worded import worded

CLASS_WORDS = {member.value: member for member in MessageClass}
CLASS_HABITS = {
    "marketing": "advertising",
    "promo": "advertising",
    "ads": "advertising",
    "otp": "transactional",
}
_STOPS = {"reply": Reaction.REPLIED, "replied": Reaction.REPLIED}
_ALWAYS_STOPS = (
    "opt_out",
    "optout",
    "unsubscribe",
    "unsubscribed",
    "complaint",
    "complained",
    "erasure",
    "goal",
)
_LONGEST_NAME = 100  # of a list or segment
_PACE = re.compile(r"(\d{1,9})\s*/\s*([smhd])", re.ASCII)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_GOES_WITH = {
    "key": ("event",), "delay": ("event",), "if": ("event", "date"), "pace": ("broadcast", "segment"),
    "every": ("date",), "before": ("date",), "after": ("date",), "at": ("date",),
}  # fmt: skip
_AN_HOUR = {"s": 3_600, "m": 60, "h": 1}
MAX_PACE = 1_000_000_000
PACE_REMEDY = worded("write 1000/h, 20/m or 5/s")
DEFAULT_WITHIN = Span(days=7)


def read_cascade(form: Form) -> Cascade:
    """Return the cascade as far as it can be read; the report says what could not."""
    form.require("cascade", worded("begin with a unique name, for example `cascade: abandoned-cart`"))
    form.require("class", worded("write advertising, service, transactional or emergency"))
    form.require(
        "trigger", worded("say what enrols, for example `trigger: {event: cart_abandoned, key: cart_id}`")
    )
    form.require("steps", worded("add at least one step"))
    steps = read_steps(form)
    name = form.slug("cascade")
    trigger = _trigger(form)
    return Cascade(
        id=name,
        title=form.text("title") or name,
        message_class=form.word("class", CLASS_WORDS, CLASS_HABITS) or MessageClass.ADVERTISING,
        trigger=trigger,
        steps=steps,
        topic=form.slug("topic"),
        brand=form.slug("brand"),
        utm=read_utm(form.form("utm", KEYS["utm"])),
        to=_to(form),
        goal=_goal(form.form("goal", KEYS["goal"])),
        stop_on=_stop_on(form),
        exit_if=form.condition("exit_if"),
        holdout=form.percent("holdout"),
        priority=form.integer("priority", 0, 100, 50),
        budget=_budget(form.form("budget", KEYS["budget"])),
        guard=_guard(form.form("guard", KEYS["guard"])),
        branches=read_branches(form, steps),
        reentry=_reentry(form, trigger),
        max_lateness=form.span("max_lateness"),
        urgent=form.flag("urgent"),
        seeds=form.flag("seeds"),
        first=next((step.number for step in steps if not step.only_branch), 0),
    )


def _to(form: Form) -> str:
    path = form.name("to")
    if path and not path.startswith("trigger."):
        form.report.error(
            form.at("to"),
            worded("`%(path)s` is nothing that the event tells", path=path),
            worded("write trigger.email"),
        )
    return path


def _trigger(top: Form) -> Trigger:
    form = top.form("trigger", KEYS["trigger"])
    if form is None:
        return Trigger()
    kinds = [key for key in ("event", "broadcast", "segment", "date") if form.has(key)]
    if len(kinds) != 1:
        remedy = worded(
            "write `{event: cart_abandoned, key: cart_id}`, `{broadcast: segment}`, "
            "`{segment: name}` or `{date: attribute}`"
        )
        found = worded("a trigger is exactly one of `event`, `broadcast`, `segment`, `date`")
        form.report.error(form.path, found, remedy)
    else:
        for key, kind in _GOES_WITH.items():
            if form.has(key) and kinds[0] not in kind:
                told = "` or `".join(kind)
                form.report.error(
                    form.at(key),
                    worded(
                        "`%(key)s` goes with `%(told)s`, not with `%(kinds)s`",
                        key=key,
                        told=told,
                        kinds=kinds[0],
                    ),
                    worded("remove it"),
                )
    shift = _shift(form)
    return Trigger(
        event=form.name("event"),
        key=form.name("key"),
        delay=form.span("delay") or Span(),
        condition=form.condition("if"),
        broadcast=form.text("broadcast", _LONGEST_NAME),
        segment=form.text("segment", _LONGEST_NAME),
        pace_per_hour=_pace(form),
        date=_attribute(form),
        yearly=form.has("every") and form.word("every", {"year": "year"}) is not None,
        before=form.has("before"),
        shift=shift,
        minute=_minute(form),
    )


def _attribute(form: Form) -> str:
    name = form.name("date").removeprefix("contact.")
    if "." in name:
        form.report.error(
            form.at("date"),
            worded("`%(name)s` is no attribute of its own", name=name),
            worded("name one such as birthday"),
        )
    return name


def _shift(form: Form) -> Span | None:
    """Return how far from its date the run is due; None where that is not said."""
    if form.has("before") and form.has("after"):
        form.report.error(
            form.at("after"), worded("a date is counted `before` or `after`, not both"), worded("remove one")
        )
    key = "before" if form.has("before") else "after"
    span = form.span(key)
    if span is not None and span.ms:
        form.report.error(
            form.at(key), worded("a date counts in whole days or months"), worded("write 7d or P1M")
        )
    return span


def _minute(form: Form) -> int:
    text = form.text("at").strip()
    if not text:
        return Trigger().minute
    found = _TIME.fullmatch(text)
    if found is None:
        form.report.error(
            form.at("at"),
            worded("`%(text)s` is no time of the day", text=text[:40]),
            worded("write it like 10:00"),
        )
        return Trigger().minute
    return int(found[1]) * 60 + int(found[2])


def _pace(form: Form) -> int:
    text = form.text("pace").strip()
    if not text:
        return 0
    pace = pace_an_hour(text)
    if pace < 1:
        form.report.error(form.at("pace"), worded("`%(text)s` is not a pace", text=text[:40]), PACE_REMEDY)
    return pace


def pace_an_hour(text: str) -> int:
    """Return the contacts an hour that a pace such as 1000/h, 20/m or 5/s means; 0 where it is none."""
    found = _PACE.fullmatch(text.strip())
    if found is None:
        return 0
    pace = int(found[1]) // 24 if found[2] == "d" else int(found[1]) * _AN_HOUR[found[2]]
    return pace if pace <= MAX_PACE else 0


def _goal(form: Form | None) -> Goal | None:
    if form is None:
        return None
    form.require("event", worded("name the event, for example `event: purchase`"))
    match = {}
    wanted = form.form("match", _all_keys(form.node("match")))
    for key in wanted.names() if wanted else ():
        assert wanted is not None
        path = wanted.name(key)
        if path and path.partition(".")[0] not in ("trigger", "contact", "run"):
            wanted.report.error(
                wanted.at(key),
                worded("`%(path)s` is no value of the run", path=path),
                worded("write `%(key)s: trigger.%(path)s` or contact.…", key=key, path=path),
            )
        match[key] = path
    returned = _returned(form, form.form("returned", KEYS["returned"]))
    within = form.span("within") or DEFAULT_WITHIN
    return Goal(form.name("event"), match, within, form.name("value"), returned)


def _returned(goal: Form, form: Form | None) -> Returned | None:
    if form is None:
        return None
    form.require("event", worded("name the event, for example `event: refund`"))
    told = Returned(form.name("event"), form.name("value"), form.name("order"))
    if told.event and told.event == goal.name("event"):
        form.report.error(
            form.at("event"),
            worded("the goal and its return are the same event"),
            worded("name another event, for example `refund`"),
        )
    if not goal.has("value"):
        form.report.error(
            goal.at("returned"),
            worded("the goal has no worth that could be given back"),
            worded("add `value: amount` to the goal"),
        )
    return told


def _all_keys(node: object) -> list[str]:
    return [key.text for key, _ in node.pairs] if isinstance(node, Mapping) else []


def _stop_on(form: Form) -> tuple[Reaction, ...]:
    found = []
    for node, path in form.items("stop_on", 10):
        if isinstance(node, Scalar) and node.text in _ALWAYS_STOPS:
            form.report.error(
                path, worded("`%(text)s` always stops a run", text=node.text), worded("remove it here")
            )
        elif isinstance(node, Scalar) and node.text in REACTION_WORDS and node.text not in _STOPS:
            remedy = worded("write `success: %(text)s` in the step", text=node.text)
            form.report.error(
                path, worded("`%(text)s` ends a run only where a step asks for it", text=node.text), remedy
            )
        elif (stop := word_of(node, path, form.report, _STOPS)) is not None:
            found.append(stop)
    return tuple(dict.fromkeys(found))


def _budget(form: Form | None) -> Budget:
    if form is None:
        return Budget()
    total, single = form.money("total"), form.money("per_contact")
    if total and single and total.currency != single.currency:
        form.report.error(
            form.at("per_contact"),
            worded(
                "%(currency)s and %(currency2)s in one budget",
                currency=single.currency,
                currency2=total.currency,
            ),
            worded("use one currency"),
        )
    return Budget(total, single)


def _guard(form: Form | None) -> OwnGuard | None:
    if form is None:
        return None
    bounds = {figure.value: form.percent(figure.value) for figure in Figure}
    return OwnGuard(**bounds, then=form.word("then", {each.value: each for each in Then}))


def _reentry(top: Form, trigger: Trigger) -> Reentry:
    node = top.node("reentry")
    if node is None:
        return Reentry()
    if isinstance(node, Mapping):
        form = Form(node, top.at("reentry"), KEYS["reentry"], top.report)
        form.require(
            "after_finish",
            worded("write `{after_finish: 7d}`, or one of %(known)s", known=", ".join(REENTRY)),
        )
        return Reentry(cooldown=form.span("after_finish") or Reentry().cooldown)
    rule = top.word("reentry", {word: word for word in REENTRY}) or "after_finish"
    if rule == "parallel_by_key" and not trigger.key:
        top.report.error(
            top.at("reentry"), worded("`parallel_by_key` needs a key"), worded("add `key` to the trigger")
        )
    return Reentry(rule=rule)
