"""The steps of a definition: their channels, words, clocks and dates."""

from __future__ import annotations

import re

from msgspec import structs

from kaskad.domain.cascade import (
    Anchor,
    Approved,
    Attached,
    Button,
    Calendar,
    Clock,
    Content,
    Span,
    Step,
    Variant,
)
from kaskad.domain.channels import CHANNELS, Needs, takes_approved, tells
from kaskad.domain.condition import ROOTS
from kaskad.domain.definition.form import MAX_TEXT, Form, Report, span_of, text_of, word_of
from kaskad.domain.definition.links import read_utm
from kaskad.domain.definition.schema import ACTIONS, CONTENT, KEYS, ON_FAIL
from kaskad.domain.definition.source import Items, Node, Scalar
from kaskad.domain.definition.trying import read_best_hour, read_choose, read_winner
from kaskad.domain.terms import Channel, Reaction
from kaskad.domain.worded import worded

MAX_STEPS = 50
RESERVED = (*ROOTS, "link")

CHANNEL_WORDS = {channel.value: channel for channel in Channel}
CHANNEL_HABITS = {
    "mail": "email",
    "e-mail": "email",
    "tg": "telegram",
    "wa": "whatsapp",
    "vkontakte": "vk",
    "call": "robot_call",
    "robot": "robot_call",
    "voice": "robot_call",
    "agent": "agent_call",
    "messenger": "facebook_messenger",
    "facebook": "facebook_messenger",
}
REACTION_WORDS = {reaction.value: reaction for reaction in Reaction if reaction is not Reaction.NONE}
REACTION_HABITS = {
    "open": "opened",
    "click": "clicked",
    "reply": "replied",
    "answer": "answered",
    "seen": "read",
    "viewed": "read",
    "sent": "delivered",
    "success": "reacted",
}
_USED_BY = {
    "subject": {Needs.MAIL},
    "html": {Needs.MAIL},
    "mjml": {Needs.MAIL},
    "text": {Needs.MAIL, Needs.TEXT},
    "say": {Needs.SAY},
    "script": {Needs.SCRIPT},
    "buttons": {Needs.TEXT},
    "media": {Needs.MAIL, Needs.TEXT},
    "attach": {Needs.MAIL},
    "calendar": {Needs.MAIL},
}
_DAY = re.compile(r"(?:day\s+)?(\d{1,3})", re.ASCII)


def read_steps(form: Form) -> tuple[Step, ...]:
    """Return the steps as far as they can be read; `next` is resolved."""
    steps: list[Step] = []
    for node, path in form.items("steps", MAX_STEPS):
        steps.append(_step(len(steps), Form(node, path, KEYS["step"], form.report)))
    _check_ids(steps, form.report)
    return tuple(_with_next(step, steps) for step in steps)


def _with_next(step: Step, steps: list[Step]) -> Step:
    later = (other.number for other in steps[step.number + 1 :] if not other.only_branch)
    values = {name: getattr(step, name) for name in step.__struct_fields__}
    return Step(**{**values, "next": next(later, None)})


def _check_ids(steps: list[Step], report: Report) -> None:
    seen: dict[str, int] = {}
    for step in steps:
        place = f"steps[{step.number}].id"
        if step.id in seen:
            report.error(
                place,
                worded("step %(seen)s is named `%(step)s` too", seen=seen[step.id] + 1, step=step.id),
                worded("give each step its own id"),
            )
        elif step.id in RESERVED:
            report.error(
                place,
                worded("`%(step)s` is a word of the language", step=step.id),
                worded("choose another id"),
            )
        elif step.id:
            seen[step.id] = step.number


def _step(number: int, form: Form) -> Step:
    form.require("id", worded("name the step, for example `id: letter`"))
    form.require("channel", worded("name a channel, for example `channel: email`"))
    channels = _channels(form)
    content, variants = _content(form), _variants(form)
    _check_content(form, channels, content, variants)
    only = form.word("only", {"branch": True})
    return Step(
        number=number,
        id=form.slug("id"),
        channels=channels,
        content=content,
        variants=tuple(Variant(one.id, one.weight, _over(content, one.content)) for one in variants),
        success=form.word("success", {**REACTION_WORDS, "none": Reaction.NONE}, REACTION_HABITS),
        wait=_wait(form),
        at=_anchor(form.form("at", KEYS["at"])),
        condition=form.condition("if"),
        holdout=form.percent("holdout") or 0,
        on_fail=form.word("on_fail", {word: word for word in ON_FAIL}) or "",
        keys=_phone_keys(form, channels),
        only_branch=bool(only),
        urgent=form.flag("urgent"),
        account=form.slug("account"),
        utm=read_utm(form.form("utm", KEYS["utm"])),
        choose=read_choose(form, channels),
        winner=read_winner(form, len(variants)),
        best_hour=read_best_hour(form),
    )


