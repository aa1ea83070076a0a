"""Runs and messages: where each contact stands, what was sent, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator, Field

from kaskad.actions import messages, migrating, runs
from kaskad.actions.merging import run_now
from kaskad.actions.messages import MessageView as Message
from kaskad.actions.runs import Filter
from kaskad.actions.runs import RunView as Run
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import contact_text, read_run, run_text
from kaskad.domain.terms import Outcome, RunState
from kaskad.store.runs import RunKey
from kaskad.web.api.cascades import READ, WRITE, Slug
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import LARGEST, Page, Told, View, instant
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1", tags=["runs"], route_class=IdempotentRoute)

Instant = Annotated[datetime, BeforeValidator(lambda at: instant(at) if isinstance(at, int) else at)]
RunId = Annotated[str, Path(max_length=50, description="Such as run_12_345.")]
Step = Annotated[str, Path(min_length=1, max_length=64, description="The step's id.")]
Who = Annotated[
    str | None,
    Query(
        min_length=1, max_length=320, pattern=r"^[^\x00]+$",
        description="A contact's id, external id, e-mail or phone.",
    ),
]  # fmt: skip
Limit = Annotated[int, Query(ge=1, le=1000, description="Items in a page, at most.")]
Cursor = Annotated[str | None, Query(max_length=50, description="`next` of the page before.")]
StepFilter = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
CascadeFilter = Annotated[
    str | None,
    Query(
        min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Of this one; else of all."
    ),
]


class RunView(View):
    """A contact's passage through a version of a cascade; `step` null is before the first."""

    id: str
    contact: str
    cascade: str
    version: int
    state: str
    phase: Annotated[
        str | None, Field(description="What its clock means: enter, queued, submitted, waiting, branch.")
    ]
    step: str | None
    wake_at: Instant | None
    entered_at: Instant
    holdout: bool
    outcome: str | None
    outcome_step: str | None
    late: Annotated[bool, Field(description="The person reacted after the end.")]
    finished_at: Instant | None

    @classmethod
    def of(cls, run: Run) -> RunView:
        return cls.model_validate(_run(run))


class SkipView(View):
    """A step that was passed over without a message."""

    step: str
    channel: str
    reason: str
    detail: str


class SendView(View):
    """What a decision sent."""

    channel: str
    account: str
    variant: int | None


class DecisionView(View):
    """What was decided, and why; `inputs` is what was looked at."""

    at: Instant
    seq: int
    reason: str
    step: str | None
    phase: str
    outcome: str | None
    skips: list[SkipView]
    send: SendView | None
    detail: str
    inputs: dict[str, Any]


class FactView(View):
    """What a provider reported, a person did, or the business saw; `step` null: about the run itself."""

    at: Instant
    step: str | None
    kind: str
    event: str
    value: dict[str, Any]


class ExplainedView(RunView):
    """A run with every decision about it and all facts, the oldest first."""

    doing: Annotated[str, Field(description="What the run does now, in words; empty for one that has ended.")]
    decisions: list[DecisionView]
    facts: list[FactView]


class MessageView(View):
    """A message, or the skip of a step. In minor units: `price` before it is sent, `cost` after it."""

    run: str
    contact: str
    cascade: str
    version: int
    step: str
    channel: str
    account: str | None
    state: str
    reason: Annotated[str | None, Field(description="Of a skip or a failure.")]
    variant: str | None
    facts: list[str]
    not_before: Instant | None
    submitted_at: Instant | None
    sent_at: Instant | None
    attempt: int
    price: int | None
    cost: int | None
    currency: str

    @classmethod
    def of(cls, message: Message) -> MessageView:
        return cls.model_validate(_message(message))


class AttemptView(View):
    """A submission that ended otherwise than accepted."""

    attempt: int
    account: str
    submitted_at: Instant
    ended_at: Instant
    reason: str
    detail: str


class AmountView(View):
    """One step of what a message costs: so much more or less is held from then on, which makes `total`."""

    at: Instant
    what: Annotated[str, Field(description="reserved, charged, answer, receipt, bill, released, free, …")]
    amount: int
    total: int
    source: Annotated[str, Field(description="Of a bill: the name of its file.")]


class WholeMessage(MessageView):
    """A message with its words, its failed attempts, all facts, and how its cost came about."""

    body: dict[str, Any] | None
    attempts: list[AttemptView]
    history: list[FactView]
    money: list[AmountView]


@router.get("/cascades/{slug}/runs", dependencies=[may(READ)])
def list_cascade_runs(
    office: InOffice, slug: Slug, contact: Who = None, state: RunState | None = None,
    outcome: Outcome | None = None, step: StepFilter = None, limit: Limit = 100, cursor: Cursor = None,
) -> Page[RunView]:  # fmt: skip
    """List the runs of a cascade; a page may hold fewer than `limit` although `next` is not null."""
    wanted = Filter(slug, contact or "", state, outcome, step or "")
    found = runs.listing(office, wanted, after=_after(cursor), limit=limit)
    return Page(items=[RunView.of(run) for run in found.runs], next=_next(found.next))


@router.get("/runs", dependencies=[may(READ)])
def list_runs(
    office: InOffice, cascade: CascadeFilter = None, contact: Who = None, state: RunState | None = None,
    outcome: Outcome | None = None, limit: Limit = 100, cursor: Cursor = None,
) -> Page[RunView]:  # fmt: skip
    """List the runs of a contact, or all; a page may hold fewer than `limit` although `next` is not null."""
    wanted = Filter(cascade or "", contact or "", state, outcome)
    found = runs.listing(office, wanted, after=_after(cursor), limit=limit)
    return Page(items=[RunView.of(run) for run in found.runs], next=_next(found.next))


