"""Texts that a service must approve before they are sent: as its list and its webhooks tell of them."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.terms import TemplateState


class ServiceButton(Struct, frozen=True, omit_defaults=True):
    """A button of an approved text. `url` holds {{1}} where its end changes."""

    kind: str  # the service's word in lower case: url, quick_reply, phone_number, copy_code
    text: str = ""
    url: str = ""


class ServiceTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text that waits for a service's approval or has it, in one language, as the service lists it.

    `state` None: a word that we do not know, so certainly not approved. `parameters` are the places of the
    body in their order: names, or "1", "2" where they are numbered.
    """

    name: str
    language: str
    category: str = ""  # the service's word in lower case: marketing, utility, authentication
    state: TemplateState | None
    word: str = ""  # the service's own for the state
    header: str = ""  # what its head is, in lower case: text, image, video, document, location; "": none
    header_text: str = ""
    header_parameters: tuple[str, ...] = ()
    body: str = ""
    parameters: tuple[str, ...] = ()
    named: bool = False  # the parameters are sent with their names (`Approved.names`)
    footer: str = ""
    buttons: tuple[ServiceButton, ...] = ()


class TemplateNews(Struct, frozen=True, kw_only=True):
    """What a webhook says of an approved text: its new state or category.

    `state` None: the word says nothing of it, or we do not know the word: the list tells how it is now.
    """

    name: str
    language: str
    state: TemplateState | None
    word: str = ""
    category: str = ""  # "": not told
    detail: str = ""  # why, in the service's words
    at: int | None = None
    raw: bytes = b""
