"""What was learnt of the channels of a cascade's steps."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import learning
from kaskad.actions.learning import StepLearnt
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/cascades", tags=["cascades"], route_class=IdempotentRoute)


class ChannelLearntView(View):
    """A channel: how often it is drawn now where all are open, and what came of it so far."""

    channel: str
    chance: Annotated[float, Field(description="In percent.")]
    chosen: Annotated[int, Field(description="So often, where the step's time is over.")]
    hits: Annotated[int, Field(description="Successes of these.")]
    cost: Annotated[int, Field(description="Of these, in minor units.")]
    weighed: Annotated[
        float | None,
        Field(description="Share of successes if everybody got it, by the chances choices were made by."),
    ]


class StepLearntView(View):
    """A step that learns its channel, for a group of people; `group` empty: for all."""

    version: int
    step: str
    group: str
    channels: list[ChannelLearntView]

    @classmethod
    def of(cls, told: StepLearnt) -> StepLearntView:
        channels = [
            ChannelLearntView(
                channel=arm.channel, chance=arm.chance / 100, chosen=arm.chosen, hits=arm.hits,
                cost=arm.cost, weighed=arm.weighed,
            )
            for arm in told.arms
        ]  # fmt: skip
        return cls(version=told.version, step=told.step, group=told.group, channels=channels)


@router.get("/{slug}/learnt", dependencies=[may(READ)])
def list_learnt(office: InOffice, slug: Slug) -> Page[StepLearntView]:
    """List the steps that learn which channel people react to, with what they have learnt."""
    return Page(items=[StepLearntView.of(told) for told in learning.listing(office, slug)])
