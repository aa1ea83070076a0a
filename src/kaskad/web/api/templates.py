"""Templates by channel and language, and their previews."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field

from kaskad.actions import template_check, template_drafts, templates
from kaskad.actions.frames import Preview
from kaskad.actions.template_check import Findings
from kaskad.actions.template_drafts import Draft
from kaskad.actions.templates import Text
from kaskad.domain.cascade import Attached, Button, Calendar, Content
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import contact_text
from kaskad.domain.span import parse_span
from kaskad.domain.terms import MessageClass
from kaskad.store.templates import Past
from kaskad.web.api.cascades import READ, WRITE
from kaskad.web.api.fields import PLAIN, Json, encodable
from kaskad.web.api.fields import Text as ShortText
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/templates", tags=["templates"], route_class=IdempotentRoute)

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


class AttachedTold(Told):
    """A saved file that goes with the mail where the condition holds."""

    file: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    name: Line = ""
    condition: Annotated[Line, Field(alias="if")] = ""


class CalendarTold(Told):
    """An appointment that goes with the mail; `starts` and `ends` are paths, the rest templates."""

    title: Annotated[Line, Field(min_length=1)]
    starts: Annotated[str, Field(pattern=r"^(trigger|contact)\.[\w.]{1,200}$")]
    ends: Annotated[str, Field(pattern=r"^((trigger|contact)\.[\w.]{1,200})?$")] = ""
    lasts: Annotated[str, Field(max_length=40, pattern=PLAIN, description="Such as 90m.")] = ""
    place: Line = ""
    about: Source = ""
    uid: Line = ""
    cancel: bool = False

    def calendar(self) -> Calendar:
        try:
            lasts = parse_span(self.lasts) if self.lasts else None
        except ValueError as error:
            raise Invalid([f"calendar.lasts: {error}"]) from None
        return Calendar(
            self.title, self.starts, self.ends, lasts, self.place, self.about, self.uid, self.cancel
        )


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
    attach: Annotated[list[AttachedTold], Field(max_length=10, default_factory=list)]
    calendar: CalendarTold | None = None

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
            attach=tuple(Attached(one.file, one.name, one.condition) for one in self.attach),
            calendar=self.calendar.calendar() if self.calendar else None,
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
    attach: list[str]
    calendar: Annotated[str, Field(description='What stands in the calendar; "": nothing.')]
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
            attach=[one.file for one in told.attach],
            calendar=told.calendar.title if told.calendar else "",
            variables=list(text.variables),
            warnings=list(text.warnings),
        )


class PastView(View):
    """A text that a template has had; `content` has what of it was given."""

    channel: str
    language: str
    number: int
    saved_at: datetime
    saved_by: str
    content: dict[str, Any]

    @classmethod
    def of(cls, past: Past) -> PastView:
        told = {name: value for name, value in msgspec.to_builtins(past.content).items() if value}
        return cls(
            channel=templates.word_of(past.channel),
            language=past.language,
            number=past.number,
            saved_at=instant(past.saved_at),
            saved_by=past.saved_by,
            content=told,
        )


class NewRestore(Told):
    """Which text is wanted again."""

    number: Annotated[int, Field(ge=1, le=1_000_000)]
    channel: Literal[Where, ""] = ""
    language: TwoLetters = ""


class Deleted(View):
    """How many texts are gone."""

    deleted: int


class NewPreview(Told):
    """Whose message is wanted; `trigger` are the properties of the event that would begin the run."""

    contact: ShortText
    channel: Literal[Where, ""] = ""
    language: TwoLetters = ""
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]


class DraftPreview(Told):
    """Whose message is wanted of a text that is not saved; a part is shown in the first text that has it."""

    draft: NewTemplate
    contact: ShortText
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]


class DraftCheck(Told):
    """Whom to hold a text against that is not saved: the first contacts there are, or those of a list."""

    draft: NewTemplate
    contacts: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    list: Annotated[str, Field(max_length=100, pattern=PLAIN)] = ""
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
    account: str
    sender: str
    to: str
    preheader: str
    spoken_s: Annotated[int, Field(description="About how long a robot takes to say it.")]
    price: Annotated[int, Field(description="In minor units, rounded up; -1: nothing tells it.")]
    price_each: Annotated[
        str, Field(description="What such messages cost each on average, in whole units, such as 0.0001.")
    ]
    currency: str
    attachments: list[dict[str, Any]]
    appointment: dict[str, Any] | None
    warnings: list[str]
    stand_ins: Annotated[list[str], Field(description="Properties of the event that were made up.")]

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
            account=told.account,
            sender=told.sender,
            to=told.to,
            preheader=told.preheader,
            spoken_s=told.spoken_s,
            price=told.price,
            price_each=told.price_each,
            currency=told.currency,
            attachments=[msgspec.structs.asdict(one) for one in told.attachments],
            appointment=msgspec.structs.asdict(told.appointment) if told.appointment else None,
            warnings=list(told.warnings),
            stand_ins=list(told.stand_ins),
        )


class NewCheck(Told):
    """Whom to hold a template against: the first contacts there are, or those of a list."""

    channel: Literal[Where, ""] = ""
    contacts: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    list: Annotated[str, Field(max_length=100, pattern=PLAIN)] = ""
    message_class: Annotated[MessageClass, Field(description="By which the price is told.")] = (
        MessageClass.SERVICE
    )
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]


class LackView(View):
    """A variable that contacts lack; `stopped` of them would get no message for it."""

    variable: str
    lacking: int
    stopped: int
    examples: tuple[str, ...]


class LongestView(View):
    """The longest SMS, and whose it is."""

    contact: str
    parts: int
    units: int
    encoding: str


class ProblemCount(View):
    problem: str
    contacts: int


class CheckedView(View):
    """What became of a template with each contact who has an address on its channel."""

    contacts: int
    written: int
    lacks: tuple[LackView, ...]
    stand_ins: Annotated[tuple[str, ...], Field(description="Properties of the event that were made up.")]
    problems: tuple[ProblemCount, ...]
    languages: dict[str, int]
    parts: Annotated[dict[str, int], Field(description="Of an SMS: how many contacts get so many parts.")]
    longest: LongestView | None
    price: Annotated[int | None, Field(description="Of all, in minor units; null: no account tells one.")]
    currency: str

    @classmethod
    def of(cls, told: Findings) -> CheckedView:
        longest = told.longest
        return cls(
            contacts=told.contacts,
            written=told.written,
            lacks=tuple(
                LackView(
                    variable=one.variable, lacking=one.lacking, stopped=one.stopped,
                    examples=tuple(contact_text(number) for number in one.examples),
                )
                for one in told.lacks
            ),
            stand_ins=told.stand_ins,
            problems=tuple(ProblemCount(problem=what, contacts=count) for what, count in told.problems),
            languages=dict(told.languages),
            parts={str(count): number for count, number in told.parts.items()},
            longest=LongestView(
                contact=contact_text(longest.contact_id), parts=longest.parts, units=longest.units,
                encoding=longest.encoding,
            ) if longest else None,
            price=told.price if told.price >= 0 else None,
            currency=told.currency,
        )  # fmt: skip


@router.get("", dependencies=[may(READ)])
def list_templates(office: InOffice) -> Page[TemplateView]:
    """List all templates and parts by name, channel and language."""
    return Page(items=[TemplateView.of(text) for text in templates.listing(office)])


@router.get("/{name}", dependencies=[may(READ)])
def show_template(office: InOffice, name: Name) -> Page[TemplateView]:
    """Show a template in all its languages and on all its channels."""
    return Page(items=[TemplateView.of(text) for text in templates.of_name(office, name)])


@router.get("/{name}/history", dependencies=[may(READ)])
def template_history(office: InOffice, name: Name) -> Page[PastView]:
    """Show every text that a template has had, by channel and language, the latest first."""
    return Page(items=[PastView.of(one) for one in templates.history(office, name)])


@router.post("/{name}/restore")
def restore_template(
    office: InOffice, name: Name, caller: Annotated[Caller, may(WRITE)], told: NewRestore
) -> TemplateView:
    """Save an earlier text again, as the latest; cascades use it when they are activated next."""
    made = templates.restore(office, name, told.number, told.channel, told.language, caller.name)
    return TemplateView.of(made)


@router.put("/{name}")
def put_template(
    office: InOffice, name: Name, caller: Annotated[Caller, may(WRITE)], told: NewTemplate
) -> TemplateView:
    """Save a template in one language on one channel; cascades use it when they are activated next."""
    made = templates.put(
        office, name, told.channel, told.language, told.content(), fallback=told.fallback, by=caller.name
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


@router.post("/{name}/draft/preview", dependencies=[may(READ), may(PEOPLE)])
def preview_draft(office: InOffice, name: Name, told: DraftPreview) -> PreviewView:
    """Show a text that is being written as a contact would get it; what it asks of the event is made up."""
    draft = Draft(name, told.draft.channel, told.draft.language, told.draft.content())
    return PreviewView.of(template_drafts.look(office, draft, told.contact, told.trigger).preview)


@router.post("/{name}/draft/check", dependencies=[may(READ), may(PEOPLE)])
def check_draft(office: InOffice, name: Name, told: DraftCheck) -> CheckedView:
    """Fill a text that is being written for many contacts, as `check` does with one that is saved."""
    draft = Draft(name, told.draft.channel, told.draft.language, told.draft.content())
    found = template_drafts.check(
        office, draft, contacts=told.contacts, listed=told.list, trigger=told.trigger
    )
    return CheckedView.of(found)


@router.post("/{name}/check", dependencies=[may(READ), may(PEOPLE)])
def check_template(office: InOffice, name: Name, told: NewCheck) -> CheckedView:
    """Fill a template for many contacts: who lacks what, how long SMS become, what all of it costs."""
    return CheckedView.of(
        template_check.check(
            office, name, told.channel, contacts=told.contacts, listed=told.list, trigger=told.trigger,
            message_class=told.message_class,
        )
    )  # fmt: skip
