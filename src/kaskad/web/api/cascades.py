"""Cascades: definitions, versions, activation, and control of what runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import Field

from kaskad.actions import cascade_texts, cascades, version_canaries
from kaskad.actions.canaries import LEAST, wanted
from kaskad.actions.cascades import Controlled, Overview, Plan, Saved
from kaskad.actions.step_pauses import PausedStep
from kaskad.domain.definition import Loaded, Problem
from kaskad.store.cascades import DraftRow, VersionRow
from kaskad.web.api.definition import Definition, in_body
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/cascades", tags=["cascades"], route_class=IdempotentRoute)

READ, WRITE = "cascades:read", "cascades:write"
Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="The cascade's name.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The version's number.")]
Which = Annotated[str, Query(pattern=r"^(draft|current|[1-9][0-9]{0,8})$")]


class Finding(View):
    """Something about a definition: where, what, and what to do."""

    line: int
    column: int
    path: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str

    @classmethod
    def of(cls, problem: Problem) -> Finding:
        return cls(
            line=problem.line,
            column=problem.column,
            path=problem.path,
            severity=problem.severity,
            message=problem.message,
            remedy=problem.remedy,
        )


class StepOutline(View):
    """A step and the channels it may use."""

    id: str
    channels: list[str]


class CascadeView(View):
    """A cascade and where it stands; hold-outs are counted nowhere here."""

    slug: str
    title: str
    state: str
    message_class: Annotated[str, Field(serialization_alias="class")]
    trigger: str
    steps: list[StepOutline]
    version: int | None
    activated_at: datetime | None
    drafted: Annotated[bool, Field(description="A draft waits to be activated.")]
    entered: int
    under_way: int
    changed_at: datetime
    uncounted: Annotated[
        int, Field(description="So many runs that have changed, or more, are not in these counts yet.")
    ]
    paused_steps: Annotated[list[str], Field(description="Steps that are paused while the rest goes on.")]

    @classmethod
    def of(cls, told: Overview) -> CascadeView:
        return cls(
            slug=told.slug,
            title=told.title,
            state=told.state,
            message_class=told.message_class,
            trigger=told.trigger,
            steps=[StepOutline(id=step.id, channels=list(step.channels)) for step in told.steps],
            version=told.version,
            activated_at=when(told.activated_at),
            drafted=told.drafted,
            entered=told.entered,
            under_way=told.under_way,
            changed_at=instant(told.changed_at),
            uncounted=told.uncounted,
            paused_steps=list(told.paused_steps),
        )


class DraftView(View):
    """A definition that is not in force yet."""

    source: str
    saved_at: datetime
    saved_by: Annotated[str, Field(description="Who has saved it; empty where that is not known.")]


class WholeView(CascadeView):
    """A cascade with its texts."""

    source: str | None
    draft: DraftView | None
    revision: Annotated[str, Field(description="Names the text; goes as If-Match with the next one.")]


class CheckView(View):
    """What a definition holds, and all that is wrong with it."""

    ok: bool
    cascade: str | None
    steps: int | None
    problems: list[Finding]

    @classmethod
    def of(cls, loaded: Loaded) -> CheckView:
        cascade = loaded.cascade
        return cls(
            ok=cascade is not None,
            cascade=cascade.id if cascade else None,
            steps=len(cascade.steps) if cascade else None,
            problems=[Finding.of(problem) for problem in loaded.problems],
        )


class SavedView(View):
    """A definition that was saved as a draft; with errors it can be changed, not activated."""

    slug: str
    state: str
    ok: bool
    problems: list[Finding]
    revision: str

    @classmethod
    def of(cls, saved: Saved) -> SavedView:
        found = [Finding.of(problem) for problem in saved.problems]
        return cls(
            slug=saved.slug, state=saved.state, ok=saved.ok, problems=found, revision=saved.revision
        )  # fmt: skip


class VersionView(View):
    """A version that people have entered by."""

    number: int
    activated_at: datetime

    @classmethod
    def of(cls, row: VersionRow) -> VersionView:
        return cls(number=row.number, activated_at=instant(row.activated_at))


class VersionText(VersionView):
    """A version with its definition as written."""

    source: str


class InFlightView(View):
    """How many runs stand at a step of a version; step "" is before the first."""

    version: int
    step: str
    runs: int


class PausedView(View):
    """What becomes of a paused step in a version, and that in words."""

    step: str
    what: Annotated[
        Literal["waits", "passed_over", "sent_again", "gone"],
        Field(
            description="It stays paused, and people wait at it or pass it over; it has changed since a "
            "guardrail paused it, and is sent; the version has no step of that name."
        ),
    ]
    words: str

    @classmethod
    def of(cls, told: PausedStep) -> PausedView:
        return cls.model_validate({"step": told.step, "what": told.what, "words": str(told.words)})


class PlanView(View):
    """What activating would change; `ok` says whether it can be done."""

    slug: str
    ok: bool
    changes: bool
    version: int
    diff: str
    problems: list[Finding]
    missing: Annotated[list[str], Field(description="Accounts that are missing or do not fit, in words.")]
    in_flight: list[InFlightView]
    spared: Annotated[list[str], Field(description="Steps that the law leaves out for a country.")]
    unapproved: Annotated[int, Field(description="Texts that wait for an approval, each in `problems`.")]
    paused: Annotated[list[PausedView], Field(description="What would become of steps that are paused.")]

    @classmethod
    def of(cls, plan: Plan) -> PlanView:
        flying = [InFlightView(version=f.version, step=f.step, runs=f.runs) for f in plan.in_flight]
        return cls(
            slug=plan.slug,
            ok=plan.ok,
            changes=plan.changes,
            version=plan.version,
            diff=plan.diff,
            problems=[Finding.of(problem) for problem in plan.problems],
            missing=list(plan.missing),
            in_flight=flying,
            spared=list(plan.spared),
            unapproved=plan.unapproved,
            paused=[PausedView.of(one) for one in plan.paused],
        )


class ControlledView(View):
    """What a cascade is now, and how many runs that concerns."""

    slug: str
    state: str
    runs: int

    @classmethod
    def of(cls, told: Controlled) -> ControlledView:
        return cls(slug=told.slug, state=told.state, runs=told.runs)


class ActivatedView(ControlledView):
    """The version that people enter from now on; `runs` are under way."""

    version: int
    canary: Annotated[int | None, Field(description="The version that a share of them enters instead.")]
    paused: Annotated[
        list[PausedView], Field(description="What has become of paused steps in it, or in the `canary`.")
    ]


class ActivationTold(Told):
    """How the draft is activated: for all at once, or for a share of those who enter first."""

    canary: Annotated[
        str, Field(max_length=20, description="Such as 1%: so many get it first; empty: all at once.")
    ] = ""
    canary_after: Annotated[
        str, Field(max_length=20, description="After what time it is judged, 6h; else the first step's own.")
    ] = ""
    canary_people: Annotated[
        int, Field(ge=1, le=1_000_000, description="So many must have entered before it is judged.")
    ] = LEAST


@router.get("", dependencies=[may(READ)])
def list_cascades(office: InOffice) -> Page[CascadeView]:
    """List all cascades by name, with their counts."""
    return Page(items=[CascadeView.of(told) for told in cascades.listing(office)])


@router.post("/check", dependencies=[may(READ)], openapi_extra=in_body())
def check_definition(
    office: InOffice,
    text: Definition,
    accounts: Annotated[
        bool, Query(description="Also tell what the accounts that there are cannot do of it.")
    ] = False,
) -> CheckView:
    """Tell all that is wrong with a definition; nothing is saved."""
    return CheckView.of(cascades.check(text, office if accounts else None))


@router.get("/{slug}", dependencies=[may(READ)])
def show_cascade(office: InOffice, slug: Slug) -> WholeView:
    """Show a cascade with the text that runs and the draft."""
    found = cascades.find(office, slug)
    draft = found.draft
    return WholeView(
        **dict(CascadeView.of(found.overview)),
        source=found.source,
        draft=_draft(draft) if draft else None,
        revision=found.revision,
    )


def _draft(row: DraftRow) -> DraftView:
    return DraftView(source=row.source, saved_at=instant(row.saved_at), saved_by=row.saved_by)


@router.put("/{slug}", openapi_extra=in_body())
def put_cascade(
    office: InOffice, slug: Slug, text: Definition, caller: Annotated[Caller, may(WRITE)],
    if_match: Annotated[
        str, Header(description="The `revision` that was read: 409 where it is another one by now.")
    ] = "",
) -> SavedView:  # fmt: skip
    """Save a definition as the cascade's draft, with its mistakes if it has some; nothing runs by it yet."""
    saved = cascades.put(office, slug, text, by=caller.name, revision=if_match.strip().strip('"'))
    return SavedView.of(saved)