def _channels(form: Form) -> tuple[Channel, ...]:
    if not isinstance(form.node("channel"), Items):
        one = form.word("channel", CHANNEL_WORDS, CHANNEL_HABITS)
        return () if one is None else (one,)
    found: list[Channel] = []
    for node, path in form.items("channel", len(Channel)):
        channel = word_of(node, path, form.report, CHANNEL_WORDS, CHANNEL_HABITS)
        if channel in found:
            form.report.error(
                path, worded("`%(channel)s` stands twice", channel=channel), worded("keep one of them")
            )
        elif channel is not None:
            found.append(channel)
    return tuple(found)


def _content(form: Form) -> Content:
    return Content(
        template=form.slug("template"),
        subject=form.text("subject", 1_000),
        html=form.text("html", MAX_TEXT),
        mjml=form.text("mjml", MAX_TEXT),
        text=form.text("text", MAX_TEXT),
        say=form.text("say", MAX_TEXT),
        script=form.text("script", MAX_TEXT),
        buttons=_buttons(form),
        media=tuple(_medium(form, node, path) for node, path in form.items("media", 10)),
        approved=_approved(form.form("approved", KEYS["approved"])),
        attach=tuple(_attached(form, node, path) for node, path in form.items("attach", 10)),
        calendar=_calendar(form.form("calendar", KEYS["calendar"])),
    )


def _attached(form: Form, node: Node, path: str) -> Attached:
    one = Form(node, path, KEYS["attached"], form.report)
    one.require("file", worded("name a saved file: `kaskad file list` shows them"))
    condition = one.condition("if")
    return Attached(one.slug("file"), one.text("name"), condition.text if condition else "")


def _calendar(form: Form | None) -> Calendar | None:
    if form is None:
        return None
    form.require("title", worded("write what stands in the calendar, for example `title: Webinar`"))
    form.require("starts", worded("name the instant, for example `starts: trigger.starts_at`"))
    if form.has("ends") and form.has("lasts"):
        form.report.error(
            form.at("lasts"), worded("`ends` and `lasts` stand together"), worded("keep one of them")
        )
    for key in ("starts", "ends"):
        path = form.name(key)
        if path and path.partition(".")[0] not in ("trigger", "contact"):
            form.report.error(
                form.at(key),
                worded("`%(path)s` is no instant of the run", path=path),
                worded("write trigger.… or contact.…"),
            )
    if form.flag("cancel") and not form.has("uid"):
        remedy = worded("write the `uid` of the appointment that is taken back, here and where it is sent")
        form.report.error(form.at("cancel"), worded("nothing says what is cancelled"), remedy)
    return Calendar(
        form.text("title", 200), form.name("starts"), form.name("ends"), form.span("lasts"),
        form.text("place", 500), form.text("about", 5_000), form.text("uid", 200), form.flag("cancel"),
    )  # fmt: skip


def _approved(form: Form | None) -> Approved | None:
    if form is None:
        return None
    form.require("name", worded("write its name at the service, for example `name: order_ready`"))
    form.require("language", worded("write its language as the service does, for example `language: ru`"))
    return Approved(
        name=form.text("name", 512),
        language=form.text("language", 20),
        parameters=tuple(
            text_of(node, path, form.report, 2_000) for node, path in form.items("parameters", 30)
        ),
        header=form.text("header", 2_000),
        buttons=tuple(_filling(node, path, form.report) for node, path in form.items("buttons", 10)),
    )


def _filling(node: Node, path: str, report: Report) -> str:
    """Return what fills a button; "" is one that has nothing to fill."""
    if isinstance(node, Scalar) and node.value == "":
        return ""
    return text_of(node, path, report, 2_000)


def _buttons(form: Form) -> tuple[Button, ...]:
    found = []
    for node, path in form.items("buttons", 10):
        button = Form(node, path, KEYS["button"], form.report)
        button.require("text", worded("write what stands on the button"))
        if button.has("url") == button.has("reply"):
            form.report.error(
                path,
                worded("a button has either `url` or `reply`"),
                worded("write where it leads, or what it answers"),
            )
        found.append(Button(button.text("text"), button.text("url", 2_000), button.text("reply")))
    return tuple(found)


def _medium(form: Form, node: Node, path: str) -> str:
    if isinstance(node, Scalar) and node.value is not None and node.text.strip() and len(node.text) <= 2_000:
        return node.text
    form.report.error(
        path,
        worded("an item of `media` is an address"),
        worded("write for example https://example.org/cart.png"),
    )
    return ""


