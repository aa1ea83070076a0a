"""Texts that an account's service approves, over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import approved_texts
from kaskad.engine.texts import Text
from kaskad.web.api.accounts import Name
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], route_class=IdempotentRoute)


class ButtonView(View):
    """A button of an approved text; its `url` holds {{1}} where its end is filled."""

    kind: str
    text: str
    url: str


class ApprovedTextView(View):
    """A text that the service has approved, or is to; `parameters` are the places of its body in order."""

    name: str
    language: str
    state: Annotated[
        str,
        Field(description="draft, pending, approved, rejected, paused, disabled, or the service's own word."),
    ]
    category: str
    why: Annotated[str, Field(description="Why the state is so, in the service's words.")]
    changed_at: datetime
    header: Annotated[str, Field(description="text, image, video, document, location; empty: none.")]
    header_text: str
    body: str
    parameters: list[str]
    footer: str
    buttons: list[ButtonView]

    @classmethod
    def of(cls, text: Text) -> ApprovedTextView:
        told = text.template
        return cls(
            name=told.name,
            language=told.language,
            state=text.state,
            category=told.category,
            why=text.why,
            changed_at=instant(text.changed_at),
            header=told.header,
            header_text=told.header_text,
            body=told.body,
            parameters=list(told.parameters),
            footer=told.footer,
            buttons=[ButtonView(kind=one.kind, text=one.text, url=one.url) for one in told.buttons],
        )


@router.get("/{name}/templates", dependencies=[may("accounts:read")])
def list_approved_texts(office: InOffice, name: Name) -> Page[ApprovedTextView]:
    """List the texts that the account's service approves, as they were last told."""
    return Page(items=[ApprovedTextView.of(text) for text in approved_texts.listing(office, name)])


@router.post("/{name}/templates/sync", dependencies=[may("accounts:write")])
def sync_approved_texts(office: InOffice, name: Name) -> Page[ApprovedTextView]:
    """Ask the account's service for its texts now, and list them."""
    return Page(items=[ApprovedTextView.of(text) for text in approved_texts.sync(office, name)])