@router.get("/{slug}/versions", dependencies=[may(READ)])
def list_versions(office: InOffice, slug: Slug) -> Page[VersionView]:
    """List the versions of a cascade, the latest first."""
    return Page(items=[VersionView.of(row) for row in cascade_texts.versions(office, slug)])


@router.get("/{slug}/versions/{number}", dependencies=[may(READ)])
def show_version(office: InOffice, slug: Slug, number: Number) -> VersionText:
    """Show a version with its definition as written."""
    row = cascade_texts.version(office, slug, number)
    return VersionText(number=row.number, activated_at=instant(row.activated_at), source=row.source)


@router.get(
    "/{slug}/diff", dependencies=[may(READ)], response_class=Response,
    responses={200: {"content": {"text/x-diff": {"schema": {"type": "string"}}}}},
)  # fmt: skip
def diff_versions(office: InOffice, slug: Slug, old: Which = "current", new: Which = "draft") -> Response:
    """Show how two texts differ, as a unified diff; each is a version's number, `current` or `draft`."""
    return Response(cascade_texts.diff(office, slug, old, new), media_type="text/x-diff")


@router.post("/{slug}/plan", dependencies=[may(READ)], openapi_extra=in_body(required=False))
def plan_activation(office: InOffice, slug: Slug, text: Definition) -> PlanView:
    """Tell what activating the definition in the body, else the draft, would change; nothing is saved."""
    return PlanView.of(cascades.plan(office, slug, text or None))


