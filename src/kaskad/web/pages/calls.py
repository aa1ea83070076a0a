"""The agents' desk: who is to be called, and one call with all that an agent needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request, Response
from msgspec import Struct

from kaskad.actions import tasks
from kaskad.actions.merging import run_now
from kaskad.actions.office import Office
from kaskad.actions.tasks import Context, Filter
from kaskad.actions.timeline import Entry
from kaskad.domain import hours
from kaskad.domain.cascade import Money
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import contact_text, read_task
from kaskad.domain.money import format_money
from kaskad.domain.terms import Channel, Disposition
from kaskad.domain.worded import worded
from kaskad.store.tasks import Task, TaskKey
from kaskad.web.auth import InOffice
from kaskad.web.pages.live import shown
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.words import HAPPENED, MESSAGE_STATES, OUTCOMES, icon

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("tasks:read")]
Caller = Annotated[Visitor, needs("tasks:write")]
TaskId = Annotated[str, Path(max_length=60)]
Tab = Literal["waiting", "mine", "taken"]
ROWS = 50
SHOWN = 40  # of what happened
_KEYS = {each: str(place) for place, each in enumerate(Disposition, 1)}
_ICONS = {
    "message": icon("send"), "reaction": icon("mouse-pointer-click"), "receipt": icon("check"),
    "run": icon("workflow"), "consent": icon("shield-check"), "event": icon("zap"),
}  # fmt: skip


class Happened(Struct, frozen=True):
    """One line of what happened to the person, in the reader's words."""

    at: int
    icon: str
    text: str
    channel: str = ""
    step: str = ""
    said: str = ""  # what the person wrote


@router.get("/calls")
def calls(
    office: InOffice, request: Request, seen: Reader, show: Tab = "waiting",
    cursor: Annotated[str, Query(max_length=100)] = "",
) -> Response:  # fmt: skip
    """Show the queue, and which call the reader has."""
    look = look_of(request, seen)
    shows = shown(office, request, look, "calls")
    mine = tasks.listing(office, Filter("claimed", agent=seen.caller.name), after=None, limit=1)
    agent = seen.caller.name if show == "mine" else ""
    wanted = Filter("open" if show == "waiting" else "claimed", agent=agent)
    found = tasks.listing(office, wanted, after=tasks.after(cursor), limit=ROWS + 1)
    following = tasks.cursor_of(found[ROWS - 1]) if len(found) > ROWS else ""
    return render(
        request, look, "calls.html", seen=seen, rows=found[:ROWS], next=following, shows=shows,
        show=show, queue=tasks.queue(office), mine=mine[0] if mine else None, now=office.now(),
        may_call=seen.may("tasks:write"), ended=_ended,
    )  # fmt: skip


@router.post("/calls/next")
def take_next(office: InOffice, request: Request, seen: Caller) -> Response:
    """Give the reader the next call, and show it."""
    found = tasks.take_next(office, seen.caller.name)
    if found is None:
        return go("/calls", look_of(request, seen)._("There is nobody to call now."), "info")
    note(office, seen, "POST /tasks/next", found.view.id)
    return go(f"/calls/{found.view.id}")


@router.get("/calls/{task}")
def call(office: InOffice, request: Request, seen: Reader, task: TaskId) -> Response:
    """Show one call; as a part of an open page also one that is gone since."""
    key = _key(office, task)
    look = look_of(request, seen)
    try:
        shows = shown(office, request, look, "call", task)
        context = tasks.show(office, key, seen.caller.name)
    except NotFound:
        if not request.headers.get("hx-request"):
            raise
        return render(request, look, "call_gone.html", seen=seen, task=task)
    if not request.headers.get("hx-request"):
        note(office, seen, "GET /tasks/{task}", task)
    return _page(office, request, seen, context, shows=shows)


@router.post("/calls/{task}/{action}")
def act(
    office: InOffice, request: Request, seen: Caller, task: TaskId,
    action: Annotated[str, Path(pattern="^(claim|release|dial)$")],
) -> Response:  # fmt: skip
    """Take this call, give it back, or dial: the last look whether the person may be called."""
    key, agent = _key(office, task), seen.caller.name
    if action == "claim":
        tasks.take(office, key, agent)
    elif action == "release":
        tasks.release(office, key, agent)
    else:
        tasks.dial(office, key, agent)
    note(office, seen, f"POST /tasks/{{task}}/{action}", task)
    if action == "release":
        return go("/calls", look_of(request, seen)._("The call was given back."))
    return go(f"/calls/{task}")


