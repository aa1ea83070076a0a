"""Sign-up forms over the API; what people post is `/f/{form}`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from kaskad.actions import forms
from kaskad.domain.consent import Purpose
from kaskad.domain.form import Form
from kaskad.domain.policy import Wording
from kaskad.domain.terms import Channel
from kaskad.web.api.contacts import READ, WRITE
from kaskad.web.api.fields import PLAIN, NameInPath, Words
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/forms", tags=["forms"], route_class=IdempotentRoute)

Short = Annotated[str, Field(max_length=200, pattern=PLAIN)]


class WordingTold(Told):
    """The exact words beside the box in one language."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2}$", description="ISO 639-1, such as kk.")]
    text: Words


class FormIn(Told):
    """A form; what is left out has its default."""

    texts: Annotated[list[WordingTold], Field(min_length=1, max_length=20)]
    channels: Annotated[list[Channel], Field(min_length=1, max_length=len(Channel))] = Field(
        default_factory=lambda: [Channel.EMAIL]
    )
    purposes: Annotated[list[Purpose], Field(min_length=1, max_length=len(Purpose))] = Field(
        default_factory=lambda: [Purpose.ADVERTISING]
    )
    topics: Annotated[list[Short], Field(max_length=50, description="Empty: every topic.")] = Field(
        default_factory=list
    )
    brand: Short = ""
    controller: Annotated[Short, Field(description="Who answers for the data, with BIN or INN.")] = ""
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$", description="Whose law it is given under.")] = ""
    valid_days: Annotated[int, Field(ge=0, le=36_500, description="0: until it is withdrawn.")] = 0
    redirect: Annotated[Short, Field(description="Where people go after it; empty: a page of ours.")] = ""
    origins: Annotated[
        list[Short], Field(max_length=50, description="Sites that may post it; none: any.")
    ] = Field(default_factory=list)
    honeypot: Annotated[Short, Field(description="A hidden field that people leave empty.")] = "website"

    def form(self, name: str) -> Form:
        """Return what the action takes."""
        return Form(
            name=name, texts=tuple(Wording(one.language, one.text) for one in self.texts),
            channels=tuple(dict.fromkeys(self.channels)), purposes=tuple(dict.fromkeys(self.purposes)),
            topics=tuple(dict.fromkeys(self.topics)), brand=self.brand, controller=self.controller,
            country=self.country, valid_days=self.valid_days, redirect=self.redirect,
            origins=tuple(self.origins), honeypot=self.honeypot,
        )  # fmt: skip


class FormView(View):
    """A form, how many requests of the last days are known, and why nobody is asked ("": all is well)."""

    name: str
    texts: list[WordingTold]
    channels: list[Channel]
    purposes: list[Purpose]
    topics: list[str]
    brand: str
    controller: str
    country: str
    valid_days: int
    redirect: str
    origins: list[str]
    honeypot: str
    url: str
    asked: int
    confirmed: int
    trouble: str

    @classmethod
    def of(cls, known: forms.Known, base_url: str) -> FormView:
        form = known.form
        return cls(
            name=form.name, texts=[WordingTold(language=w.language, text=w.text) for w in form.texts],
            channels=list(form.channels), purposes=list(form.purposes), topics=list(form.topics),
            brand=form.brand, controller=form.controller, country=form.country, valid_days=form.valid_days,
            redirect=form.redirect, origins=list(form.origins), honeypot=form.honeypot,
            url=f"{base_url}/f/{form.name}", asked=known.asked, confirmed=known.confirmed,
            trouble=known.trouble,
        )  # fmt: skip


class HtmlView(View):
    """A form as it is pasted into a page."""

    html: str


@router.get("", dependencies=[READ])
def list_forms(office: InOffice) -> Page[FormView]:
    """List the sign-up forms, by name, all at once."""
    return Page(items=[FormView.of(each, office.base_url) for each in forms.listing(office)])


@router.get("/{name}", dependencies=[READ])
def show_form(office: InOffice, name: NameInPath) -> FormView:
    """Show a sign-up form."""
    return FormView.of(forms.show(office, name), office.base_url)


@router.put("/{name}", dependencies=[WRITE])
def put_form(office: InOffice, name: NameInPath, told: FormIn) -> FormView:
    """Declare a sign-up form, or change it; at first the cascade `confirm-NAME` is made, which asks."""
    return FormView.of(forms.put(office, told.form(name)), office.base_url)


@router.delete("/{name}", status_code=204, dependencies=[WRITE])
def delete_form(office: InOffice, name: NameInPath) -> Response:
    """Forget a sign-up form; consents that were given by it stay."""
    forms.drop(office, name)
    return Response(status_code=204)


@router.get("/{name}/html", dependencies=[READ])
def show_form_html(
    office: InOffice, name: NameInPath,
    language: Annotated[str, Query(pattern=r"^([a-z]{2})?$", description="One that it is written in.")] = "",
) -> HtmlView:  # fmt: skip
    """Return the form as HTML to paste into a page; it needs no script."""
    return HtmlView(html=forms.html(office, name, language))