@router.post("/{slug}/activate")
def activate_cascade(
    office: InOffice, slug: Slug, caller: Annotated[Caller, may(WRITE)], how: ActivationTold | None = None
) -> ActivatedView:
    """Let people enter by the draft from now on; runs under way keep their version.

    With a `canary` that share of those who enter gets the draft, as the next version, until it is judged.
    """
    asked = how or ActivationTold()
    canary = wanted(asked.canary, asked.canary_after)
    if canary is not None:
        begun = version_canaries.begin(office, slug, canary, people=asked.canary_people, by=caller.name)
        now = cascades.find(office, slug).overview
        return ActivatedView(
            slug=slug, state=now.state, runs=now.under_way, version=begun.base, canary=begun.version,
            paused=[PausedView.of(one) for one in begun.paused],
        )  # fmt: skip
    told = cascades.activate(office, slug)
    return ActivatedView(
        slug=told.slug, state=told.state, runs=told.runs, version=told.version or 0, canary=None,
        paused=[PausedView.of(one) for one in told.paused],
    )  # fmt: skip


@router.post("/{slug}/pause", dependencies=[may(WRITE)])
def pause_cascade(office: InOffice, slug: Slug) -> ControlledView:
    """Send nothing from now on; `runs` keep their places and their clocks."""
    return ControlledView.of(cascades.pause(office, slug))


@router.post("/{slug}/resume")
def resume_cascade(office: InOffice, slug: Slug, caller: Annotated[Caller, may(WRITE)]) -> ControlledView:
    """Send again; `runs` wanted to meanwhile and look again now. Guardrails watch anew from here."""
    return ControlledView.of(cascades.resume(office, slug, by=caller.name))


@router.post("/{slug}/stop", dependencies=[may(WRITE)])
def stop_cascade(office: InOffice, slug: Slug) -> ControlledView:
    """End the cascade for good; `runs` were under way and are cancelled."""
    return ControlledView.of(cascades.stop(office, slug))
