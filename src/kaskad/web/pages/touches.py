"""What happened to a person, as the card words it: a line of the timeline for each entry."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from kaskad.actions.timeline import Entry
from kaskad.domain.cascade import Money
from kaskad.domain.money import format_money
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.words import CHANNEL_ICONS, WORDS, icon

DID = {
    "sent": N_("sent"),
    "delivered": N_("delivered"),
    "opened": N_("Opened the letter"),
    "read": N_("Read the message"),
    "answered": N_("Picked up the phone"),
    "clicked": N_("Clicked"),
    "replied": N_("Replied"),
    "rejected": N_("Refused by the service"),
    "failed": N_("Not delivered"),
    "bounced": N_("Bounced"),
    "expired": N_("Not delivered in time"),
    "unknown": N_("Nothing was heard of it"),
    "unsubscribed": N_("Unsubscribed"),
    "complained": N_("Complained of spam"),
    "machine_opened": N_("Opened by a mail scanner"),
    "machine_clicked": N_("Clicked by a scanner"),
    "suspected_clicked": N_("A click that is in doubt"),
    "machine_answered": N_("An answering machine"),
    "soft_bounced": N_("Bounced, the service tries again"),
    "keypress": N_("Pressed a key"),
    "asked_agent": N_("Asked for a person"),
    "in_doubt": N_("The answer of the service was lost"),
    "no_answer": N_("Nobody picked up"),
    "call_back": N_("Asked to be called later"),
    "goal": N_("Reached the goal"),
    "cancelled": N_("The run was cancelled"),
    "superseded": N_("Entered anew"),
    "erased": N_("Erased"),
    "anchor_cancelled": N_("The date was called off"),
    "returned": N_("What was bought came back"),
}
STATES = {
    "created": N_("made"),
    "queued": N_("in the queue"),
    "submitted": N_("handed over"),
    "sent": N_("sent"),
    "delivered": N_("delivered"),
    "read": N_("read"),
    "rejected": N_("refused"),
    "failed": N_("failed"),
    "bounced": N_("bounced"),
    "expired": N_("out of time"),
    "unknown": N_("unheard"),
    "skipped": N_("skipped"),
    "cancelled": N_("cancelled"),
}
PHASES = {
    "waits for its hour": N_("waits for its hour"),
    "queued": N_("in the queue"),
    "handed over": N_("handed over"),
    "sent": N_("waits for a reaction"),
    "waits for the goal": N_("waits for the goal"),
}
WHY = {
    "anchored": N_("counted from its date"),
    "answer lost": N_("the answer was lost"),
    "branch": N_("a branch of the cascade"),
    "branch waits for the goal": N_("the branch waits for the goal"),
    "due": N_("its hour has come"),
    "failed": N_("the step before did not arrive"),
    "goal": N_("reached the goal"),
    "queued too long": N_("stood in the queue too long"),
    "reacted": N_("the person reacted"),
    "repeated under its key": N_("asked again under its key"),
    "retry": N_("tried again"),
    "tried again": N_("tried again"),
    "silence": N_("no reaction in time"),
    "skipped": N_("the step before was skipped"),
    "stop": N_("stopped"),
    "exit rule": N_("a rule of exit"),
    "holdout": N_("held out as the control group"),
    "late enrolment": N_("entered too late for its first steps"),
    "no step left": N_("no step is left"),
    "paused": N_("the cascade is paused"),
    "step paused": N_("the step is paused"),
    "the person has not written lately": N_("the person has not written lately"),
}
_WINDOW = re.compile(
    r"([\d:-]+(?: or [\d:-]+)*)(?: on (working days|days that are no holidays)(?: of ([A-Z]{2}))?)?"
)
_ZONES = re.compile(r"each of \d+ possible zones \((.+)\)")
DAYS = {
    "working days": N_("on working days"),
    "days that are no holidays": N_("not on holidays"),
}
PURPOSES = {
    "": N_("everything"),
    "advertising": N_("advertising messages"),
    "service": N_("service messages"),
    "transactional": N_("transactional messages"),
    "emergency": N_("emergency messages"),
    "tracking": N_("noting of openings"),
    "recording": N_("recording of calls"),
    "data": N_("keeping of personal data"),
}
_GOOD = {"opened", "read", "answered", "clicked", "replied", "goal", "asked_agent"}
_BAD = {"rejected", "failed", "bounced", "expired", "complained", "unsubscribed", "unknown"}
_ICONS = {
    "opened": icon("mail-open"),
    "read": icon("check-check"),
    "delivered": icon("check"),
    "sent": icon("check"),
    "clicked": icon("mouse-pointer-click"),
    "replied": icon("reply"),
    "goal": icon("target"),
    "unsubscribed": icon("bell-off"),
    "complained": icon("flag"),
    "answered": icon("phone-call"),
}


class Touch(Struct, frozen=True):
    """One line of the timeline: `kind` is good, bad, "" or a channel, which colours its mark."""

    at: int
    what: str
    icon: str
    kind: str
    title: str
    detail: str = ""
    badge: tuple[str, str] = ("", "")
    href: str = ""
    cascade: str = ""


def touch(entry: Entry, look: Look) -> Touch:
    """Return an entry of the timeline in the reader's words."""
    if entry.what == "event":
        return _event(entry, look)
    by_what = {"message": _message, "decision": _decided, "consent": _consent}
    by_kind = {"entered": _entered, "ended": _ended}
    return (by_what.get(entry.what) or by_kind.get(entry.kind) or _fact)(entry, look)