def _variants(form: Form) -> tuple[Variant, ...]:
    items = form.items("variants", 20)
    if len(items) == 1:
        form.report.error(
            form.at("variants"),
            worded("one variant compares nothing"),
            worded("add another, or write its text in the step"),
        )
    found: list[Variant] = []
    for node, path in items:
        one = Form(node, path, KEYS["variant"], form.report)
        one.require("id", worded("name the variant, for example `id: a`"))
        name, weight, content = one.slug("id"), one.integer("weight", 1, 1_000, 1), _content(one)
        if name and name in [other.id for other in found]:
            form.report.error(
                one.at("id"),
                worded("two variants are named `%(name)s`", name=name),
                worded("give each its own id"),
            )
        found.append(Variant(name, weight, content))
    return tuple(found)


def _check_content(
    form: Form, channels: tuple[Channel, ...], content: Content, variants: tuple[Variant, ...]
) -> None:
    """Report texts that are missing on a channel, and texts that no channel of the step uses."""
    given = [form.path, *(f"{form.at('variants')}[{index}]" for index in range(len(variants)))]
    for place, words in zip(given, (content, *(variant.content for variant in variants)), strict=True):
        inline = [name for name in CONTENT if name != "template" and getattr(words, name)]
        own = [name for name in inline if name not in ("attach", "calendar")]
        if words.template and own:
            remedy = worded("keep the template, or the texts")
            form.report.error(
                f"{place}.template", worded("`template` and `%(own)s` stand together", own=own[0]), remedy
            )
        for name in inline if channels else ():
            if not any(_uses(channel, name) for channel in channels):
                shown = " or ".join(channels)
                form.report.error(
                    f"{place}.{name}",
                    worded("%(shown)s has no `%(name)s`", shown=shown, name=name),
                    _instead(channels[0]),
                )
    for index, words in enumerate([variant.content for variant in variants] or [content]):
        place = f"{form.at('variants')}[{index}]" if variants else form.path
        _check_needs(form, place, channels, _over(content, words))


def _uses(channel: Channel, name: str) -> bool:
    if name == "subject" and channel is Channel.PUSH:
        return True
    if name in ("buttons", "media") and channel is Channel.SMS:
        return False
    return takes_approved(channel) if name == "approved" else CHANNELS[channel].needs in _USED_BY[name]


def _over(content: Content, variant: Content) -> Content:
    """Return what a variant says: its own words, and the step's where it has none."""
    if variant.template or variant == Content():
        if not variant.template:
            return content
        attach, calendar = variant.attach or content.attach, variant.calendar or content.calendar
        return structs.replace(variant, attach=attach, calendar=calendar)
    own = {name: getattr(variant, name) or getattr(content, name) for name in content.__struct_fields__}
    return Content(**{**own, "template": ""})


def _check_needs(form: Form, place: str, channels: tuple[Channel, ...], words: Content) -> None:
    if words.template:
        return
    for channel in channels:
        needs = CHANNELS[channel].needs
        if needs is Needs.MAIL:
            if not _tried(form, place, "subject") and not words.subject:
                form.report.error(
                    place, worded("the mail has no `subject`"), worded("add one, or name a `template`")
                )
            if not any((words.html, words.mjml, words.text)) and not _tried(
                form, place, "html", "mjml", "text"
            ):
                form.report.error(
                    place,
                    worded("the mail has no body"),
                    worded("add `html`, `mjml` or `text`, or name a `template`"),
                )
        elif not getattr(words, needs.value) and not _tried(form, place, needs.value):
            if takes_approved(channel) and (words.approved or _tried(form, place, "approved")):
                continue
            form.report.error(
                place,
                worded("%(channel)s has nothing to say", channel=channel),
                worded("add `%(value)s`, or name a `template`", value=needs.value),
            )
            return


def _tried(form: Form, place: str, *names: str) -> bool:
    """Return whether one of the keys is there though unreadable, which has been reported already."""
    return any(problem.path == f"{place}.{name}" for problem in form.report.problems for name in names)


def _instead(channel: Channel) -> str:
    needs = CHANNELS[channel].needs
    return (
        worded("use `subject`, and `html`, `mjml` or `text`")
        if needs is Needs.MAIL
        else worded("use `%(value)s`", value=needs.value)
    )


