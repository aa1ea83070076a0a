"""Approvals of texts: what waits, given, taken back, and who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends
from pydantic import Field

from kaskad.actions import approvals, audit
from kaskad.actions.approvals import Texts, Waiting
from kaskad.actions.approving import State
from kaskad.store.approvals import Done
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.fields import PLAIN
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.templates import Name
from kaskad.web.api.views import Page, Slice, Told, View, instant
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1", tags=["approvals"], route_class=IdempotentRoute)

APPROVE = "texts:approve"


class TextView(View):
    """One text as it would be activated; `id` names exactly these words."""

    id: str
    title: str
    step: str
    variant: str
    template: str
    channel: str
    language: str
    content: Annotated[dict[str, Any], Field(description="What of it is given; parts stand in templates.")]
    author: Annotated[
        str, Field(description='Who cannot approve it; "": nobody is known to have written it.')
    ]
    approved: bool
    approved_by: str
    approved_at: datetime | None
    note: str

    @classmethod
    def of(cls, state: State) -> TextView:
        piece = state.piece
        told = {name: value for name, value in msgspec.to_builtins(piece.content).items() if value}
        return cls(
            id=piece.id, title=piece.title, step=piece.step, variant=piece.variant, template=piece.template,
            channel=piece.channel, language=piece.language, content=told, author=state.author,
            approved=bool(state.approved_by), approved_by=state.approved_by,
            approved_at=instant(state.approved_at) if state.approved_by else None, note=state.note,
        )  # fmt: skip


class TextsView(View):
    """The texts of a cascade or a template; `required`: the policy asks for approvals."""

    required: bool
    texts: list[TextView]

    @classmethod
    def of(cls, told: Texts) -> TextsView:
        return cls(required=told.required, texts=[TextView.of(one) for one in told.states])


class WaitingView(View):
    """A cascade, and how many texts of what would be activated next wait."""

    cascade: str
    texts: int

    @classmethod
    def of(cls, told: Waiting) -> WaitingView:
        return cls(cascade=told.cascade, texts=told.texts)


class DoneView(View):
    """That somebody approved a text, or took it back."""

    at: datetime
    act: Literal["approved", "taken_back"]
    what: str
    text: Annotated[str, Field(description="Its id.")]
    by: str
    note: str

    @classmethod
    def of(cls, done: Done) -> DoneView:
        act: Literal["approved", "taken_back"] = "approved" if done.act == "approved" else "taken_back"
        return cls(at=instant(done.at), act=act, what=done.what, text=done.text, by=done.by, note=done.note)


class Chosen(Told):
    """Which texts are meant, by their ids as they were read."""

    texts: Annotated[
        list[Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]], Field(min_length=1, max_length=500)
    ]
    note: Annotated[str, Field(max_length=500, pattern=PLAIN)] = ""


@router.get("/approvals", dependencies=[may(READ)])
def list_approvals(office: InOffice, part: Annotated[Slice, Depends()]) -> Page[DoneView]:
    """List who approved what and took it back, the newest first."""
    found = approvals.history(office, before=part.after or audit.LATEST, limit=part.limit + 1)
    return part.page([DoneView.of(one) for one in found], [one.id for one in found])


@router.get("/approvals/waiting", dependencies=[may(READ)])
def list_waiting(office: InOffice) -> Page[WaitingView]:
    """List the cascades that have texts which wait; none where the policy asks for no approvals."""
    return Page(items=[WaitingView.of(one) for one in approvals.waiting(office)])


@router.get("/cascades/{slug}/approvals", dependencies=[may(READ)])
def show_cascade_texts(office: InOffice, slug: Slug) -> TextsView:
    """Show every text of the draft, else of what runs, with who wrote and who approved it."""
    return TextsView.of(approvals.of_cascade(office, slug))


@router.post("/cascades/{slug}/approvals", dependencies=[may(READ)])
def approve_cascade_texts(
    office: InOffice, slug: Slug, caller: Annotated[Caller, may(APPROVE)], told: Chosen
) -> TextsView:
    """Approve texts of a cascade; who has written one cannot approve it."""
    return TextsView.of(approvals.give(office, "cascade", slug, told.texts, caller.name, told.note))


@router.post("/cascades/{slug}/approvals/take-back", dependencies=[may(READ)])
def take_back_cascade_texts(
    office: InOffice, slug: Slug, caller: Annotated[Caller, may(APPROVE)], told: Chosen
) -> TextsView:
    """Take approvals back: what runs goes on, the next activation needs them."""
    return TextsView.of(approvals.take_back(office, "cascade", slug, told.texts, caller.name, told.note))


@router.get("/templates/{name}/approvals", dependencies=[may(READ)])
def show_template_texts(office: InOffice, name: Name) -> TextsView:
    """Show a template in all its languages with its parts in it, and who wrote and approved each."""
    return TextsView.of(approvals.of_template(office, name))


@router.post("/templates/{name}/approvals", dependencies=[may(READ)])
def approve_template_texts(
    office: InOffice, name: Name, caller: Annotated[Caller, may(APPROVE)], told: Chosen
) -> TextsView:
    """Approve a template in languages; who has written one cannot approve it."""
    return TextsView.of(approvals.give(office, "template", name, told.texts, caller.name, told.note))


@router.post("/templates/{name}/approvals/take-back", dependencies=[may(READ)])
def take_back_template_texts(
    office: InOffice, name: Name, caller: Annotated[Caller, may(APPROVE)], told: Chosen
) -> TextsView:
    """Take approvals of a template back: what runs goes on, the next activation needs them."""
    return TextsView.of(approvals.take_back(office, "template", name, told.texts, caller.name, told.note))