@router.post("/calls/{task}")
def close(
    office: InOffice, request: Request, seen: Caller, task: TaskId,
    disposition: Annotated[str, Form(max_length=30)] = "", text: Annotated[str, Form(max_length=2_000)] = "",
    at: Annotated[str, Form(max_length=30)] = "",
) -> Response:  # fmt: skip
    """Take how the call ended with what there is to note, or the note alone; then lead to the queue."""
    look, key, agent = look_of(request, seen), _key(office, task), seen.caller.name
    said = text.strip()
    try:
        if not disposition:
            _noted(look, said)
            tasks.note(office, key, said, agent)
        else:
            how = _disposition(disposition)
            back_at = _call_back_at(office, look, key, at) if how is Disposition.CALLBACK_AT else None
            tasks.close(office, key, agent, how, call_back_at=back_at, note=said)
    except Invalid as error:
        field = "at" if disposition == Disposition.CALLBACK_AT.value else "text"
        shows = shown(office, request, look, "call", task)
        context = tasks.show(office, key, agent)
        problems, given = {field: look.refusal(error)}, {"text": text, "at": at}
        return _page(office, request, seen, context, 422, problems, given, shows=shows)
    note(office, seen, "POST /tasks/{task}/close" if disposition else "POST /tasks/{task}/notes", task)
    if not disposition:
        return go(f"/calls/{task}", look._("Noted."))
    return go("/calls", look._("Noted: %(result)s.", result=look.word("disposition", disposition)))


def _page(
    office: Office, request: Request, seen: Visitor, context: Context, code: int = 200,
    problems: Mapping[str, str] | None = None, given: Mapping[str, str] | None = None, *, shows: str = "",
) -> Response:  # fmt: skip
    look, task, now = look_of(request, seen), context.view.task, office.now()
    mine = task.agent == seen.caller.name
    late_word = mine and not task.live and task.disposition is None and task.was_dialled and task.state != 2
    return render(
        request, look, "call.html", code, seen=seen, call=context, task=task, now=now,
        contact=contact_text(task.contact_id), mine=mine, ended=_ended(look, task),
        may_call=seen.may("tasks:write"), may_open=seen.may("contacts:read"), late_word=late_word,
        on_the_phone=mine and (task.on_the_phone or late_word),
        free=task.live and (task.state == 0 or (mine and not task.on_the_phone)),
        happened=[_happened(look, each) for each in context.history if each.what != "decision"][:SHOWN],
        price=format_money(Money(task.price, context.view.currency), look.language) if task.price else "",
        keys=_KEYS, dispositions=[each.value for each in Disposition], problems=problems or {},
        given=given or {}, shows=shows, zone=task.zone if hours.is_zone(task.zone) else "UTC",
        flat=_flat,
    )  # fmt: skip


def _happened(look: Look, entry: Entry) -> Happened:
    """Return one line of the history in the reader's words."""
    text, said = entry.text, ""
    if entry.what == "message" and (state := str(entry.details.get("state", ""))) in MESSAGE_STATES:
        text = look.word("message", state)
        if entry.channel == Channel.AGENT_CALL.value and state in ("submitted", "sent"):
            text = look._("was put on the list of the call desk")
    elif entry.kind in HAPPENED:
        text = look.word("happened", entry.kind)
        said = str(entry.details.get("text") or "")
    return Happened(
        entry.at, _ICONS.get(entry.what, _ICONS["event"]), text, entry.channel or "", entry.step or "", said
    )


def _ended(look: Look, task: Task) -> str:
    """Return why a task is not wanted any more, in the reader's words; "" where nothing is told."""
    if task.ended in OUTCOMES:
        return look.word("outcome", task.ended)
    return look._("may not be called any more") if task.ended == "refused" else task.ended


def _flat(value: object) -> str:
    """Return a value of a contact or an event as one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_flat(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(_flat(each) for each in value)
    return "—" if value is None else str(value)


def _disposition(told: str) -> Disposition:
    found = next((each for each in Disposition if each.value == told), None)
    if found is None:
        raise Invalid([worded("%(told)r is no end of a call.", told=told)])
    return found


def _noted(look: Look, text: str) -> None:
    if not text:
        raise Invalid([look._("Write what is to be noted.")])


def _call_back_at(office: Office, look: Look, key: TaskKey, told: str) -> int:
    """Return the instant of a wall clock where the person is; raises Invalid."""
    zone = tasks.brief(office, key).task.zone
    try:
        wall = datetime.fromisoformat(told).replace(
            tzinfo=hours.zone_info(zone if hours.is_zone(zone) else "UTC")
        )
    except ValueError:
        raise Invalid([look._("Say when to call back.")]) from None
    return int(wall.timestamp() * 1000)


def _key(office: Office, text: str) -> TaskKey:
    """Return the key of a task's id; raises NotFound."""
    key = read_task(text)
    if key is None or max(key) > tasks.LARGEST:
        raise NotFound(worded("There is no task %(text)r.", text=text))
    return *run_now(office, key[:2]), *key[2:]