def price_of(entry: Entry, look: Look) -> str:
    """Return what a message cost, else what it will; "" where that is nothing or not known."""
    told = entry.details
    minor = told.get("cost") if told.get("cost") is not None else told.get("price")
    if not minor or not told.get("currency"):
        return ""
    return format_money(Money(int(minor), str(told["currency"])), look.language)


def said(table: dict[str, str], name: str, look: Look) -> str:
    """Return a word of one of the tables; what is not in it as it is."""
    return look._(table[name]) if name in table else name.replace("_", " ")


def known(kind: str, name: str, look: Look) -> str:
    """Return a word of the glossary; what is not in it as it is."""
    return look.word(kind, name) if name in WORDS[kind] else name.replace("_", " ")


def _entered(entry: Entry, look: Look) -> Touch:
    detail = look._("version %(number)s", number=entry.told["version"])
    if entry.told["holdout"]:
        detail += " · " + said(WHY, "holdout", look)
    title = look._("Entered %(name)s", name=entry.cascade)
    return Touch(entry.at, entry.what, icon("log-in"), "", title, detail, cascade=entry.cascade or "")


def _ended(entry: Entry, look: Look) -> Touch:
    outcome = str(entry.told["outcome"])
    kind = (
        "good"
        if outcome in ("converted", "responded")
        else "bad"
        if outcome in ("failed", "complained")
        else ""
    )
    title = look._("%(name)s has ended", name=entry.cascade)
    return Touch(
        entry.at, entry.what, icon("flag-triangle-right"), kind, title, entry.step or "",
        (known("outcome", outcome, look), kind), cascade=entry.cascade or "",
    )  # fmt: skip


def _message(entry: Entry, look: Look) -> Touch:
    state, channel = str(entry.details["state"]), entry.channel or ""
    kind = {"delivered": "info", "read": "good", "sent": "info"}.get(state, "bad" if state in _BAD else "")
    title = known("channel", channel, look)
    parts = [entry.cascade or "", entry.step or "", price_of(entry, look)]
    return Touch(
        entry.at, entry.what, CHANNEL_ICONS[channel], channel, title[:1].upper() + title[1:],
        " · ".join(part for part in parts if part), (said(STATES, state, look), kind),
        f"/messages/{entry.run}/{entry.step}", entry.cascade or "",
    )  # fmt: skip


