"""What the steps of a cascade say: to one contact, and to its audience."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import audience, templates
from kaskad.actions.audience import Forecast
from kaskad.actions.templates import Which
from kaskad.domain.terms import Channel
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.fields import PLAIN, Json
from kaskad.web.api.fields import Text as ShortText
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.templates import PEOPLE, CheckedView, PreviewView, Source
from kaskad.web.api.views import Told, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/cascades", tags=["templates"], route_class=IdempotentRoute)


class NewStepPreview(Told):
    """Whose message of which step is wanted; without a version of the draft, else of what runs."""

    contact: ShortText
    step: ShortText
    version: Annotated[str, Field(pattern=r"^(|draft|current|[1-9][0-9]{0,8})$")] = ""
    channel: Annotated[Channel | None, Field(description="Of several; else the first.")] = None
    variant: Annotated[str, Field(max_length=64, pattern=PLAIN)] = ""
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]
    definition: Annotated[Source, Field(description="One that nobody has saved, instead of a version.")] = ""
    complete: Annotated[bool, Field(description="Make up what only an event would tell.")] = False


class StepChecked(View):
    """A step on one channel, in one variant, held against the sample."""

    step: str
    channel: str
    variant: str
    found: CheckedView


class CostView(View):
    """An amount in minor units."""

    minor: int
    currency: str


class ForecastView(View):
    """What a cascade would say to its audience; `sample` of `size` contacts were looked at."""

    of: str
    size: int
    sample: int
    steps: list[StepChecked]
    cost: Annotated[list[CostView], Field(description="Of the whole audience, if everybody got every step.")]
    warnings: list[str]

    @classmethod
    def of_forecast(cls, told: Forecast) -> ForecastView:
        steps = [
            StepChecked(
                step=one.step, channel=one.channel, variant=one.variant, found=CheckedView.of(one.found)
            )
            for one in told.steps
        ]  # fmt: skip
        cost = [CostView(minor=money.minor, currency=money.currency) for money in told.cost]
        return cls(
            of=told.of, size=told.size, sample=told.sample, steps=steps, cost=cost,
            warnings=list(told.warnings),
        )  # fmt: skip


class NewForecast(Told):
    """Whom to hold a cascade against, by which definition; without one its draft, else what runs."""

    definition: Annotated[Source, Field(description="YAML or JSON, as it would be activated.")] = ""
    contacts: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    list: Annotated[str, Field(max_length=100, pattern=PLAIN)] = ""
    segment: Annotated[str, Field(max_length=100, pattern=PLAIN)] = ""
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]


@router.post("/{slug}/audience", dependencies=[may(READ), may(PEOPLE)])
def check_audience(office: InOffice, slug: Slug, told: NewForecast) -> ForecastView:
    """Hold every step against the audience: who lacks what, how long SMS become, what all of it costs."""
    return ForecastView.of_forecast(
        audience.look_at(
            office, slug, told.definition, contacts=told.contacts, listed=told.list, segment=told.segment,
            trigger=told.trigger,
        )
    )  # fmt: skip


@router.post("/{slug}/preview", dependencies=[may(READ), may(PEOPLE)])
def preview_step(office: InOffice, slug: Slug, told: NewStepPreview) -> PreviewView:
    """Show what a step would say to a contact; nothing is sent and nothing kept."""
    which = Which(
        told.step, told.contact, told.version, told.channel or "", told.variant, told.trigger,
        told.definition, told.complete,
    )  # fmt: skip
    return PreviewView.of(templates.preview_step(office, slug, which))
