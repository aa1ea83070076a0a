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

from kaskad.actions import control, policy
from kaskad.actions.control import Control
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.policy import MINUTE, Cap, Counted, Days, PerClass, Window
from kaskad.domain.terms import Channel
from kaskad.web.auth import InOffice
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.soon import BeingCounted, Busy

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
_WRONG_MINUTES = N_("Write a whole number of minutes, 0 for none.")
_WRONG_SHARE = N_("Write per cent from 0 to 100, such as 10 or 2,5.")
_WRONG_HALF = N_("Write per cent from 0 to 50, such as 5.")
_WRONG_DAYS = N_("Write a whole number of days, 0 for ever.")
_WRONG_LIMIT = N_("Write how many at most, 1 or more.")
_WRONG_SPAN = N_("Write a whole number of days; 0 stands for one passage, and passages are counted in days.")
HALF = 5_000
LONGEST_DAYS = 36_500
_ONE_OF = re.compile(r"[,;\s]+")


class Shown(Struct, frozen=True):
    """A window or a cap in a list: its place there, and what it was when it was shown."""

    place: int
    what: Window | Cap
    mark: str


class Given(Struct, frozen=True):
    """What a form told that cannot be kept, with what is wrong by field; `row` is the one it is for."""

    told: FormData
    problems: Mapping[str, str]
    row: Shown | None = None
    is_row: bool = False

    def text(self, name: str) -> str:
        """Return what stands in a field."""
        return _text(self.told, name)

    def several(self, name: str) -> list[str]:
        """Return what is chosen of several."""
        return [each for each in self.told.getlist(name) if isinstance(each, str)]