def _wait(form: Form) -> tuple[Clock, ...]:
    node = form.node("wait")
    if node is None:
        return ()
    if not isinstance(node, Items):
        span = span_of(node, form.at("wait"), form.report) if isinstance(node, Scalar) else None
        if not isinstance(node, Scalar):
            remedy = worded("write `wait: 2h`, or `wait: [{unless: opened, for: 24h}]`")
            form.report.error(form.at("wait"), worded("`wait` is a duration or a list of clocks"), remedy)
        return () if span is None else (Clock(unless=Reaction.NONE, span=span),)
    clocks = []
    for item, path in form.items("wait", 10):
        if isinstance(item, Scalar):
            remedy = worded("write `{unless: opened, for: 24h}`; a duration alone stands as `wait: 2h`")
            form.report.error(path, worded("each clock is a mapping"), remedy)
            continue
        clock = Form(item, path, KEYS["clock"], form.report)
        clock.require("unless", worded("name the reaction waited for, for example `unless: opened`"))
        clock.require("for", worded("write how long, for example `for: 24h`"))
        unless = clock.word("unless", REACTION_WORDS, REACTION_HABITS)
        start = clock.word("from", REACTION_WORDS, {**REACTION_HABITS, "sent": ""})
        span = clock.span("for")
        clocks.append(Clock(unless=unless or Reaction.NONE, span=span or Span(), start=start))
    return tuple(clocks)


def _anchor(form: Form | None) -> Anchor | None:
    if form is None:
        return None
    kinds = [key for key in ("before", "after", "on") if form.has(key)]
    if len(kinds) != 1:
        remedy = worded("write `{before: trigger.starts_at, by: 24h}`, `{after: …}` or `{on: day 3}`")
        form.report.error(form.path, worded("`at` has exactly one of `before`, `after`, `on`"), remedy)
        return Anchor(path="trigger")
    if kinds[0] == "on":
        return Anchor(day=_day(form))
    path = form.name(kinds[0])
    if path and path.partition(".")[0] not in ("trigger", "contact"):
        form.report.error(
            form.at(kinds[0]),
            worded("`%(path)s` is no instant of the run", path=path),
            worded("write trigger.… or contact.…"),
        )
    if kinds[0] == "before":
        form.require("by", worded("write how long before, for example `by: 24h`"))
    return Anchor(
        path=path,
        before=kinds[0] == "before",
        by=form.span("by") or Span(),
        earliest_ok=form.span("earliest_ok"),
    )


def _day(form: Form) -> int:
    for key in ("by", "earliest_ok"):
        if form.has(key):
            form.report.error(
                form.at(key),
                worded("`%(key)s` does not go with `on`", key=key),
                worded("remove `%(key)s`", key=key),
            )
    found = _DAY.fullmatch(form.text("on").strip())
    if found is None or not int(found[1]):
        form.report.error(
            form.at("on"),
            worded("`on` names a day of the run"),
            worded("write `on: day 3`; day 1 is the first"),
        )
        return 1
    return int(found[1])


def _phone_keys(form: Form, channels: tuple[Channel, ...]) -> dict[str, str]:
    if form.has("keys") and channels and Channel.ROBOT_CALL not in channels:
        form.report.error(form.at("keys"), worded("only robot_call has `keys`"), worded("remove them"))
    keys = form.form("keys", tuple("0123456789*#"))
    if keys is None:
        return {}
    found = {}
    for key in keys.names():
        action = keys.word(key, {word: word for word in ACTIONS}, {"operator": "agent", "stop": "opt_out"})
        if action:
            found[key] = action
    return found


def check_reactions(step: Step, report: Report) -> None:
    """Report what the step waits for though a channel of it cannot tell, with what to use instead."""
    place = f"steps[{step.number}]"
    wanted = [(f"{place}.success", step.success)]
    for index, clock in enumerate(step.wait):
        wanted += [
            (f"{place}.wait[{index}].unless", clock.unless),
            (f"{place}.wait[{index}].from", clock.start),
        ]
    for path, reaction in wanted:
        if reaction is not None:
            check_told(step.channels, reaction, path, report)


def check_told(channels: tuple[Channel, ...], reaction: Reaction, path: str, report: Report) -> None:
    """Report the first of the channels that cannot tell the reaction."""
    for channel in channels:
        if not tells(channel, reaction):
            known = sorted(CHANNELS[channel].tells)
            best = "reacted" if len(channels) > 1 else CHANNELS[channel].default_success
            report.error(
                path,
                worded("%(channel)s cannot tell `%(reaction)s`", channel=channel, reaction=reaction),
                worded(
                    "write `%(best)s`; %(channel)s tells %(known)s, and `reacted` always works",
                    best=best,
                    channel=channel,
                    known=", ".join(known),
                ),
            )
            return
