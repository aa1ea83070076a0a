"""Outgoing webhooks."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from kaskad.actions import webhooks
from kaskad.actions.webhooks import Shown
from kaskad.engine.herald import Answer
from kaskad.engine.outbox import EventType
from kaskad.store.webhooks import STATES, Delivery
from kaskad.web.api.fields import Words
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import LARGEST, Page, Slice, Told, View, instant, when
from kaskad.web.api.when import When, moment
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"], route_class=IdempotentRoute)
ALLOWED = may("webhooks:write")

Id = Annotated[int, Path(ge=1, le=LARGEST, description="The webhook's number.")]


class DeliveryState(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class WebhookTold(Told):
    """An endpoint and what it is to be told of."""

    url: Annotated[Words, Field(min_length=1)]
    types: Annotated[list[EventType], Field(min_length=1, max_length=100)]
    description: Annotated[Words, Field(max_length=500)] = ""
    enabled: bool = True


class WebhookView(View):
    """A webhook with how it does; `oldest_waiting_at` is when what waits longest came to be."""

    id: int
    url: str
    types: list[EventType]
    description: str
    enabled: bool
    disabled_why: str
    created_at: datetime
    waiting: int
    delivered: int
    given_up: int
    oldest_waiting_at: datetime | None

    @classmethod
    def of(cls, shown: Shown) -> WebhookView:
        return cls.model_validate(_fields(shown))


class MadeWebhook(WebhookView):
    """A webhook just made; `secret` is shown this once."""

    secret: str


class NewSecret(View):
    """A secret just made, shown this once; the old one signs too until tomorrow."""

    secret: str


class AnswerView(View):
    """What the endpoint answered to a test; `status` 0: nothing."""

    ok: bool
    status: int
    answer: str

    @classmethod
    def of(cls, answer: Answer) -> AnswerView:
        return cls(ok=answer.ok, status=answer.status, answer=answer.words)


class DeliveryView(View):
    """One event on its way to the webhook; `id` is the header webhook-id."""

    id: str
    type: str
    state: DeliveryState
    attempts: int
    answer: str
    created_at: datetime
    next_at: datetime | None
    ended_at: datetime | None
    body: str

    @classmethod
    def of(cls, told: Delivery) -> DeliveryView:
        return cls(
            id=told.message_id,
            type=told.type,
            state=DeliveryState(STATES[told.state]),
            attempts=told.attempts,
            answer=told.answer,
            created_at=instant(told.created_at),
            next_at=when(told.next_at),
            ended_at=when(told.ended_at),
            body=told.body,
        )


class ReplayTold(Told):
    """What to tell again: one message, even if taken; else all given up or waiting, since an instant."""

    id: Annotated[Words, Field(max_length=100)] = ""
    since: When | None = None


class Replayed(View):
    """How many deliveries are told again; those that are tried within a minute anyway are not among them."""

    replayed: int


@router.get("", dependencies=[ALLOWED])
def list_webhooks(office: InOffice) -> Page[WebhookView]:
    """List the webhooks."""
    return Page(items=[WebhookView.of(shown) for shown in webhooks.listing(office)])


@router.post("", status_code=201, dependencies=[ALLOWED])
def add_webhook(office: InOffice, told: WebhookTold) -> MadeWebhook:
    """Let an endpoint be told of events from now on; its signing secret is in this answer only."""
    shown, secret = webhooks.add(office, told.url, told.types, told.description, told.enabled)
    return MadeWebhook.model_validate(_fields(shown) | {"secret": secret})


@router.get("/{webhook_id}", dependencies=[ALLOWED])
def get_webhook(office: InOffice, webhook_id: Id) -> WebhookView:
    """Show a webhook and how it does."""
    return WebhookView.of(webhooks.get(office, webhook_id))


@router.put("/{webhook_id}", dependencies=[ALLOWED])
def change_webhook(office: InOffice, webhook_id: Id, told: WebhookTold) -> WebhookView:
    """Change a webhook; what waits goes to the new address."""
    changed = webhooks.change(office, webhook_id, told.url, told.types, told.description, told.enabled)
    return WebhookView.of(changed)


@router.delete("/{webhook_id}", status_code=204, dependencies=[ALLOWED])
def delete_webhook(office: InOffice, webhook_id: Id) -> Response:
    """Delete a webhook, and what waits for it."""
    webhooks.delete(office, webhook_id)
    return Response(status_code=204)


@router.post("/{webhook_id}/secret", dependencies=[ALLOWED])
def rotate_secret(office: InOffice, webhook_id: Id) -> NewSecret:
    """Make a new signing secret; for a day messages carry the signatures of both."""
    return NewSecret(secret=webhooks.rotate(office, webhook_id))


@router.post("/{webhook_id}/test", dependencies=[ALLOWED])
def test_webhook(office: InOffice, webhook_id: Id) -> AnswerView:
    """Send an event of the type webhook.test once, now, and tell what was answered."""
    return AnswerView.of(webhooks.try_out(office, webhook_id))


@router.get("/{webhook_id}/deliveries", dependencies=[ALLOWED])
def list_deliveries(
    office: InOffice,
    webhook_id: Id,
    part: Annotated[Slice, Depends()],
    state: Annotated[DeliveryState | None, Query(description="Only those.")] = None,
) -> Page[DeliveryView]:
    """List what the webhook was told in the last 30 days, and what waits for it."""
    code = None if state is None else {name: number for number, name in STATES.items()}[state]
    found = webhooks.deliveries(office, webhook_id, part.after, part.limit + 1, code)
    return part.page([DeliveryView.of(one) for one in found], [one.id for one in found])


@router.post("/{webhook_id}/replay", dependencies=[ALLOWED])
def replay_deliveries(office: InOffice, webhook_id: Id, told: ReplayTold) -> Replayed:
    """Tell again what was given up, and at once what waits for a later attempt."""
    since = moment(office, told.since) or 0
    return Replayed(replayed=webhooks.replay(office, webhook_id, told.id, since))


def _fields(shown: Shown) -> dict[str, object]:
    webhook = shown.webhook
    return {
        "id": webhook.id,
        "url": webhook.url,
        "types": sorted(webhook.types),
        "description": webhook.description,
        "enabled": webhook.enabled,
        "disabled_why": webhook.disabled_why,
        "created_at": instant(webhook.created_at),
        "waiting": shown.waiting,
        "delivered": shown.delivered,
        "given_up": shown.given_up,
        "oldest_waiting_at": when(shown.oldest_at),
    }
