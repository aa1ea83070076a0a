"""Settings: when people may be written to, how often, and how long what is known of them is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from kaskad.actions import policy
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.policy import MINUTE, Cap, Counted, Days, PerClass, Window
from kaskad.domain.terms import Channel
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("settings:read")]
Writer = Annotated[Visitor, needs("settings:write")]
DAYS = {
    Days.EVERY: N_("every day"),
    Days.NOT_HOLIDAYS: N_("every day but holidays"),
    Days.WORKING: N_("working days"),
}
COUNTED = {
    Counted.TOUCHES: N_("messages of any kind"),
    Counted.RUNS: N_("passages through cascades"),
}
RETAINED = {  # what is kept, and for what it is needed
    "texts": (
        N_("Texts of messages and replies"),
        N_("Also notes of calls. Links in older messages lead nowhere."),
    ),
    "requests": (N_("Openings and clicks with address and browser"), N_("What machines are told apart by.")),
    "events": (N_("Events of shop, CRM and site"), N_("Conditions and segments look no further back.")),
    "raw_webhooks": (N_("What services have sent, word for word"), N_("For looking into what went wrong.")),
    "proofs": (N_("Proofs of consent of erased people"), N_("What a court or a regulator may ask for.")),
    "unconfirmed": (N_("Sign-ups that nobody has confirmed"), N_("And whom nothing else is known of.")),
}
_WRONG_HOURS = N_("Write hours like 09:00-21:00, several separated by commas.")
_ONE_OF = re.compile(r"[,;\s]+")


class Shown(Struct, frozen=True):
    """A window or a cap in a list: its place there, and what it was when it was shown."""

    place: int
    what: Window | Cap
    mark: str


@router.get("/settings/hours")
def hours(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show where the sender is, and when people may be written to."""
    return _page(office, request, seen, "hours.html")


@router.post("/settings/hours")
async def change_place(office: InOffice, request: Request, seen: Writer) -> Response:
    """Change the sender's country and time zone, and how a backlog is spread."""
    form = await request.form()
    told = {"zone": _text(form, "zone"), "country": _text(form, "country").upper(),
            "window_jitter_ms": _minutes(_text(form, "jitter"))}  # fmt: skip
    return await run_in_threadpool(_keep, office, request, seen, "hours.html", told)


@router.post("/settings/hours/windows")
async def put_window(office: InOffice, request: Request, seen: Writer) -> Response:
    """Keep a window, new or in place of the one that was shown; or take that away."""
    form = await request.form()
    return await run_in_threadpool(_put, office, request, seen, "windows", form)


