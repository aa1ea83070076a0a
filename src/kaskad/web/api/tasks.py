"""Calls by people over the API: the queue, one task with its context, and what an agent does with it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, Field

from kaskad.actions import runs, tasks
from kaskad.actions.merging import run_now
from kaskad.actions.tasks import Context, Filter, State
from kaskad.actions.tasks import TaskView as Shown
from kaskad.domain.errors import NotFound
from kaskad.domain.ids import contact_text, read_task, run_text
from kaskad.domain.terms import Disposition, MessageClass
from kaskad.store.tasks import TaskKey
from kaskad.web.api.fields import PLAIN, Instant, encodable
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.runs import Limit, Who
from kaskad.web.api.views import Page, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

READ, WRITE = "tasks:read", "tasks:write"

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], route_class=IdempotentRoute)

TaskId = Annotated[str, Path(max_length=60, description="Such as task_12_345_1_1.")]
Agent = Annotated[
    str | None,
    Field(min_length=1, max_length=80, pattern=PLAIN, description="Who calls; left out: the key's name."),
    AfterValidator(lambda text: None if text is None else encodable(text)),
]
Notes = Annotated[str, Field(max_length=2_000, pattern=PLAIN), AfterValidator(encodable)]


class TaskView(View):
    """A call that a person is to make. `price` is in minor units and counts when the call is dialled."""

    id: str
    state: str
    urgent: bool
    why: Annotated[str, Field(description="Why it is urgent, such as a key that asks for a person.")]
    contact: str
    name: str
    run: str
    cascade: str
    version: int
    step: str
    account: str
    lane: Annotated[str, Field(description="The message's class: emergency and transactional go first.")]
    language: str
    zone: str
    local_time: Annotated[datetime, Field(description="Now, where the person is.")]
    opened_at: datetime
    due_at: Annotated[datetime, Field(description="Then it expires, and the cascade goes on.")]
    not_before: Annotated[datetime, Field(description="Before that nobody is given it.")]
    call_back_at: datetime | None
    agent: str | None
    claimed_at: datetime | None
    lease_until: Annotated[
        datetime | None, Field(description="Not dialled by then, it may be claimed by others.")
    ]
    dialled_at: datetime | None
    dials: int
    misses: Annotated[int, Field(description="Calls that nobody took.")]
    disposition: str | None
    closed_at: datetime | None
    ended: Annotated[str, Field(description="Why it was withdrawn.")]
    price: int
    currency: str
    notes: str

    @classmethod
    def of(cls, shown: Shown) -> TaskView:
        return cls.model_validate(_task(shown))


class AddressView(View):
    """An address of the person, masked: only a dialled task tells the number."""

    channel: str
    masked: str


class WindowView(View):
    """When the person may be called, in words; `opens_at` is now while that is so, null for never."""

    words: str
    opens_at: datetime | None


class EntryView(View):
    """One thing that happened in the cascade, or to the person."""

    at: datetime
    what: str
    text: str
    step: str | None
    channel: str | None
    details: dict[str, Any]


class WholeTask(TaskView):
    """A task with all that an agent needs to know before dialling; `history` is the newest first."""

    script: str
    addresses: list[AddressView]
    attributes: dict[str, Any]
    trigger: Annotated[dict[str, Any], Field(description="Of the event that began it, such as a cart.")]
    basis: Annotated[str, Field(description="By what right the person is called.")]
    proof: dict[str, Any]
    window: WindowView
    dispositions: list[str]
    history: list[EntryView]

    @classmethod
    def whole(cls, context: Context) -> WholeTask:
        return cls.model_validate(_whole(context))


class NextView(View):
    """The task that was claimed; null where there is none to do now."""

    task: WholeTask | None


class DialledView(View):
    """The number to call now, once the last look allowed it."""

    number: str
    task: WholeTask


class ByAgent(Told):
    """Who does it."""

    agent: Agent = None


class NextIn(ByAgent):
    """Who asks for a task, and of which desk."""

    account: Annotated[str, Field(max_length=60, pattern=PLAIN, description="Left out: of any desk.")] = ""


class CloseIn(ByAgent):
    """How the call ended."""

    disposition: Disposition
    call_back_at: Annotated[Instant | None, Field(description="With callback_at: when to call again.")] = None
    note: Notes = ""


class NoteIn(ByAgent):
    """What to add to the notes."""

    text: Annotated[Notes, Field(min_length=1)]


Who_ = Annotated[Caller, may(WRITE)]


@router.get("", dependencies=[may(READ)])
def list_tasks(
    office: InOffice,
    state: Annotated[State, Query(description="`live` is open or claimed.")] = "live",
    lane: Annotated[MessageClass | None, Query(description="Of this message class.")] = None,
    agent: Annotated[
        str, Query(max_length=80, pattern=PLAIN, description="Who has it, or had it last.")
    ] = "",
    account: Annotated[str, Query(max_length=60, pattern=PLAIN, description="Of this desk.")] = "",
    contact: Who = None,
    due_before: Annotated[Instant | None, Query(description="Due then or before.")] = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
) -> Page[TaskView]:
    """List tasks, those that are due first."""
    contact_id = 0
    if contact is not None:
        with office.read() as tx:
            contact_id = runs.find_contact(tx, contact)
    until = None if due_before is None else int(due_before.timestamp() * 1000)
    wanted = Filter(state, lane, agent, account, contact_id, until)
    found = tasks.listing(office, wanted, after=tasks.after(cursor or ""), limit=limit + 1)
    page = found[:limit]
    following = tasks.cursor_of(page[-1]) if len(found) > limit else None
    return Page(items=[TaskView.of(task) for task in page], next=following)


@router.post("/next")
def take_next_task(office: InOffice, request: Request, told: NextIn, caller: Who_) -> NextView:
    """Claim the next task: who asked for a person first, then promised calls, then what is due first."""
    found = tasks.take_next(office, told.agent or caller.name, told.account)
    request.state.about = found.view.id if found else None  # desks ask again and again: that is no change
    return NextView(task=None if found is None else WholeTask.whole(found))


@router.get("/{task}", dependencies=[may(READ)])
def show_task(office: InOffice, task: TaskId) -> WholeTask:
    """Show a task with its context; addresses are masked."""
    return WholeTask.whole(tasks.show(office, _key(office, task)))


@router.post("/{task}/claim")
def claim_task(office: InOffice, task: TaskId, told: ByAgent, caller: Who_) -> WholeTask:
    """Claim this task; 409 where another agent has it or its person may not be called now."""
    return WholeTask.whole(tasks.take(office, _key(office, task), told.agent or caller.name))


@router.post("/{task}/release")
def release_task(office: InOffice, task: TaskId, told: ByAgent, caller: Who_) -> WholeTask:
    """Give a task back that was claimed and not dialled."""
    return WholeTask.whole(tasks.release(office, _key(office, task), told.agent or caller.name))


@router.post("/{task}/dial")
def dial_task(office: InOffice, task: TaskId, told: ByAgent, caller: Who_) -> DialledView:
    """Look a last time whether the person may be called, and tell the number; 409 says why not."""
    context, number = tasks.dial(office, _key(office, task), told.agent or caller.name)
    return DialledView(number=number, task=WholeTask.whole(context))


@router.post("/{task}/close")
def close_task(office: InOffice, task: TaskId, told: CloseIn, caller: Who_) -> WholeTask:
    """Say how the dialled call ended; it has counted for the run when this is answered."""
    agent, key = told.agent or caller.name, _key(office, task)
    back_at = None if told.call_back_at is None else int(told.call_back_at.timestamp() * 1000)
    closed = tasks.close(office, key, agent, told.disposition, call_back_at=back_at, note=told.note)
    return WholeTask.whole(closed)


@router.post("/{task}/notes")
def note_task(office: InOffice, task: TaskId, told: NoteIn, caller: Who_) -> WholeTask:
    """Add to the notes of a task."""
    return WholeTask.whole(tasks.note(office, _key(office, task), told.text, told.agent or caller.name))


def _task(shown: Shown) -> dict[str, Any]:
    task = shown.task
    instants = ("call_back_at", "claimed_at", "lease_until", "dialled_at", "closed_at")
    same = ("why", "agent", "dials", "misses", "ended", "price", "notes", "language", "zone")
    names = ("id", "name", "cascade", "version", "step", "account", "currency", "state", "disposition")
    return {
        **{name: when(getattr(task, name)) for name in instants},
        **{name: getattr(task, name) for name in same},
        **{name: getattr(shown, name) for name in names},
        "urgent": bool(task.urgent),
        "contact": contact_text(task.contact_id),
        "run": run_text(task.contact_id, task.run_id),
        "lane": shown.message_class,
        "local_time": shown.local_time,
        "opened_at": instant(task.opened_at),
        "due_at": instant(task.due_at),
        "not_before": instant(task.not_before),
    }


def _whole(context: Context) -> dict[str, Any]:
    return {
        **_task(context.view),
        "script": context.script,
        "addresses": [{"channel": channel, "masked": value} for channel, value in context.addresses],
        "attributes": dict(context.attributes),
        "trigger": dict(context.trigger),
        "basis": context.basis,
        "proof": dict(context.proof),
        "window": {"words": context.window.words, "opens_at": when(context.window.opens_at)},
        "dispositions": [each.value for each in Disposition],
        "history": [
            {"at": instant(entry.at), "what": entry.what, "text": entry.text, "step": entry.step,
             "channel": entry.channel, "details": dict(entry.details)}
            for entry in context.history
        ],
    }  # fmt: skip


def _key(office: InOffice, text: str) -> TaskKey:
    """Return the key of a task's id; raises NotFound."""
    key = read_task(text)
    if key is None or key[1] > runs.LAST:
        raise NotFound(f"There is no task {text!r}: an id is like task_12_345_1_1.")
    return *run_now(office, key[:2]), *key[2:]
