"""What was learnt of the channels of a cascade's steps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import learning, winners
from kaskad.actions.learning import StepLearnt
from kaskad.actions.winners import WinnerTold
from kaskad.web.api.cascades import READ, WRITE, Slug
from kaskad.web.api.fields import Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant
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


class VariantFigures(View):
    """A variant when it was decided: messages whose time was over, successes, people who opted out."""

    id: str
    of: int
    hits: int
    opted_out: int


class WinnerView(View):
    """That a variant has won, by the rule in the definition; `by` is what counted as a success.

    `undone`: somebody has taken it back, and the variants weigh again what the definition says.
    """

    version: int
    step: str
    at: datetime
    winner: str
    by: str
    undone: bool
    variants: list[VariantFigures]
    least: Annotated[
        list[float],
        Field(description="How far ahead it is of each other at least, as a share, in their order."),
    ]

    @classmethod
    def of(cls, told: WinnerTold) -> WinnerView:
        variants = [
            VariantFigures(id=one.id, of=one.of, hits=one.hits, opted_out=one.opted_out)
            for one in told.detail.variants
        ]
        return cls(
            version=told.version, step=told.step, at=instant(told.at), winner=told.winner, by=told.detail.by,
            undone=told.undone, variants=variants, least=list(told.detail.least),
        )  # fmt: skip


@router.get("/{slug}/winners", dependencies=[may(READ)])
def list_winners(office: InOffice, slug: Slug) -> Page[WinnerView]:
    """List the variants that have won, by which figures, the latest first."""
    return Page(items=[WinnerView.of(told) for told in winners.listing(office, slug)])


class UndoneWinner(Told):
    """A step of a version, as `GET …/winners` names them."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    step: Text


@router.post("/{slug}/winners/undo", dependencies=[may(WRITE)])
def undo_winner(office: InOffice, slug: Slug, told: UndoneWinner) -> WinnerView:
    """Let the variants of a step weigh again what the definition says; the rule decides no more of it."""
    return WinnerView.of(winners.undo(office, slug, told.version, told.step))
