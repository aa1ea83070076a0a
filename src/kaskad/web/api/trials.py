"""Trials between versions of a cascade: some of those who enter get another version."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import trials
from kaskad.actions.trials import ArmTold, TrialTold
from kaskad.domain.trials import LEAST_AFTER, Rule
from kaskad.store.winners import TrialVerdict
from kaskad.web.api.cascades import READ, WRITE, PausedView, Slug
from kaskad.web.api.fields import Words
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.uplift import IntervalView
from kaskad.web.api.views import Page, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/cascades/{slug}/trials", tags=["cascades"], route_class=IdempotentRoute)
Writer = Annotated[Caller, may(WRITE)]


class ShareTold(Told):
    """How much of those who enter a version is to get; `version` null: the draft, frozen as the next one."""

    version: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    share: Annotated[float, Field(gt=0, lt=100, description="In percent, such as 20.")]


class SharesTold(Told):
    """The versions, each with its share; the others keep theirs."""

    arms: Annotated[list[ShareTold], Field(min_length=1, max_length=trials.MOST)]

    def shares(self) -> dict[int, int]:
        """Return shares of 10 000 by version."""
        return {one.version or trials.NEXT: round(one.share * 100) for one in self.arms}


class RuleTold(Told):
    """When the best version is told apart by itself, by a test that holds however often it is asked."""

    by: Annotated[Literal["goal", "reacted"], Field(description="What counts as a success.")] = "reacted"
    after: Annotated[
        int, Field(ge=LEAST_AFTER, le=10_000_000, description="People of each version whose time is over.")
    ] = 500
    confidence: Annotated[float, Field(ge=80, lt=100, description="In percent, at all looks together.")] = 95
    opt_out: Annotated[
        float | None, Field(ge=0, lt=100, description="None wins by which so much more opt out, in percent.")
    ] = None
    promote: Annotated[
        bool, Field(description="Everybody enters the winner then; else that is left to a person.")
    ] = False

    def rule(self) -> Rule:
        """Return the rule, in shares of 10 000."""
        opt_out = None if self.opt_out is None else round(self.opt_out * 100)
        return Rule(self.by, self.after, round(self.confidence * 100), opt_out, self.promote)

    @classmethod
    def of(cls, rule: Rule) -> RuleTold:
        opt_out = None if rule.opt_out is None else rule.opt_out / 100
        return cls.model_validate(
            {"by": rule.by, "after": rule.after, "confidence": rule.confidence / 100, "opt_out": opt_out,
             "promote": rule.promote}
        )  # fmt: skip


class StartTold(SharesTold):
    """Which versions are to be tried, and by which rule the best is told apart; null: people decide."""

    rule: RuleTold | None = None


class PromotedTold(Told):
    """Which version of the trial everybody is to enter, and why."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    why: Words = ""


class EndedTold(Told):
    """Why the trial ends, in words."""

    why: Words = ""


class ArmView(View):
    """A version of a trial, and what became of those who entered it; the control group is counted nowhere."""

    version: int
    running: Annotated[bool, Field(description="What ran before, and the others are compared with.")]
    share: Annotated[float, Field(description="In percent of those who enter.")]
    entered: int
    people: Annotated[int, Field(description="Who entered for the first time: the lot is judged by them.")]
    under_way: int
    goal: int
    reacted: int
    seen: int
    delivered: int
    opted_out: int
    cost: Annotated[dict[str, int], Field(description="By currency, in minor units.")]
    apart: Annotated[
        dict[str, IntervalView],
        Field(description="How far rates are from those of what ran before: 95 %, however often one looks."),
    ]

    @classmethod
    def of(cls, told: ArmTold) -> ArmView:
        found = told.found
        return cls(
            version=told.version, running=told.running, share=told.share / 100, people=told.people,
            entered=found.entered,
            under_way=found.under_way, goal=found.goal, reacted=found.reacted, seen=found.seen,
            delivered=found.delivered, opted_out=found.opted_out, cost=found.cost,
            apart={name: IntervalView(low=one.low, high=one.high) for name, one in told.apart.items()},
        )  # fmt: skip


