"""Calls by people, for those who make them: the queue, one task with its context, and what an agent does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from kaskad.actions import timeline
from kaskad.actions.hiding import hidden
from kaskad.actions.names import Names
from kaskad.actions.office import Office
from kaskad.domain import hours
from kaskad.domain.consent import ConsentRow, granting
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.ids import read_task, run_text, task_text
from kaskad.domain.task import DAYS_OF_CALL_BACK
from kaskad.domain.terms import Channel, Disposition, MessageClass, TaskState
from kaskad.domain.worded import worded
from kaskad.engine import agents
from kaskad.engine.agents import Answer, No
from kaskad.store import cards
from kaskad.store import tasks as task_store
from kaskad.store.db import Transaction
from kaskad.store.tasks import Task, TaskKey, Wanted

STATES: Mapping[str, tuple[int, int]] = {
    "live": task_store.LIVE, "all": (0, TaskState.EXPIRED.code),
    **{state.value: (state.code, state.code) for state in TaskState},
}  # fmt: skip
State = Literal["live", "all", "open", "claimed", "done", "withdrawn", "expired"]
LONGEST_NOTES = 20_000
LARGEST = 2**63 - 1
_ENTRIES = 200  # of what happened to the person, the newest
_MASK = "•••"
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class TaskView(Struct, frozen=True):
    """A task with its codes as words, and the name of whom it is about; never the number."""

    task: Task
    id: str
    name: str
    cascade: str
    version: int
    step: str
    account: str
    currency: str
    message_class: str
    state: str
    disposition: str | None
    local_time: datetime


class Window(Struct, frozen=True):
    """When the person may be called: in words, and the next instant at which that is so (None: never)."""

    words: str = ""
    opens_at: int | None = None


class Context(Struct, frozen=True):
    """A task with all that an agent needs to know before dialling."""

    view: TaskView
    script: str
    addresses: list[tuple[str, str]]  # channel and masked value
    attributes: Mapping[str, Any]
    trigger: Mapping[str, Any]
    basis: str
    consented_at: int | None  # None: no consent is needed
    proof: Mapping[str, Any]
    window: Window
    history: list[timeline.Entry]
    number: str = ""  # only for whoever is on the phone with it


class Filter(Struct, frozen=True):
    """Which tasks are meant; what is empty filters nothing."""

    state: State = "live"
    lane: MessageClass | None = None
    agent: str = ""
    account: str = ""
    contact_id: int = 0
    due_before: int | None = None


Place = tuple[int, TaskKey]


def listing(office: Office, wanted: Filter, *, after: Place | None, limit: int) -> list[TaskView]:
    """Return tasks in the order in which they are due; raises NotFound for an account that is none."""
    with office.read() as tx:
        names = Names(office, tx)
        chosen = Wanted(
            STATES[wanted.state], _account(names, wanted.account),
            -1 if wanted.lane is None else wanted.lane.code, wanted.agent, wanted.contact_id,
            2**62 if wanted.due_before is None else wanted.due_before,
        )  # fmt: skip
        return _views(tx, names, task_store.after(tx, chosen, after, limit), office.now())


def after(cursor: str) -> Place | None:
    """Return the place that a cursor of a list is, None for ""; raises Invalid."""
    if not cursor:
        return None
    due, _, name = cursor.partition(".")
    key = read_task(name)
    if key is not None and due.isascii() and due.isdigit() and len(due) < 19 and key[0] <= LARGEST:
        return int(due), key
    raise Invalid(
        [worded("%(cursor)r is no cursor: send `next` of the page before as it was.", cursor=cursor)]
    )


def cursor_of(view: TaskView) -> str:
    """Return the cursor of what comes after a task."""
    return f"{view.task.due_at}.{view.id}"


class Queue(Struct, frozen=True):
    """How the queue stands; `mark` changes whenever it does."""

    waiting: int  # nobody has them
    urgent: int  # of these, who asked for a person
    taken: int
    mark: str


def queue(office: Office) -> Queue:
    """Return how many calls wait and are being made."""
    with office.read() as tx:
        rows = tx.all("metric_tasks")
    free = [row for row in rows if row[1] == TaskState.OPEN.code]
    taken = sum(row[3] for row in rows if row[1] == TaskState.CLAIMED.code)
    mark = " ".join(".".join(str(part) for part in row) for row in sorted(rows))
    return Queue(sum(row[3] for row in free), sum(row[3] for row in free if row[2]), taken, mark)


def brief(office: Office, key: TaskKey) -> TaskView:
    """Return a task without its context; raises NotFound."""
    with office.read() as tx:
        task = task_store.find(tx, key)
        if task is None:
            raise _gone(key)
        return _views(tx, Names(office, tx), [task], office.now())[0]


def show(office: Office, key: TaskKey, agent: str = "") -> Context:
    """Return a task with its context, for the agent who is on the phone with the number; raises NotFound."""
    with office.read() as tx:
        task = task_store.find(tx, key)
        if task is None:
            raise _gone(key)
        number = agents.number(tx, task) if task.on_the_phone and task.agent == agent else ""
        return msgspec.structs.replace(_context(office, tx, Names(office, tx), task), number=number)


def take_next(office: Office, agent: str, account: str = "") -> Context | None:
    """Claim the next task of an account, or of any, for an agent; None: there is none now."""
    with office.read() as tx:
        account_id = _account(Names(office, tx), account)
    answer = Answer(No.AGAIN)
    while answer.no is No.AGAIN:  # each look holds a task back that may not be called, so that this ends
        answer = office.write(
            lambda tx: agents.claim(tx, office.engine.world, agent, office.now(), account_id=account_id)
        )
    return None if answer.task is None else show(office, answer.task.key)


def take(office: Office, key: TaskKey, agent: str) -> Context:
    """Claim one task; raises NotFound, Conflict."""
    _good(key, office.write(lambda tx: agents.claim(tx, office.engine.world, agent, office.now(), key=key)))
    return show(office, key)


def release(office: Office, key: TaskKey, agent: str) -> Context:
    """Give a task back that was not dialled; raises NotFound, Conflict."""
    _good(key, office.write(lambda tx: agents.release(tx, key, agent, office.now())))
    return show(office, key)


def dial(office: Office, key: TaskKey, agent: str) -> tuple[Context, str]:
    """Return the task and the number to call now; raises NotFound, Conflict where it may not be called."""
    answer = office.write(lambda tx: agents.dial(tx, office.engine.world, key, agent, office.now()))
    return show(office, key), _good(key, answer).number


def close(
    office: Office, key: TaskKey, agent: str, disposition: Disposition, *, call_back_at: int | None = None,
    note: str = "",
) -> Context:  # fmt: skip
    """Take how a call ended, which has counted when this returns; raises NotFound, Conflict, Invalid."""
    if (disposition is Disposition.CALLBACK_AT) != (call_back_at is not None):
        raise Invalid(
            [worded("Give `call_back_at` with callback_at, and with nothing else.")], ["/call_back_at"]
        )

    def change(tx: Transaction) -> Answer:
        answer = agents.close(
            tx, office.engine.world, key, agent, disposition, office.now(), call_back_at=call_back_at or 0
        )
        if note and answer.no is None and answer.task is not None:
            _note(tx, answer.task, note, agent, office.now())
        return answer

    _good(key, office.write(change))
    office.tell([])  # until the tick after it, in which the run has heard of it
    return show(office, key)


def note(office: Office, key: TaskKey, text: str, by: str) -> Context:
    """Add to the notes of a task; raises NotFound, Invalid where they become too long."""

    def change(tx: Transaction) -> bool:
        task = task_store.find(tx, key)
        if task is not None:
            _note(tx, task, text, by, office.now())
        return task is not None

    if not office.write(change):
        raise _gone(key)
    return show(office, key)


def _note(tx: Transaction, task: Task, text: str, by: str, now: int) -> None:
    at = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    whole = f"{task.notes}\n{at}, {by}: {text}".lstrip("\n")
    if len(whole) > LONGEST_NOTES:
        raise Invalid(
            [
                worded(
                    "The notes of a task have no more than %(most)s characters.",
                    most=f"{LONGEST_NOTES:,}",
                )
            ]
        )
    tx.run("note_task", **task_store.named(task.key), notes=whole)


def _good(key: TaskKey, answer: Answer) -> Answer:
    """Return the answer; raises NotFound, Conflict or Invalid where it is a no."""
    name, task = task_text(*key), answer.task
    match answer.no:
        case None:
            return answer
        case No.GONE:
            raise _gone(key)
        case No.TIME:
            raise Invalid(
                [
                    worded(
                        "A call back is promised for an instant that lies ahead, within %(days)s days.",
                        days=DAYS_OF_CALL_BACK,
                    )
                ],
                ["/call_back_at"],
            )
        case No.OVER:
            state = TaskState.of(task.state).value if task else "over"
            why = f" ({task.ended.replace('_', ' ')})" if task and task.ended else ""
            raise Conflict(
                worded("%(name)s is %(state)s%(why)s: take the next one.", name=name, state=state, why=why)
            )
        case No.TAKEN:
            raise Conflict(
                worded(
                    "%(name)s is with %(agent)s: take the next one.",
                    name=name,
                    agent=task.agent if task else worded("another agent"),
                )
            )
        case No.AGAIN:
            raise Conflict(worded("There is nobody to call now: ask again."))
        case No.OPEN:
            raise Conflict(worded("%(name)s is nobody's: claim it first.", name=name))
        case No.UNDIALLED:
            raise Conflict(
                worded(
                    "%(name)s was not dialled: only a call has an end. Release it if you do not call.",
                    name=name,
                )
            )
        case No.DIALLED:
            raise Conflict(worded("%(name)s was dialled: say how the call ended.", name=name))
        case No.REFUSED:
            why = answer.why.replace("_", " ")
            raise Conflict(
                worded(
                    "%(name)s: the person may not be called any more (%(why)s); the task is withdrawn.",
                    name=name,
                    why=why,
                )
            )
        case No.LATER:
            until = "" if answer.at is None else f", not before {_utc(answer.at)}"
            raise Conflict(
                worded("%(name)s: not now%(until)s: %(why)s.", name=name, until=until, why=answer.why)
            )


def _utc(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _gone(key: TaskKey) -> NotFound:
    return NotFound(worded("There is no task %(task)s.", task=task_text(*key)))


def _account(names: Names, name: str) -> int:
    if not name:
        return 0
    for account_id, known in names.accounts.items():
        if known == name:
            return account_id
    raise NotFound(worded("There is no account %(name)r: `kaskad account list` shows them.", name=name))


def _views(tx: Transaction, names: Names, tasks: list[Task], now: int) -> list[TaskView]:
    people = {
        row[0]: _decode(row[5]) for row in tx.among("look_contacts", sorted({t.contact_id for t in tasks}))
    } if tasks else {}  # fmt: skip
    return [_view(names, task, people.get(task.contact_id, {}), now) for task in tasks]


def _view(names: Names, task: Task, attributes: Mapping[str, Any], now: int) -> TaskView:
    zone = task.zone if hours.is_zone(task.zone) else "UTC"
    return TaskView(
        task=task,
        id=task_text(*task.key),
        name=str(attributes.get("name", "")),
        cascade=names.cascade(task.version_id),
        version=names.number(task.version_id),
        step=names.step(task.version_id, task.step) or "",
        account=names.accounts.get(task.account_id, ""),
        currency=names.currencies.get(task.account_id, ""),
        message_class=MessageClass.of(task.lane).value,
        state=TaskState.of(task.state).value,
        disposition=Disposition.of(task.disposition).value if task.disposition else None,
        local_time=datetime.fromtimestamp(now / 1000, UTC).astimezone(hours.zone_info(zone)),
    )


def _context(office: Office, tx: Transaction, names: Names, task: Task) -> Context:
    now = office.now()
    people = tx.among("look_contacts", [task.contact_id])
    person = people[0] if people else None
    attributes = _decode(person[5]) if person else {}
    place = {"contact_id": task.contact_id, "run_id": task.run_id, "step": task.step}
    body = tx.one("body_of", **place)
    data = [row[3] for row in tx.among("run_data_of", [task.contact_id]) if row[1] == task.run_id]
    consented_at, proof = _basis(office, tx, task, now)
    run = run_text(task.contact_id, task.run_id)
    entries = timeline.timeline(office, f"con_{task.contact_id}", until=now, limit=_ENTRIES) if person else []
    return Context(
        view=_view(names, task, attributes, now),
        script=hidden(tx, office.signer, str(_decode(body[0]).get("script", ""))) if body else "",
        addresses=[
            (Channel.of(row[1]).value, masked(row[2]))
            for row in tx.among("look_addresses", [task.contact_id])
        ],
        attributes=attributes,
        trigger=_decode(data[0]) if data else {},
        basis=f"none needed: {MessageClass.of(task.lane).value}"
        if consented_at is None
        else f"consent of {_utc(consented_at)}"
        if consented_at
        else "consent, day unknown",
        consented_at=consented_at,
        proof=proof,
        window=_window(office, task, person[3] or "" if person else "", now),
        history=[entry for entry in entries if entry.run in (None, run)],
    )


def _basis(office: Office, tx: Transaction, task: Task, now: int) -> tuple[int | None, Mapping[str, Any]]:
    """Return since when the person agrees to be called, and the proof; None where no consent is needed."""
    message_class = MessageClass.of(task.lane)
    version = office.engine.world.versions.get(task.version_id)
    topic, brand = (version.cascade.topic, version.cascade.brand) if version else ("", "")
    known = cards.consents(tx, task.contact_id)
    rows = [
        ConsentRow(
            each.granted, each.purpose, each.channels, each.topic, each.at, each.expires_at, brand=each.brand
        )
        for each in known
    ]
    place = granting(rows, Channel.AGENT_CALL, message_class, topic, now, brand)
    if place is None:
        return None, {}
    return known[place].at, known[place].proof or {}


def _window(office: Office, task: Task, country: str, now: int) -> Window:
    version = office.engine.world.versions.get(task.version_id)
    if version is None:
        return Window()
    step, policy = version.cascade.steps[task.step], version.policy
    country = country or policy.country
    rule = policy.rule(
        Channel.AGENT_CALL, version.cascade.message_class, country,
        urgent=step.urgent or version.cascade.urgent,
    )  # fmt: skip
    zones = (task.zone,) if hours.is_zone(task.zone) else ("UTC",)
    if not rule:
        return Window("at any hour", now)
    return Window(hours.describe(rule, zones, country), hours.next_allowed(now, rule, zones, country))


def masked(value: str) -> str:
    """Return an address by which its owner may be recognised, and nobody reached."""
    name, at, host = value.partition("@")
    if at:
        return f"{name[:1]}{_MASK}@{host}"
    return f"{value[:2]}{_MASK}{value[-2:]}" if len(value) > 6 else _MASK
