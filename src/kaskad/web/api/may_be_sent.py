"""Why a contact may or may not be sent a cascade's steps now, before anything is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field

from kaskad.actions import may as actions
from kaskad.actions.may import Answer, ChannelAnswer, Held, StepAnswer
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel, MessageClass, SkipReason
from kaskad.web.api.contact_views import ConsentView, Health, ZonesView
from kaskad.web.api.contacts import READ
from kaskad.web.api.fields import PLAIN, WhoInPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import View, when
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], route_class=IdempotentRoute)


class HeldView(View):
    """What holds a message back; `until` null: for good."""

    until: datetime | None
    why: str

    @classmethod
    def of(cls, held: Held | None) -> HeldView | None:
        return None if held is None else cls(until=when(held.until), why=held.why)


class ChannelView(View):
    """One channel of a step: `refused` is why not, null where it may; then what was looked at."""

    channel: Channel
    refused: SkipReason | None
    address: str | None
    health: Health
    health_why: str
    consent: ConsentView | None
    note: str
    law: list[str]
    window: HeldView | None
    cap: HeldView | None

    @classmethod
    def of(cls, one: ChannelAnswer) -> ChannelView:
        consent = None if one.consent is None else ConsentView.of(one.consent)
        return cls.model_validate({
            "channel": one.channel, "refused": one.refused, "address": one.address, "health": one.health,
            "health_why": one.health_why, "consent": consent, "note": one.note, "law": list(one.law),
            "window": HeldView.of(one.window), "cap": HeldView.of(one.cap),
        })  # fmt: skip


class StepView(View):
    """What would come of a step if the contact stood before it now."""

    step: str
    verdict: Literal["send", "wait", "skip"]
    channel: Channel | None
    at: datetime | None
    why: str
    channels: list[ChannelView]

    @classmethod
    def of(cls, one: StepAnswer) -> StepView:
        return cls.model_validate({
            "step": one.step, "verdict": one.verdict, "channel": one.channel, "at": when(one.at),
            "why": one.why, "channels": [ChannelView.of(channel) for channel in one.channels],
        })  # fmt: skip


class MayView(View):
    """`entry` says what keeps the contact from entering, "" where nothing does; `version` null: the draft."""

    contact: str
    cascade: str
    version: int | None
    message_class: MessageClass
    topic: str
    country: str
    zone: str
    zones: Annotated[
        ZonesView, Field(description="Where the hours are counted: all of them have to be open.")
    ]
    entry: str
    steps: list[StepView]

    @classmethod
    def of(cls, found: Answer) -> MayView:
        return cls(contact=contact_text(found.contact_id), cascade=found.cascade, version=found.version,
                   message_class=found.message_class, topic=found.topic, country=found.country,
                   zone=found.zones.zones[0], zones=ZonesView.of(found.zones), entry=found.entry,
                   steps=[StepView.of(step) for step in found.steps])  # fmt: skip


@router.get("/{contact}/may", dependencies=[READ])
def may_be_sent(
    office: InOffice, contact: WhoInPath,
    cascade: Annotated[str, Query(min_length=1, max_length=100, pattern=PLAIN)],
    trigger: Annotated[
        str, Query(max_length=10_000, description="Properties of the event that would begin it, as JSON.")
    ] = "{}",
) -> MayView:  # fmt: skip
    """Tell why this contact may or may not be sent each step of a cascade now: consent with its proof,
    suppression, law with its article, window, cap, condition. Nothing is sent."""
    return MayView.of(actions.may(office, contact, cascade, _properties(trigger)))


def _properties(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Invalid([f'trigger: write a JSON object, such as {{"total": 5000}} ({error})']) from None