@router.get("/settings/hours")
def hours(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show where the sender is, and when people may be written to."""
    return _page(office, request, seen, "hours.html")


@router.post("/settings/hours")
async def change_place(office: InOffice, request: Request, seen: Writer) -> Response:
    """Change the sender's country and time zone, and how a backlog is spread."""
    form = await request.form()
    jitter = _minutes(_text(form, "jitter"))
    told = {"zone": _text(form, "zone"), "country": _text(form, "country").upper(),
            "window_jitter_ms": jitter}  # fmt: skip
    wrong = {} if 0 <= jitter <= policy.DAY_MS else {"jitter": _WRONG_MINUTES}
    return await run_in_threadpool(_keep, office, request, seen, "hours.html", told, form, wrong)


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
    told: dict[str, dict[str, int]] = {}
    wrong: dict[str, str] = {}
    for key, begin, read, most, why in GAPS:
        told[key] = {each: read(_text(form, f"{begin}-{each}")) for each in CLASSES}
        wrong |= {f"{begin}-{each}": why for each, value in told[key].items() if not 0 <= value <= most}
    return await run_in_threadpool(_keep, office, request, seen, "caps.html", told, form, wrong)


@router.post("/settings/caps/control")
async def change_control(office: InOffice, request: Request, seen: Writer) -> Response:
    """Change which share of people gets no advertising at all, and what is counted of them."""
    form = await request.form()
    share = _hundredths(_text(form, "control-share"))
    kept = msgspec.to_builtins((await run_in_threadpool(policy.show, office)).control)
    days = {name: _text(form, f"control-{name}") or None for name in ("since", "until")}
    words: dict[str, object] = {name: _text(form, f"control-{name}") for name in ("event", "value")}
    back = {name: _text(form, f"control-returned-{name}") for name in ("event", "value", "order")}
    words |= {"returned": back if back["event"] else None}
    told = {"control": {**kept, "share": share, **days, **words}}
    wrong = {} if 0 <= share <= HALF else {"control-share": _WRONG_HALF}
    return await run_in_threadpool(_keep, office, request, seen, "caps.html", told, form, wrong)


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
    days = {name: _whole(_text(form, name)) for name in RETAINED}
    wrong = {name: _WRONG_DAYS for name, value in days.items() if not 0 <= value <= LONGEST_DAYS}
    told = {"retention": days}
    return await run_in_threadpool(_keep, office, request, seen, "retention.html", told, form, wrong)


def _put(office: Office, request: Request, seen: Visitor, kind: str, form: FormData) -> Response:
    """Put one row of a list of the policy: place "" adds it, `do` remove takes it away."""
    page = {"windows": "hours.html", "caps": "caps.html"}[kind]
    rows = list(getattr(policy.show(office), kind))
    place = _whole(_text(form, "place")) if _text(form, "place") else None
    if place is not None and (not 0 <= place < len(rows) or _mark(rows[place]) != _text(form, "mark")):
        raise Conflict(look_of(request, seen)._("Somebody has changed this meanwhile: look at it anew."))
    wrong: dict[str, str] = {}
    if _text(form, "do") == "remove" and place is not None:
        del rows[place]
    else:
        row, wrong = _row(kind, form)
        if row is not None:
            rows = [*rows, row] if place is None else [*rows[:place], row, *rows[place + 1 :]]
    told = {kind: msgspec.to_builtins(tuple(rows))}
    return _keep(office, request, seen, page, told, form, wrong, place=place, is_row=True)


def _row(kind: str, form: FormData) -> tuple[Window | Cap | None, dict[str, str]]:
    """Return a window or a cap as a form tells it, or by field what is wrong with it."""
    if kind == "windows":
        try:
            return msgspec.convert(_window(form), Window), {}
        except msgspec.ValidationError:  # all else is chosen
            return None, {"hours": _WRONG_HOURS}
    told, wrong = _cap(form), {}
    if told["limit"] < 1:
        wrong["limit"] = _WRONG_LIMIT
    if told["days"] < (1 if told["counts"] == Counted.RUNS else 0):
        wrong["days"] = _WRONG_SPAN
    return (None, wrong) if wrong else (msgspec.convert(told, Cap), {})


def _keep(
    office: Office, request: Request, seen: Visitor, page: str, told: Mapping[str, Any], form: FormData,
    wrong: Mapping[str, str], *, place: int | None = None, is_row: bool = False,
) -> Response:  # fmt: skip
    """Keep a part of the policy, or show the form as it was filled in, with what is wrong at its fields."""
    look = look_of(request, seen)
    problems = {name: look._(text) for name, text in wrong.items()}
    if not (is_row and problems):
        try:
            policy.change(office, told)  # it refuses what is in `wrong` too
        except Invalid as error:
            found = _by_field(look, error)
            problems = {name: text for name, text in found.items() if name or not problems} | problems
    if problems:
        rows = _listed(getattr(policy.show(office), next(iter(told)))) if place is not None else []
        row = rows[place] if place is not None and place < len(rows) else None
        return _page(office, request, seen, page, given=Given(form, problems, row, is_row))
    note(office, seen, "PATCH /policy", ", ".join(told))
    return go(f"/settings/{page.removesuffix('.html')}", look._("Saved."))


def _by_field(look: Look, error: Invalid) -> dict[str, str]:
    """Return what is wrong by the field that it begins with; "" is none of them."""
    found: dict[str, str] = {}
    for text in error.worded:
        name = str(text).split(" ")[0]
        field = name if name in ("zone", "country") else ""
        found[field] = f"{found.get(field, '')} {look.told(text)}".strip()
    return found


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


CLASSES = tuple(PerClass.__struct_fields__)
GAPS = (  # of the policy: how its fields begin, how they are read, the most, what is said of others
    ("min_gap_ms", "gap", _minutes, policy.MONTH_MS, _WRONG_MINUTES),
    ("run_gap_ms", "run", _minutes, policy.MONTH_MS, _WRONG_MINUTES),
    ("holdout", "holdout", _hundredths, 10_000, _WRONG_SHARE),
)


def _mark(row: Window | Cap) -> str:
    return sha256(msgspec.json.encode(row)).hexdigest()[:16]


def _page(
    office: Office, request: Request, seen: Visitor, template: str, *, given: Given | None = None
) -> Response:  # fmt: skip
    look, kept = look_of(request, seen), policy.show(office)
    return render(
        request, look, template, 422 if given else 200, seen=seen, policy=kept, given=given,
        problems=given.problems if given else {}, filled=partial(_filled, given),
        windows=_listed(kept.windows), caps=_listed(kept.caps), classes=CLASSES,
        days={each.value: look._(text) for each, text in DAYS.items()},
        counted={each.value: look._(text) for each, text in COUNTED.items()},
        channels=[each.value for each in Channel], retained=RETAINED, minute=MINUTE,
        cap_words=partial(cap_words, look),
        measured=_measured(office, request) if template == "caps.html" else None,
    )  # fmt: skip


def _measured(office: Office, request: Request) -> Control | None:
    """Return what the control group shows; None while it is being counted, or too much else is: a part of
    the page asks for it again."""
    name = msgspec.json.encode(policy.show(office).control).decode()
    try:
        return figures_of(request).controls.soon(name, lambda: control.show(office))
    except (BeingCounted, Busy):
        if request.headers.get("hx-request"):
            raise
        return None


def _filled(given: Given | None, name: str, kept: object) -> object:
    """Return what a field of the page's own form shows: what was typed in a wrong form, else what is kept."""
    return given.text(name) if given and not given.is_row else kept


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