@router.get("/settings/caps")
def caps(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show how often people may be written to."""
    return _page(office, request, seen, "caps.html")


@router.post("/settings/caps")
async def change_gaps(office: InOffice, request: Request, seen: Writer) -> Response:
    """Change how far messages to one person are apart, and who is held out."""
    form = await request.form()
    told = {
        "min_gap_ms": {each: _minutes(_text(form, f"gap-{each}")) for each in CLASSES},
        "run_gap_ms": {each: _minutes(_text(form, f"run-{each}")) for each in CLASSES},
        "holdout": {each: _hundredths(_text(form, f"holdout-{each}")) for each in CLASSES},
    }
    return await run_in_threadpool(_keep, office, request, seen, "caps.html", told)


@router.post("/settings/caps/caps")
async def put_cap(office: InOffice, request: Request, seen: Writer) -> Response:
    """Keep a cap, new or in place of the one that was shown; or take that away."""
    form = await request.form()
    return await run_in_threadpool(_put, office, request, seen, "caps", form)


@router.get("/settings/retention")
def retention(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show how long what is known of people is kept."""
    return _page(office, request, seen, "retention.html")


@router.post("/settings/retention")
async def change_retention(office: InOffice, request: Request, seen: Writer) -> Response:
    """Change how long what is known of people is kept."""
    form = await request.form()
    told = {"retention": {name: _whole(_text(form, name)) for name in RETAINED}}
    return await run_in_threadpool(_keep, office, request, seen, "retention.html", told)


CLASSES = tuple(PerClass.__struct_fields__)


def _put(office: Office, request: Request, seen: Visitor, kind: str, form: FormData) -> Response:
    """Put one row of a list of the policy: place "" adds it, `do` remove takes it away."""
    page = {"windows": "hours.html", "caps": "caps.html"}[kind]
    rows = list(getattr(policy.show(office), kind))
    place = _whole(_text(form, "place")) if _text(form, "place") else None
    if place is not None and (not 0 <= place < len(rows) or _mark(rows[place]) != _text(form, "mark")):
        raise Conflict(look_of(request, seen)._("Somebody has changed this meanwhile: look at it anew."))
    if _text(form, "do") == "remove" and place is not None:
        del rows[place]
    else:
        try:
            row = _read(kind, form)
        except msgspec.ValidationError as error:
            problem = look_of(request, seen)._(_WRONG_HOURS) if "hours" in str(error) else str(error)
            return _page(office, request, seen, page, wrong=[problem])
        rows = [*rows, row] if place is None else [*rows[:place], row, *rows[place + 1 :]]
    return _keep(office, request, seen, page, {kind: msgspec.to_builtins(tuple(rows))})


def _keep(office: Office, request: Request, seen: Visitor, page: str, told: Mapping[str, Any]) -> Response:
    look = look_of(request, seen)
    try:
        policy.change(office, told)
    except Invalid as error:
        return _page(office, request, seen, page, wrong=[look.told(each) for each in error.worded])
    note(office, seen, "PATCH /policy", ", ".join(told))
    return go(f"/settings/{page.removesuffix('.html')}", look._("Saved."))


def _read(kind: str, form: FormData) -> Window | Cap:
    if kind == "windows":
        return msgspec.convert(_window(form), Window)
    return msgspec.convert(_cap(form), Cap)


def _window(form: FormData) -> dict[str, Any]:
    """Return a window as a form tells it."""
    given = [part for part in _ONE_OF.split(_text(form, "hours").replace("–", "-")) if part]
    return {
        "hours": given or ["00:00-24:00"], "days": _text(form, "days") or "every",
        "channels": form.getlist("channels"), "classes": form.getlist("classes"),
        "countries": [part.upper() for part in _ONE_OF.split(_text(form, "countries")) if part],
        "legal": _text(form, "legal") == "yes",
    }  # fmt: skip


def _cap(form: FormData) -> dict[str, Any]:
    """Return a cap as a form tells it."""
    return {
        "limit": _whole(_text(form, "limit")), "days": _whole(_text(form, "days")),
        "counts": _text(form, "counts") or "touches", "channels": form.getlist("channels"),
        "classes": form.getlist("classes") or ["advertising"],
    }  # fmt: skip


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _whole(text: str) -> int:
    """Return a whole number, -1 for what is none: no limit and no number of days is that."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _minutes(text: str) -> int:
    """Return minutes in milliseconds; nothing is 0."""
    return _whole(text or "0") * MINUTE


def _hundredths(text: str) -> int:
    """Return per cent as hundredths of them; nothing is 0."""
    try:
        return round(float(text.replace(",", ".") or 0) * 100)
    except ValueError:
        return -1


def _mark(row: Window | Cap) -> str:
    return sha256(msgspec.json.encode(row)).hexdigest()[:16]


def _page(
    office: Office, request: Request, seen: Visitor, template: str, *, wrong: list[str] | None = None
) -> Response:  # fmt: skip
    look, kept = look_of(request, seen), policy.show(office)
    return render(
        request, look, template, 422 if wrong else 200, seen=seen, policy=kept, wrong=wrong or [],
        windows=_listed(kept.windows), caps=_listed(kept.caps), classes=CLASSES,
        days={each.value: look._(text) for each, text in DAYS.items()},
        counted={each.value: look._(text) for each, text in COUNTED.items()},
        channels=[each.value for each in Channel], retained=RETAINED, minute=MINUTE,
        cap_words=partial(cap_words, look),
    )  # fmt: skip


def _listed(rows: Sequence[Window | Cap]) -> list[Shown]:
    return [Shown(place, row, _mark(row)) for place, row in enumerate(rows)]


def cap_words(look: Look, cap: Cap) -> str:
    """Return a cap as people read it: "at most 6 messages in 7 days"."""
    if cap.counts is Counted.RUNS:
        what = look.words.ngettext("at most %(num)s passage", "at most %(num)s passages", cap.limit)
    else:
        what = look.words.ngettext("at most %(num)s message", "at most %(num)s messages", cap.limit)
    what = what % {"num": cap.limit}
    if not cap.days:
        return look._("%(what)s in one passage", what=what)
    days = look.words.ngettext("%(num)s day", "%(num)s days", cap.days) % {"num": cap.days}
    return look._("%(what)s in %(days)s", what=what, days=days)
