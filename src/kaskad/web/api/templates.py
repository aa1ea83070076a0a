"""Templates by channel and language, and their previews."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field

from kaskad.actions import templates
from kaskad.actions.templates import Preview, Text
from kaskad.domain.cascade import Button, Content
from kaskad.domain.terms import Channel
from kaskad.web.api.cascades import READ, WRITE, Slug
from kaskad.web.api.fields import PLAIN, Json, encodable
from kaskad.web.api.fields import Text as ShortText
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/templates", tags=["templates"], route_class=IdempotentRoute)
step_router = APIRouter(prefix="/api/v1/cascades", tags=["templates"], route_class=IdempotentRoute)

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="The template's name.")]
Where = Literal[
    "part", "email", "telegram", "whatsapp", "viber", "vk", "max", "push", "sms", "robot_call", "agent_call",
    "facebook_messenger", "instagram",
]  # fmt: skip
TwoLetters = Annotated[str, Field(pattern=r"^([a-z]{2})?$", description="ISO 639-1, such as kk.")]
Source = Annotated[str, Field(max_length=200_000, pattern=PLAIN), AfterValidator(encodable)]
Line = Annotated[str, Field(max_length=2_000, pattern=PLAIN), AfterValidator(encodable)]
PEOPLE = "contacts:read"


class ButtonTold(Told):
    """A button; it leads somewhere, or answers something."""

    text: Annotated[Line, Field(min_length=1)]
    url: Line = ""
    reply: Line = ""


class NewTemplate(Told):
    """A template in one language on one channel; of a part `text` is all that it has."""

    channel: Where
    language: TwoLetters = ""
    fallback: Annotated[bool, Field(description="It serves all in whose language there is none.")] = False
    subject: Line = ""
    html: Source = ""
    mjml: Source = ""
    text: Source = ""
    say: Source = ""
    script: Source = ""
    buttons: Annotated[list[ButtonTold], Field(max_length=10, default_factory=list)]
    media: Annotated[list[Line], Field(max_length=10, default_factory=list)]

    def content(self) -> Content:
        return Content(
            subject=self.subject,
            html=self.html,
            mjml=self.mjml,
            text=self.text,
            say=self.say,
            script=self.script,
            buttons=tuple(Button(one.text, one.url, one.reply) for one in self.buttons),
            media=tuple(self.media),
        )


class ButtonView(View):
    text: str
    url: str
    reply: str

    @classmethod
    def of(cls, button: Button) -> ButtonView:
        return cls(text=button.text, url=button.url, reply=button.reply)


class TemplateView(View):
    """A template in one language on one channel, as it was written."""

    name: str
    channel: str
    language: str
    fallback: bool
    saved_at: datetime
    subject: str
    html: str
    mjml: str
    text: str
    say: str
    script: str
    buttons: list[ButtonView]
    media: list[str]
    variables: Annotated[list[str], Field(description="What it asks of a contact, an event and a run.")]
    warnings: list[str]

    @classmethod
    def of(cls, text: Text) -> TemplateView:
        told = text.content
        return cls(
            name=text.name,
            channel=text.channel,
            language=text.language,
            fallback=text.fallback,
            saved_at=instant(text.saved_at),
            subject=told.subject,
            html=told.html,
            mjml=told.mjml,
            text=told.text,
            say=told.say,
            script=told.script,
            buttons=[ButtonView.of(one) for one in told.buttons],
            media=list(told.media),
            variables=list(text.variables),
            warnings=list(text.warnings),
        )


class Deleted(View):
    """How many texts are gone."""

    deleted: int


class NewPreview(Told):
    """Whose message is wanted; `trigger` are the properties of the event that would begin the run."""

    contact: ShortText
    channel: Literal[Where, ""] = ""
    language: TwoLetters = ""
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]


class NewStepPreview(Told):
    """Whose message of which step is wanted; without a version of the draft, else of what runs."""

    contact: ShortText
    step: ShortText
    version: Annotated[str, Field(pattern=r"^(|draft|current|[1-9][0-9]{0,8})$")] = ""
    channel: Annotated[Channel | None, Field(description="Of several; else the first.")] = None
    variant: Annotated[str, Field(max_length=64, pattern=PLAIN)] = ""
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]


class PreviewView(View):
    """What the contact would get, with plain links; `parts` and `encoding` are those of an SMS."""

    channel: str
    language: str
    subject: str
    html: str
    text: str
    say: str
    script: str
    buttons: list[ButtonView]
    media: list[str]
    links: list[str]
    approved: dict[str, Any] | None
    parts: int
    encoding: str

    @classmethod
    def of(cls, told: Preview) -> PreviewView:
        words = told.words
        approved = words.approved
        return cls(
            channel=told.channel,
            language=told.language,
            subject=words.subject,
            html=words.html,
            text=words.text,
            say=words.say,
            script=words.script,
            buttons=[ButtonView.of(one) for one in words.buttons],
            media=list(words.media),
            links=list(words.links),
            approved={"name": approved.name, "parameters": list(approved.parameters)} if approved else None,
            parts=told.parts,
            encoding=told.encoding,
        )


@router.get("", dependencies=[may(READ)])
def list_templates(office: InOffice) -> Page[TemplateView]:
    """List all templates and parts by name, channel and language."""
    return Page(items=[TemplateView.of(text) for text in templates.listing(office)])


@router.get("/{name}", dependencies=[may(READ)])
def show_template(office: InOffice, name: Name) -> Page[TemplateView]:
    """Show a template in all its languages and on all its channels."""
    return Page(items=[TemplateView.of(text) for text in templates.of_name(office, name)])


@router.put("/{name}", dependencies=[may(WRITE)])
def put_template(office: InOffice, name: Name, told: NewTemplate) -> TemplateView:
    """Save a template in one language on one channel; cascades use it when they are activated next."""
    made = templates.put(
        office, name, told.channel, told.language, told.content(), fallback=told.fallback
    )  # fmt: skip
    return TemplateView.of(made)


@router.delete("/{name}", dependencies=[may(WRITE)])
def delete_template(
    office: InOffice, name: Name, channel: Annotated[Where | None, Query()] = None,
    language: Annotated[str, Query(pattern=r"^([a-z]{2})?$")] = "",
) -> Deleted:  # fmt: skip
    """Delete a template, or one channel or language of it; cascades keep theirs until activated again."""
    return Deleted(deleted=templates.drop(office, name, channel or "", language))


@router.post("/{name}/preview", dependencies=[may(READ), may(PEOPLE)])
def preview_template(office: InOffice, name: Name, told: NewPreview) -> PreviewView:
    """Show a template as a contact would get it; nothing is sent and nothing kept."""
    return PreviewView.of(
        templates.preview(
            office, name, told.channel, told.contact, language=told.language, trigger=told.trigger
        )
    )


@step_router.post("/{slug}/preview", dependencies=[may(READ), may(PEOPLE)])
def preview_step(office: InOffice, slug: Slug, told: NewStepPreview) -> PreviewView:
    """Show what a step would say to a contact; nothing is sent and nothing kept."""
    return PreviewView.of(
        templates.preview_step(
            office, slug, told.step, told.contact, version=told.version, channel=told.channel or "",
            variant=told.variant, trigger=told.trigger,
        )
    )  # fmt: skip