def _fact(entry: Entry, look: Look) -> Touch:
    kind = "good" if entry.kind in _GOOD else "bad" if entry.kind in _BAD else ""
    title = said(DID, entry.kind, look)
    told = entry.details
    reason = known("reason", str(told["reason"]), look) if told.get("reason") else ""
    call = str(told.get("code", ""))
    said_of_it = (str(told[key]) for key in ("detail", "key", "text", "url") if told.get(key))
    more = (look.coded(each) for each in (call if call in WORDS["call"] else "", *said_of_it))
    parts = list(dict.fromkeys(part for part in (entry.step, reason, *more) if part))
    href = f"/messages/{entry.run}/{entry.step}" if entry.step else ""
    sign = _ICONS.get(entry.kind, icon("circle-x") if kind == "bad" else icon("circle-dot"))
    return Touch(
        entry.at, entry.what, sign, kind, title[:1].upper() + title[1:], " · ".join(parts[:4]), href=href,
        cascade=entry.cascade or "",
    )  # fmt: skip


def _decided(entry: Entry, look: Look) -> Touch:
    told = entry.told
    lines = [_skipped(skip, look) for skip in told["skips"]]
    why = said(WHY, str(told["reason"]), look) if told["reason"] != told["outcome"] else ""
    if told["outcome"]:
        title = look._("Decided to end: %(why)s", why=known("outcome", str(told["outcome"]), look))
    elif told["send"]:
        title = look._(
            "Decided to send %(step)s: %(channel)s", step=entry.step,
            channel=known("channel", str(told["send"]["channel"]), look),
        )  # fmt: skip
    else:
        phase = said(PHASES, str(told["phase"]), look)
        title = f"{entry.step}: {phase}" if entry.step else phase[:1].upper() + phase[1:]
    detail = " · ".join([part for part in (why, detail_of(str(told["detail"] or ""), look)) if part] + lines)
    return Touch(
        entry.at, entry.what, icon("split"), "", title, detail, cascade=entry.cascade or ""
    )  # fmt: skip


def detail_of(detail: str, look: Look) -> str:
    """Return what a decision says more; the hours that `domain/hours.py` describes, in the reader's words."""
    hours, _, zone = detail.rpartition(", in ")
    found = [_WINDOW.fullmatch(each) for each in hours.split(" and ")]
    said = []
    for each in found:
        if each is None:
            return look.told(detail)
        days = f" {look._(DAYS[each[2]])}" if each[2] else ""
        said.append(each[1].replace(" or ", ", ") + days + (f" ({each[3]})" if each[3] else ""))
    zones = _ZONES.fullmatch(zone)
    where = look._("in each possible time zone: %(zones)s", zones=zones[1]) if zones else zone
    return " · ".join([*said, where])


def _skipped(skip: dict[str, str], look: Look) -> str:
    why = known("skip", skip["reason"], look)
    where = known("channel", skip["channel"], look)
    return look._(
        "%(step)s (%(channel)s) is skipped: %(why)s", step=skip["step"], channel=where,
        why=f"{why} ({detail_of(skip['detail'], look)})" if skip["detail"] else why,
    )  # fmt: skip


def _consent(entry: Entry, look: Look) -> Touch:
    granted = entry.kind == "agreed"
    purpose = said(PURPOSES, str(entry.told["purpose"]), look)
    title = (
        look._("Agreed to %(what)s", what=purpose) if granted else look._("Refused %(what)s", what=purpose)
    )
    where = ", ".join(known("channel", str(each), look) for each in entry.told["channels"])
    proof = " · ".join(str(value) for key, value in entry.details.items() if key != "act" and value)
    parts = [where, entry.told["topic"], entry.told["brand"], proof]
    sign = icon("shield-check") if granted else icon("shield-off")
    return Touch(
        entry.at, entry.what, sign, "good" if granted else "bad", title,
        " · ".join(str(part) for part in parts if part),
    )  # fmt: skip


def _event(entry: Entry, look: Look) -> Touch:
    detail = " · ".join(f"{name}: {value}" for name, value in list(entry.details.items())[:6])
    title = look._("Event %(name)s", name=entry.text)
    return Touch(entry.at, entry.what, icon("zap"), "", title, detail)


def days_of(touches: Sequence[Touch], look: Look) -> list[tuple[str, list[Touch]]]:
    """Return the touches by day, as the reader's calendar has it, the newest first."""
    found: list[tuple[str, list[Touch]]] = []
    for each in touches:
        day = look.day(each.at) if each.at > 86_400_000 else ""
        if not found or found[-1][0] != day:
            found.append((day, []))
        found[-1][1].append(each)
    return found
