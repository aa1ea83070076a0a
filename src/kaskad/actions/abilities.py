"""A definition held against what the providers of its accounts can do: less, often, than their channel can.

What no account of a channel can do is an error where the message would be refused or the step could never
do what it says; what only some cannot, or what is merely worse, is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from kaskad.domain.cascade import Cascade, Content, Step
from kaskad.domain.channels import CHANNELS, mask_of, success_mask, tells
from kaskad.domain.definition.checks import longest, shortest
from kaskad.domain.definition.problem import Severity
from kaskad.domain.speech import is_marked
from kaskad.domain.terms import Channel, Kind, Reaction
from kaskad.domain.worded import worded
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account, Capabilities

_KINDS = {
    Reaction.DELIVERED: Kind.DELIVERED,
    Reaction.OPENED: Kind.OPENED,
    Reaction.READ: Kind.READ,
    Reaction.ANSWERED: Kind.ANSWERED,
    Reaction.CLICKED: Kind.CLICKED,
    Reaction.REPLIED: Kind.REPLIED,
}


class Finding(Struct, frozen=True):
    """What is wrong at a place of the definition, and what to do instead."""

    path: str
    message: str
    remedy: str
    severity: Severity


class _Lack(Struct, frozen=True):
    """What one account cannot do at one place; `hard`: an error where no other account can."""

    path: str
    what: str
    remedy: str
    hard: bool


def findings(cascade: Cascade, accounts: Sequence[Account]) -> list[Finding]:
    """Return what the accounts in use cannot do of what the cascade says."""
    found: dict[Finding, None] = {}
    for step in cascade.steps:
        for channel in step.channels:
            carrying = [
                account
                for account in accounts
                if account.channel is channel
                and step.account in ("", account.name)
                and account.provider in PROVIDERS
            ]
            for finding in _of_channel(step, channel, carrying):
                found[finding] = None
    return list(found)


def _of_channel(step: Step, channel: Channel, accounts: Sequence[Account]) -> Iterator[Finding]:
    lacking: dict[_Lack, list[Account]] = {}
    for account in accounts:
        able = PROVIDERS[account.provider].capabilities
        for lack in dict.fromkeys(_lacks(step, channel, able)):
            lacking.setdefault(lack, []).append(account)
    for lack, those in lacking.items():
        names = " and ".join(f"{one.name!r} ({PROVIDERS[one.provider].title})" for one in those)
        severity: Literal["error", "warning"] = (
            "error" if lack.hard and len(those) == len(accounts) else "warning"
        )
        who = (
            worded("account %(names)s", names=names)
            if len(those) == 1
            else worded("accounts %(names)s", names=names)
        )
        yield Finding(lack.path, worded("%(who)s %(what)s", who=who, what=lack.what), lack.remedy, severity)


def _lacks(step: Step, channel: Channel, able: Capabilities) -> Iterator[_Lack]:
    place = f"steps[{step.number}]"
    contents = [(f"{place}.variants[{n}]", variant.content) for n, variant in enumerate(step.variants)]
    for path, content in contents or [(place, step.content)]:
        yield from _of_content(path, channel, content, able)
    if step.keys and channel is Channel.ROBOT_CALL and Kind.KEYPRESS not in able.receipts:
        yield _Lack(
            f"{place}.keys", worded("cannot tell which key was pressed"), worded("remove `keys`"), hard=True
        )
    yield from _of_reactions(step, channel, [content for _, content in contents] or [step.content], able)


def _of_content(place: str, channel: Channel, content: Content, able: Capabilities) -> Iterator[_Lack]:
    count = len(content.buttons)
    if channel not in (Channel.ROBOT_CALL, Channel.AGENT_CALL) and count > able.buttons:
        what = (
            worded("shows at most %(buttons)s buttons", buttons=able.buttons)
            if able.buttons
            else worded("shows no buttons")
        )
        remedy = (
            worded("keep %(buttons)s of them", buttons=able.buttons)
            if able.buttons
            else worded("write the links into the text as well")
        )
        yield _Lack(f"{place}.buttons", what, remedy, hard=bool(able.buttons))
    if content.media and not able.media:
        yield _Lack(
            f"{place}.media",
            worded("sends no pictures or files"),
            worded("write their links into the text"),
            hard=False,
        )
    text = content.say if channel is Channel.ROBOT_CALL else content.text
    name = "say" if channel is Channel.ROBOT_CALL else "text"
    if able.max_text and channel is not Channel.EMAIL and text:
        least, most = len(shortest(text)), len(longest(text))
        n = max(least, most)
        if n > able.max_text:
            if least > able.max_text:
                what = worded("takes %(most)s characters, and the text has %(n)s", most=able.max_text, n=n)
            else:
                what = worded(
                    "takes %(most)s characters, and the text can grow to %(n)s", most=able.max_text, n=n
                )
            yield _Lack(f"{place}.{name}", what, worded("shorten it"), hard=least > able.max_text)
    if name == "say" and not able.ssml and is_marked(text):
        what = worded("takes no SSML: its tags are left out, and a pause becomes a comma")
        yield _Lack(f"{place}.say", what, worded("write it so that it sounds right without them"), hard=False)
    if able.window_ms and content.approved is None:
        hours = able.window_ms // 3_600_000
        what = worded(
            "takes a free text only within %(hours)s hours of the person's last message; else it is skipped",
            hours=hours,
        )
        remedy = (
            worded("add `approved` with a text that the service has approved")
            if able.approved
            else worded("put a step of another channel behind it")
        )
        yield _Lack(place, what, remedy, hard=False)


def _of_reactions(
    step: Step, channel: Channel, contents: Sequence[Content], able: Capabilities
) -> Iterator[_Lack]:
    """Yield the reactions that the step waits for in vain."""
    told = _told(channel, contents, able)
    place, traits = f"steps[{step.number}]", CHANNELS[channel]
    known = ", ".join(sorted(r.value for r, kind in _KINDS.items() if kind.bit & told and tells(channel, r)))
    remedy = (
        worded("write one of %(known)s", known=known)
        if known
        else worded("write `success: none`, and `wait` as a time")
    )
    if step.success is not Reaction.NONE and not success_mask(step.success, channel) & told:
        what = worded("cannot tell that the step has succeeded: everybody goes on to the next one")
        explicit = step.success not in (None, Reaction.REACTED)
        yield _Lack(f"{place}.success" if explicit else place, what, remedy, hard=explicit)
    elif step.success in _KINDS and not _KINDS[step.success].bit & told:
        yield _weak(f"{place}.success", step.success, known)
    for index, clock in enumerate(step.wait or traits.default_wait):
        for key, reaction in (("unless", clock.unless), ("from", clock.start)):
            if reaction is None or reaction not in _KINDS:
                continue
            path = f"{place}.wait[{index}].{key}" if step.wait else place
            if not mask_of(reaction, channel) & told:
                what = (
                    worded("cannot tell `%(reaction)s`", reaction=reaction)
                    if step.wait
                    else worded(
                        "cannot tell `%(reaction)s`, which the channel's wait asks for", reaction=reaction
                    )
                )
                advice = worded("write `wait` as a time, such as `wait: 24h`")
                yield _Lack(
                    path,
                    what,
                    worded("%(remedy)s, or %(advice)s", remedy=remedy, advice=advice) if known else advice,
                    hard=bool(step.wait),
                )
            elif not _KINDS[reaction].bit & told and step.wait:
                yield _weak(path, reaction, known)


def _weak(path: str, reaction: Reaction, known: str) -> _Lack:
    what = worded("cannot tell `%(reaction)s` by itself: only more than that shows it", reaction=reaction)
    return _Lack(path, what, worded("it tells %(known)s", known=known), hard=False)


def _told(channel: Channel, contents: Sequence[Content], able: Capabilities) -> int:
    """Return the facts that can become known: by the provider, and by our own links and pixels."""
    told = 0
    for kind in able.receipts:
        told |= kind.bit
    for reaction in able.reactions & _KINDS.keys():
        told |= _KINDS[reaction].bit
    for content in contents:
        if _has_links(content):
            told |= Kind.CLICKED.bit
        if channel is Channel.EMAIL and content.html:
            told |= Kind.OPENED.bit
    return told


def _has_links(content: Content) -> bool:
    texts = [content.text, content.html]
    if content.approved is not None:
        texts += [*content.approved.parameters, *content.approved.buttons]
    return any("link" in text or "href" in text for text in texts) or any(b.url for b in content.buttons)
