"""A cascade played before it runs: what is asked, how far it has come, and what came of it.

A simulation takes seconds, in a process of its own; the page looks again each second until it is over. The
last ones are kept in memory, since nobody needs them for long.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct

from kaskad.actions import cascades, simulate
from kaskad.actions.apart import play_apart
from kaskad.actions.audience import Audience
from kaskad.actions.office import Office
from kaskad.actions.simulate import Asked, Prepared, Simulation
from kaskad.domain.condition_values import read_instant
from kaskad.domain.errors import Conflict, Invalid, KaskadError, NotFound
from kaskad.planning.expectations import Checked
from kaskad.planning.simulated import StepPlayed
from kaskad.planning.simulated import Told as Moment
from kaskad.planning.world_file import MOST_PEOPLE
from kaskad.web.auth import InOffice
from kaskad.web.pages import expected
from kaskad.web.pages.cascades import Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.played import Job
from kaskad.web.pages.preview import PEOPLE
from kaskad.web.pages.session import PageRoute, look_of, needs
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.touches import detail_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Player = Annotated[Visitor, needs(PEOPLE)]
Text = Annotated[str, Form(max_length=200)]

PLACE = "/cascades/{slug}/simulate"
USUAL = {"people": "5000", "seed": "1", "start": "", "whom": "", "file": ""}
TRACED = 3
NOTES = {
    "no_prior": N_("Nobody reacts: the field has no figure for this channel. Tell one under `rates`."),
    "no_price": N_("Counted as free: no account tells a price."),
    "condition": N_("Its condition cannot be answered here: played as if it let everybody on."),
    "date_assumed": N_(
        "Its date is taken to be a day after all steps are due, at an hour at which these may go. "
        "Tell it under `trigger`."
    ),
    "copied": N_("There are more people than were looked at: the others are taken to be like them."),
    "paused": N_("It is paused: people wait at it, and nobody knows when it goes on."),
    "passed_over": N_("It is paused: people pass it over."),
}
BASES = {
    "prior": N_("How many react are figures of the field, not of your own people."),
    "others": N_(
        "How many react is known from your other cascades, and where they say little, from the field."
    ),
    "own": N_("How many react is known from this cascade's own past, of which older weeks count less."),
}
MOMENTS = {
    "unanswered": N_("gets no answer from the service"), "missed": N_("reaches nobody"),
    "task": N_("is on the list of the call desk"), "called": N_("is called by an agent"),
    "rejected": N_("may not be called"),
    "entered": N_("enters"), "sent": N_("is sent"), "failed": N_("is refused by the service"),
    "skipped": N_("is passed over"), "waits": N_("waits"), "queued": N_("waits for the service"),
    "delivered": N_("is delivered"), "opened": N_("is opened"), "read": N_("is read"),
    "clicked": N_("is clicked"), "answered": N_("is answered"), "replied": N_("gets a reply"),
    "goal": N_("reaches the goal"), "unsubscribed": N_("says no"),
}  # fmt: skip


class Line(Struct, frozen=True):
    """An expectation as it is read."""

    path: str
    line: int
    expected: str
    got: str
    holds: bool


@router.get(PLACE)
def show(office: InOffice, request: Request, seen: Reader, slug: Slug, job: str = "") -> Response:
    """Show what can be played, how far a simulation has come, or what came of it."""
    found = figures_of(request).played.get(job, slug)
    if found is None:
        return _page(office, request, seen, slug, USUAL)
    if found.error is not None:
        return _page(office, request, seen, slug, found.asked, problems=_problems(request, seen, found.error))
    under_way = found.told is None  # asked first, as it may end while the page is written
    answer = _page(office, request, seen, slug, found.asked, job=found)
    if under_way:
        answer.headers["Refresh"] = "1"
    return answer


@router.post(PLACE)
def play(
    office: InOffice, request: Request, seen: Player, slug: Slug, people: Text = "", seed: Text = "",
    start: Text = "", whom: Text = "", file: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:  # fmt: skip
    """Begin to play a cascade."""
    told = {"people": people, "seed": seed, "start": start, "whom": whom, "file": file.replace("\r\n", "\n")}
    look = look_of(request, seen)
    problems = _unread(look, told)
    if not problems:
        try:
            ready = simulate.prepared(office, slug, _asked(told))
        except (Invalid, NotFound, Conflict) as error:
            problems = _problems(request, seen, error)
    if problems:
        return _page(office, request, seen, slug, told, problems=problems)
    number = secrets.token_urlsafe(9)
    job = Job(slug, told)
    figures_of(request).played.put(number, job)
    threading.Thread(target=_play, args=(ready, job), daemon=True).start()
    return go(f"/cascades/{slug}/simulate?job={number}")


def _play(ready: Prepared, job: Job) -> None:
    try:
        job.told = ready.told(play_apart(ready.scene, job.tell))
    except KaskadError as error:
        job.error = error


def _unread(look: Look, told: Mapping[str, str]) -> dict[str, str]:
    """Return what of the form cannot be read, by field."""
    found = {}
    if not (told["people"].isdecimal() and 0 < int(told["people"]) <= MOST_PEOPLE):
        found["people"] = look._("A whole number from 1 to %(most)s.", most=look.n(MOST_PEOPLE))
    if not (told["seed"].isdecimal() and int(told["seed"]) < 2**31):
        found["seed"] = look._("A whole number.")
    if told["start"] and read_instant(told["start"]) is None:
        found["start"] = look._("Write it like 2026-06-01T10:00+05:00, or leave it empty: now.")
    return found


def _problems(request: Request, seen: Visitor, error: KaskadError) -> dict[str, str]:
    return {"file": look_of(request, seen).refusal(error)}


def _asked(told: Mapping[str, str]) -> Asked:
    whom = told["whom"]
    kind, _, name = whom.partition(" ")
    audience = None
    if kind in ("segment", "list", expected.EVERYBODY):
        audience = Audience(
            list=name if kind == "list" else "", segment=name if kind == "segment" else "",
            everybody=kind == expected.EVERYBODY,
        )  # fmt: skip
    start = read_instant(told["start"]) if told["start"] else None
    return Asked(
        file=told["file"] if told["file"].strip() else "", file_name="", whom=audience,
        typical=whom == expected.TYPICAL, people=int(told["people"]), seed=int(told["seed"]),
        start=None if start is None else int(start), traced=TRACED,
    )  # fmt: skip


def _page(
    office: Office, request: Request, seen: Visitor, slug: str, asked: Mapping[str, str], *,
    problems: Mapping[str, str] | None = None, job: Job | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    told = None if job is None else job.told
    values: dict[str, Any] = {}
    if told is not None:
        values = {
            "drawn": _drawn(look, told), "checks": [_line(look, one) for one in told.checks],
            "notes": [(step, look._(NOTES[note])) for step, note in told.notes],
            "unpriced": {step for step, note in told.notes if note == "no_price"},
            "basis": look._(BASES[told.basis]),
            "moment": lambda what: _moment(look, what), "why": lambda one: _why(look, one),
            "after": lambda ms: _after(look, ms), "passed": lambda step: _passed(look, step),
        }  # fmt: skip
    return render(
        request, look, "simulate.html", 422 if problems else 200, seen=seen, asked=asked,
        cascade=cascades.find(office, slug).overview, problems=problems or {}, job=job, sim=told,
        may_play=seen.may(PEOPLE), **values,
        choices=[("", look._("whom the trigger names")), *expected.choices(look, office)],
    )  # fmt: skip


def _moment(look: Look, what: str) -> str:
    return look._(MOMENTS[what]) if what in MOMENTS else look.word("outcome", what)


def _passed(look: Look, step: StepPlayed) -> str:
    """Return whom a step did not send to, and why: passed over, waiting to the end, not called in time."""
    said = [f"{look.word('skip', why)} {look.n(count)}" for why, count in step.skipped.items()]
    if step.waiting:
        said.append(look._("wait to the end: %(n)s", n=look.n(step.waiting)))
    if step.uncalled:
        said.append(look._("not called in time: %(n)s", n=look.n(step.uncalled)))
    return ", ".join(said)


def _why(look: Look, one: Moment) -> str:
    """Return why something happened to a person; how a run ended says that itself."""
    if one.what == "sent":
        return look.word("channel", one.why)
    if one.what == "skipped":
        reason, _, detail = one.why.partition(" ")
        return f"{look.word('skip', reason)} {detail_of(detail, look)}".rstrip()
    waits = one.what == "waits" and any(letter.isdigit() for letter in one.why)
    return detail_of(one.why, look) if waits else ""


def _drawn(look: Look, found: Simulation) -> dict[str, Any]:
    """Return what js/simulate.js draws: messages by channel, an hour or a day each."""
    hours = found.told.hours
    each = 1 if len(hours) <= 96 else 24
    groups = [hours[at : at + each] for at in range(0, len(hours), each)]
    channels = sorted({name for hour in hours for name in hour})
    return {
        "axis": look._("hours after the start") if each == 1 else look._("days after the start"),
        "channels": [
            {
                "key": name, "name": look.word("channel", name),
                "counts": [sum(hour.get(name, 0) for hour in group) for group in groups],
            }
            for name in channels
        ],
    }  # fmt: skip


def _line(look: Look, one: Checked) -> Line:
    expectation = one.expected
    bounds = []
    if expectation.at_least is not None:
        bounds.append(look._("at least %(amount)s", amount=_amount(look, one, expectation.at_least)))
    if expectation.at_most is not None:
        most = _amount(look, one, expectation.at_most)
        bounds.append(look._("at most %(amount)s", amount=most) if expectation.at_most else look._("none"))
    got = "—" if one.got is None else _amount(look, one, one.got)
    return Line(expectation.path.removeprefix("expect."), expectation.line, ", ".join(bounds), got, one.holds)


def _amount(look: Look, one: Checked, value: float) -> str:
    match one.expected.unit:
        case "share":
            return look.pct(value)
        case "money":
            return look.money({one.expected.currency: round(value)})
        case "time":
            return _after(look, round(value))
    return look.n(value)


def _after(look: Look, ms: int | None) -> str:
    """Return how long after the start something was."""
    if ms is None:
        return "—"
    minutes = ms // 60_000
    if minutes < 60:
        return look._("%(minutes)s min", minutes=minutes)
    if minutes < 24 * 60:
        return look._("%(hours)s h %(minutes)s min", hours=minutes // 60, minutes=minutes % 60)
    return look._("%(days)s d %(hours)s h", days=minutes // (24 * 60), hours=minutes // 60 % 24)