class VersionFigures(View):
    """A version when it was decided: people whose time was over, each once, and how many counted."""

    version: int
    people: int
    hits: int
    opted_out: int


class VerdictView(View):
    """That a version has won by the rule, and by which figures; `by` is what counted as a success."""

    at: datetime
    winner: int
    by: str
    versions: list[VersionFigures]
    least: Annotated[
        list[float],
        Field(description="How far ahead it is of each other at least, as a share, in their order."),
    ]

    @classmethod
    def of(cls, told: TrialVerdict) -> VerdictView:
        versions = [
            VersionFigures(version=int(one.id), people=one.of, hits=one.hits, opted_out=one.opted_out)
            for one in told.detail.variants
        ]
        return cls(
            at=instant(told.at), winner=told.winner, by=told.detail.by, versions=versions,
            least=list(told.detail.least),
        )  # fmt: skip


class TrialView(View):
    """A trial: `running`, `promoted` (`winner` is what people enter) or `ended`; what ran before first.

    The figures are of those who entered since `since`, when the shares became what they are.
    """

    id: int
    state: str
    started_at: datetime
    started_by: str
    ended_at: datetime | None
    ended_by: str
    why: str
    winner: int | None
    since: datetime
    arms: list[ArmView]
    rule: RuleTold | None
    verdict: VerdictView | None
    evenly: Annotated[
        float | None,
        Field(description="p-value of the versions getting so many people; below 0.001 compare nothing."),
    ]

    @classmethod
    def of(cls, told: TrialTold) -> TrialView:
        return cls(
            id=told.id, state=told.state, started_at=instant(told.started_at), started_by=told.started_by,
            ended_at=when(told.ended_at), ended_by=told.ended_by, why=told.why, winner=told.winner,
            since=instant(told.since), arms=[ArmView.of(arm) for arm in told.arms],
            rule=None if told.rule is None else RuleTold.of(told.rule),
            verdict=None if told.verdict is None else VerdictView.of(told.verdict),
            evenly=told.evenly,
        )  # fmt: skip


class PausedInView(PausedView):
    """What has become of a paused step in a version."""

    version: int


class StartedView(TrialView):
    """A trial that was begun, or got more versions."""

    paused: Annotated[
        list[PausedInView],
        Field(description="What has become of paused steps in the versions that it got."),
    ]

    @classmethod
    def of(cls, told: TrialTold) -> StartedView:
        paused = [
            PausedInView(version=number, **dict(PausedView.of(one)))
            for number, steps in told.paused.items()
            for one in steps
        ]
        return cls(**dict(TrialView.of(told)), paused=paused)


@router.get("", dependencies=[may(READ)])
def list_trials(office: InOffice, slug: Slug) -> Page[TrialView]:
    """List the trials of a cascade, the latest first, with how the versions did."""
    return Page(items=[TrialView.of(told) for told in trials.listing(office, slug)])


@router.post("", status_code=201)
def start_trial(office: InOffice, slug: Slug, told: StartTold, caller: Writer) -> StartedView:
    """Let some of those who enter get other versions, the same ones each time; or add versions to a trial."""
    rule = told.rule.rule() if told.rule else None
    return StartedView.of(trials.start(office, slug, told.shares(), rule=rule, by=caller.name))


@router.post("/share", dependencies=[may(WRITE)])
def share_trial(office: InOffice, slug: Slug, told: SharesTold) -> TrialView:
    """Change shares of the trial under way; nobody changes sides who need not, figures begin anew."""
    return TrialView.of(trials.share(office, slug, told.shares()))


@router.post("/promote")
def promote_trial(office: InOffice, slug: Slug, told: PromotedTold, caller: Writer) -> TrialView:
    """End the trial under way: everybody enters this version from now on; runs keep theirs."""
    return TrialView.of(trials.promote(office, slug, told.version, by=caller.name, why=told.why))


@router.post("/end")
def end_trial(office: InOffice, slug: Slug, told: EndedTold, caller: Writer) -> TrialView:
    """End the trial under way: everybody enters the version that ran before; runs keep theirs."""
    return TrialView.of(trials.end(office, slug, by=caller.name, why=told.why))