@router.get("/runs/{run}", dependencies=[may(READ)])
def show_run(office: InOffice, run: RunId) -> RunView:
    """Show where a run stands."""
    return RunView.of(runs.find(office, _key(office, run)))


@router.get("/runs/{run}/explain", dependencies=[may(READ)])
def explain_run(office: InOffice, run: RunId) -> ExplainedView:
    """Tell why a person got this message, why not that one, and why then."""
    found = runs.explain(office, _key(office, run))
    return ExplainedView(
        **_run(found.run),
        doing=found.doing,
        decisions=[DecisionView.model_validate(each, from_attributes=True) for each in found.decisions],
        facts=[FactView.model_validate(fact, from_attributes=True) for fact in found.facts],
    )


@router.post("/runs/{run}/cancel")
def cancel_run(office: InOffice, run: RunId, caller: Annotated[Caller, may(WRITE)]) -> RunView:
    """End a run as cancelled; it has ended when this is answered, where a server runs."""
    return RunView.of(runs.cancel(office, _key(office, run), caller.name))


@router.get("/messages", dependencies=[may(READ)])
def list_messages(
    office: InOffice, contact: Who = None,
    run: Annotated[str | None, Query(max_length=50, description="Such as run_12_345.")] = None,
    limit: Limit = 100, cursor: Cursor = None,
) -> Page[MessageView]:  # fmt: skip
    """List the messages of a contact or of a run, with the steps that were skipped."""
    if (contact is None) == (run is None):
        raise Invalid(["Say whose messages: give `contact` or `run`, one of the two."])
    after = messages.BEFORE if cursor is None else _after(cursor)
    if run is not None:
        found = messages.of_run(office, _key(office, run), after=after, limit=limit + 1)
    else:
        found = messages.of_contact(office, contact or "", after=after, limit=limit + 1)
    page, more = found[:limit], len(found) > limit
    end = (page[-1].run_id, page[-1].number) if more else None
    return Page(items=[MessageView.of(message) for message in page], next=_next(end))


@router.get("/messages/{run}/{step}", dependencies=[may(READ)])
def show_message(office: InOffice, run: RunId, step: Step) -> WholeMessage:
    """Show a message with its words, its failed attempts and the facts about it."""
    found = messages.find(office, _key(office, run), step)
    return WholeMessage(
        **_message(found.message),
        body=None if found.body is None else dict(found.body),
        attempts=[AttemptView.model_validate(each, from_attributes=True) for each in found.attempts],
        history=[FactView.model_validate(fact, from_attributes=True) for fact in found.facts],
        money=[AmountView.model_validate(each, from_attributes=True) for each in found.money],
    )


def _run(run: Run) -> dict[str, Any]:
    """Return the fields of a run as the API names them."""
    named = {name: getattr(run, name) for name in run.__struct_fields__ if name in RunView.model_fields}
    return {**named, "id": run_text(*run.key), "contact": contact_text(run.contact_id)}


def _message(message: Message) -> dict[str, Any]:
    """Return the fields of a message as the API names them."""
    fields = message.__struct_fields__
    named = {name: getattr(message, name) for name in fields if name in MessageView.model_fields}
    key = (message.contact_id, message.run_id)
    return {**named, "facts": list(message.facts), "run": run_text(*key), "contact": contact_text(key[0])}


def _key(office: InOffice, text: str) -> RunKey:
    """Return the key of a run's id; raises NotFound."""
    key = read_run(text)
    if key is None:
        raise NotFound(f"There is no run {text!r}: an id is like run_12_345.")
    return run_now(office, key)


def _after(cursor: str | None) -> tuple[int, int]:
    """Return the two numbers of a cursor; raises Invalid."""
    if cursor is None:
        return runs.START
    parts = cursor.split("_")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        first, second = int(parts[0]), int(parts[1])
        if first <= LARGEST and second <= runs.LAST:
            return first, second
    raise Invalid([f"{cursor!r} is no cursor: send `next` of the page before as it was."])


def _next(key: tuple[int, int] | None) -> str | None:
    return None if key is None else f"{key[0]}_{key[1]}"


class MigrateTold(Told):
    """Which version runs go on in; `map` names steps by their new ids; `after` is an answer's `next`."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    map: Annotated[dict[str, str], Field(default_factory=dict, max_length=50)]
    dry_run: bool = False
    after: Annotated[str, Field(max_length=50)] = ""


class MigratedView(View):
    """What was moved in one stretch, or would be; with `next` there is more."""

    moved: int
    places: Annotated[dict[str, int], Field(description="Such as “letter -> chat”: how many runs.")]
    stay: Annotated[dict[str, int], Field(description="Why runs stay on their version: how many.")]
    next: str | None


@router.post("/cascades/{slug}/runs/migrate", dependencies=[may(WRITE)])
def migrate_runs(office: InOffice, slug: Slug, told: MigrateTold) -> MigratedView:
    """Let live runs go on in another version: nothing that was sent is sent again."""
    after = _key(office, told.after) if told.after else migrating.START
    found = migrating.migrate(office, slug, told.version, told.map, after=after, dry_run=told.dry_run)
    return MigratedView(
        moved=found.moved, places=found.places, stay=found.stay,
        next=None if found.next is None else run_text(*found.next),
    )  # fmt: skip
