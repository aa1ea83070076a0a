"""The texts that WhatsApp approves: their list, and what webhooks say of them.

https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-management
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from kaskad.domain.terms import TemplateState
from kaskad.providers import meta
from kaskad.providers.base import (
    Account,
    Request,
    Response,
    ServiceButton,
    ServiceTemplate,
    TemplateNews,
    status_error,
)

PAGE = 100
FIELDS = "name,language,status,category,parameter_format,components"

# `status` of the list and `event` of the webhook, whose page documents them:
# https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/message_template_status_update
# None: it says nothing of whether the text may be sent.
STATES: Mapping[str, TemplateState | None] = {
    "APPROVED": TemplateState.APPROVED,
    "REINSTATED": TemplateState.APPROVED,
    "FLAGGED": TemplateState.APPROVED,  # at risk of being disabled, but sent as yet
    "PENDING": TemplateState.PENDING,
    "IN_APPEAL": TemplateState.PENDING,
    "REJECTED": TemplateState.REJECTED,
    "LIMIT_EXCEEDED": TemplateState.REJECTED,  # more texts than the business may have
    "PAUSED": TemplateState.PAUSED,
    "DISABLED": TemplateState.DISABLED,
    "ARCHIVED": TemplateState.DISABLED,
    "DELETED": TemplateState.DISABLED,
    "PENDING_DELETION": TemplateState.DISABLED,
    "LOCKED": None,  # cannot be edited
    "UNARCHIVED": None,  # as it was before it was archived
}

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class _Button(Struct):
    type: str = ""
    text: str = ""
    url: str = ""


class _Component(Struct):
    type: str = ""
    format: str = ""
    text: str = ""
    buttons: list[_Button] = field(default_factory=list)


class _Template(Struct):
    name: str
    language: str
    status: str = ""
    category: str = ""
    parameter_format: str = ""
    components: list[_Component] = field(default_factory=list)


class _Cursors(Struct):
    after: str = ""


class _Paging(Struct):
    cursors: _Cursors = field(default_factory=_Cursors)
    next: str = ""  # the address of the next page; none after the last


class _Page(Struct):
    data: list[_Template]
    paging: _Paging = field(default_factory=_Paging)


class _News(Struct):
    event: str = ""
    message_template_name: str = ""
    message_template_language: str = ""
    message_template_category: str | None = None
    new_category: str | None = None
    correct_category: str | None = None  # what `new_category`, still so, becomes in a day
    reason: str | None = None
    other_info: _Info | None = None
    rejection_info: _Info | None = None


class _Info(Struct):
    title: str = ""
    description: str = ""
    reason: str = ""
    recommendation: str = ""


_decode_page = msgspec.json.Decoder(_Page).decode


def templates_request(account: Account, cursor: str) -> Request | None:
    """Return the request for a page of the business's texts; None where the account does not name it."""
    business = account["business_account_id"]
    if not business:
        return None
    query = {"fields": FIELDS, "limit": str(PAGE), **({"after": cursor} if cursor else {})}
    address = f"{meta.url(account, business, 'message_templates')}?{urlencode(query)}"
    return Request("GET", address, meta.bearer(account))


def read_templates(response: Response) -> tuple[list[ServiceTemplate], str]:
    """Return a page of texts, and the cursor of the next, "" after the last; raises SendError."""
    if not response.ok:
        raise meta.refusal(response, meta.GENERAL)
    try:
        page = _decode_page(response.body)
    except ValueError:
        raise status_error(response, "the answer is not a list of templates") from None
    return [_template(each) for each in page.data], page.paging.cursors.after if page.paging.next else ""


def _template(told: _Template) -> ServiceTemplate:
    parts = {part.type.upper(): part for part in told.components}
    head, body = parts.get("HEADER", _Component()), parts.get("BODY", _Component())
    return ServiceTemplate(
        name=told.name,
        language=told.language,
        category=told.category.lower(),
        state=STATES.get(told.status.upper()),
        word=told.status,
        header=(head.format or "text").lower() if head.type else "",
        header_text=head.text,
        header_parameters=_places(head.text),
        body=body.text,
        parameters=_places(body.text),
        named=told.parameter_format.upper() == "NAMED",
        footer=parts.get("FOOTER", _Component()).text,
        buttons=tuple(
            ServiceButton(button.type.lower(), button.text, button.url)
            for button in parts.get("BUTTONS", _Component()).buttons
        ),
    )


def _places(text: str) -> tuple[str, ...]:
    """Return what is to be filled, each place once: numbered ones by number, named ones as they stand."""
    places = tuple(dict.fromkeys(_PLACE.findall(text)))
    return tuple(sorted(places, key=int)) if all(each.isdecimal() for each in places) else places


def state_news(value: bytes, at: int | None, raw: bytes) -> TemplateNews:
    """Return what `message_template_status_update` says; raises ValueError where it cannot be read."""
    told = _named(value)
    about = [told.reason if told.reason != "NONE" else None]
    for info in (told.other_info, told.rejection_info):
        if info is not None:
            about += [info.title, info.description, info.reason, info.recommendation]
    return _news(told, STATES.get(told.event), told.event, "; ".join(filter(None, about)), at, raw)


def category_news(value: bytes, at: int | None, raw: bytes) -> TemplateNews:
    """Return what `template_category_update` says: the text has another price, or will have it in a day.

    Raises ValueError where it cannot be read.
    """
    told = _named(value)
    detail = f"becomes {told.correct_category.lower()} within a day" if told.correct_category else ""
    return _news(told, None, "template_category_update", detail, at, raw)


def _named(value: bytes) -> _News:
    told = msgspec.json.decode(value, type=_News)
    if not told.message_template_name:
        raise ValueError("it names no template")
    return told


def _news(
    told: _News, state: TemplateState | None, word: str, detail: str, at: int | None, raw: bytes
) -> TemplateNews:
    return TemplateNews(
        name=told.message_template_name,
        language=told.message_template_language.replace("-", "_"),  # as the list writes it
        state=state,
        word=word,
        category=(told.new_category or told.message_template_category or "").lower(),
        detail=detail,
        at=at,
        raw=raw,
    )
