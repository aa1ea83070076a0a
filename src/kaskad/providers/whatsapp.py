"""WhatsApp Business Platform, Cloud API: https://developers.facebook.com/docs/whatsapp/cloud-api

Free text is taken within 24 hours of the person's last message; at any other time a text that WhatsApp has
approved. What is wrong about a message is often told later, in a report, with the same codes. Our reference
goes along as `biz_opaque_callback_data` and comes back in every report.

A person is known by a phone number, or, having hidden it behind a user name, by an id for this business:
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Money
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import meta, whatsapp_setup, whatsapp_templates
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Response,
    ServiceTemplate,
    Setting,
    Told,
)
from kaskad.providers.whatsapp_messages import BSUID, MAX_BUTTONS, MAX_PAYLOAD, MAX_TEXT, content, taken

STATUSES: dict[str, Kind | None] = {  # of our messages: every documented value; None changes nothing
    "sent": Kind.SENT,
    "delivered": Kind.DELIVERED,  # left out where the chat is open: then only "read" comes
    "read": Kind.READ,  # only of people who let it be seen
    "played": Kind.READ,  # a voice message
    "failed": Kind.FAILED,
    "deleted": None,
    "warning": None,
}
# https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes: of a request,
# or of its message later, in a report
ERRORS = {
    **meta.GENERAL,
    131005: Reason.AUTH,  # a permission is missing
    131031: Reason.AUTH,  # the account is locked
    131037: Reason.AUTH,  # the number's display name is not approved
    131042: Reason.AUTH,  # payment
    131044: Reason.AUTH,  # payment, of calls
    131045: Reason.AUTH,  # the number is not registered
    131048: Reason.AUTH,  # limited for spam: everything that is sent on makes it worse
    133010: Reason.AUTH,  # the number is not registered
    80007: Reason.RATE_LIMITED,  # of the business account
    130429: Reason.RATE_LIMITED,  # messages a second
    131064: Reason.RATE_LIMITED,
    133016: Reason.RATE_LIMITED,
    131056: Reason.TRANSIENT,  # too many to this person: the others go on
    131000: Reason.TRANSIENT,
    131016: Reason.TRANSIENT,
    131053: Reason.TRANSIENT,  # the file could not be fetched
    131057: Reason.TRANSIENT,  # maintenance
    131021: Reason.INVALID_ADDRESS,  # the number is the sender's own
    131026: Reason.DOUBTFUL_ADDRESS,  # not on WhatsApp, blocked us, or an old application: not told which
    130497: Reason.WINDOW,  # the business may not write to this country
    130472: Reason.WINDOW,  # the person is part of an experiment of Meta's
    131030: Reason.WINDOW,  # a test number writes to listed numbers only
    131047: Reason.WINDOW,  # has not written for 24 hours: an approved text is needed
    131049: Reason.WINDOW,  # has had enough advertising for now; trying again makes it worse
    131050: Reason.OPTED_OUT,  # has stopped the advertising of this business
    131008: Reason.CONTENT,
    131009: Reason.CONTENT,
    131051: Reason.CONTENT,
    131052: Reason.CONTENT,
    131062: Reason.CONTENT,  # this kind of message goes to telephone numbers only
    131063: Reason.CONTENT,  # advertising goes by another API of this business
    132000: Reason.CONTENT,  # other parameters than the template has
    132001: Reason.CONTENT,  # no such template, not in this language, or not approved
    132005: Reason.CONTENT,
    132007: Reason.CONTENT,
    132008: Reason.CONTENT,
    132012: Reason.CONTENT,
    132015: Reason.CONTENT,  # the template is paused
    132016: Reason.CONTENT,  # the template is disabled
    132018: Reason.CONTENT,
    132068: Reason.CONTENT,
    132069: Reason.CONTENT,
    135000: Reason.CONTENT,
    137000: Reason.CONTENT,
}
STOPPED = 131050  # the person has stopped the advertising of this business
WROTE = frozenset(  # types of messages that a person writes; presses and reactions have their own lines below
    {"text", "image", "audio", "voice", "video", "document", "sticker", "location", "contacts", "order",
     "interactive", "button", "unsupported"}
)  # fmt: skip
NEWS = {  # fields of the webhook that tell of approved texts
    "message_template_status_update": whatsapp_templates.state_news,
    "template_category_update": whatsapp_templates.category_news,
}
SUBCODES = {33: Reason.AUTH}  # of 100: no such number, or not for this token
NOT_TAKEN = frozenset({131016, 131057})  # codes of a 5xx that say so

_PHONE = re.compile(r"\+?(\d{7,15})")


class WhatsApp(Provider):
    """A message in WhatsApp, by Meta's own Cloud API."""

    name = "whatsapp"
    title = "WhatsApp"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.WHATSAPP})
    settings = (
        Setting("access_token", secret=True, help="Of a system user, with whatsapp_business_messaging"),
        Setting("phone_number_id", help="Of the number that sends: its id, not the number itself"),
        Setting("business_account_id", required=False, help="Its approved texts are listed with it"),
        Setting("phone", required=False, help="The number that sends, +…; opt-in links need it"),
        meta.APP_SECRET,
        meta.VERIFY_TOKEN,
        meta.GRAPH_VERSION,
        Setting("base_url", required=False, default=meta.BASE_URL),
    )
    capabilities = Capabilities(
        receipts=frozenset(
            {*(kind for kind in STATUSES.values() if kind), Kind.CLICKED, Kind.REPLIED, Kind.UNSUBSCRIBED}
        ),
        reactions=frozenset({Reaction.DELIVERED, Reaction.READ, Reaction.CLICKED, Reaction.REPLIED}),
        reports_sent=True,
        buttons=MAX_BUTTONS,
        media=True,
        max_text=MAX_TEXT,
        window_ms=meta.DAY_MS,
        approved=True,
        concurrency=16,
        per_second=80.0,
        burst=80,
    )
    connect = (
        "Add the product WhatsApp to an app at https://developers.facebook.com/apps. "
        "Its page shows `phone_number_id` and `business_account_id`.",
        "The token of a system user of the business, with the permissions whatsapp_business_messaging and "
        "whatsapp_business_management, is `access_token`; the app's secret is `app_secret`.",
        "Under Webhooks of the app give the address `https://…/hooks/<account>` and the text of "
        "`verify_token`; subscribe to messages, user_preferences, message_template_status_update and "
        "template_category_update. The reports of the number Kaskad lets come to its own address.",
        "For people who have not written within 24 hours, have texts approved in WhatsApp Manager, and name "
        "them in the steps as `approved`.",
    )
    judges = ("pywa",)
    unverified: ClassVar[tuple[str, ...]] = (
        "80 messages a second from one number.",
        f"Longest answers of a template's buttons: {MAX_PAYLOAD} characters.",
        "A parameter of a template may hold no line breaks: ours are made spaces.",
        "A person who resumes advertising in WhatsApp's own settings gives no consent by that: START does.",
        "A call from the person opens the 24 hours too; Kaskad is not told of calls.",
    )

    def check(self, account: Account) -> list[str]:
        told = []
        for name in ("phone_number_id", "business_account_id"):
            value = account[name]
            if value and not value.isdecimal():
                told.append(f"`{name}` is a number that Meta gives, {value!r} is none.")
        if account["phone"] and not _PHONE.fullmatch(account["phone"]):
            told.append("`phone` is the number that sends, with its country code, such as +15550100.")
        return told

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        kind, held = content(outgoing)
        to = outgoing.to
        fields: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "recipient" if BSUID.fullmatch(to) else "to": to,
            "type": kind,
            kind: held,
        }
        if outgoing.reference:
            fields["biz_opaque_callback_data"] = outgoing.reference
        address = meta.url(account, account["phone_number_id"], "messages")
        return Request.of_json(address, fields, meta.bearer(account))

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            raise meta.refusal(response, ERRORS, SUBCODES, NOT_TAKEN)
        return taken(response)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        meta.verify(hook, account)

    def read_webhook(self, hook: Request, account: Account) -> Sequence[Told]:
        return _read(hook.body, account)

    def answer_look(self, hook: Request, account: Account) -> tuple[str, bytes]:
        return meta.challenge(hook, account)

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        return whatsapp_setup.requests(account, webhook_url)

    def read_setup(self, response: Response) -> None:
        if not response.ok:
            raise meta.refusal(response, ERRORS, SUBCODES)

    def templates_request(self, account: Account, cursor: str) -> Request | None:
        return whatsapp_templates.templates_request(account, cursor)

    def read_templates(self, response: Response) -> tuple[list[ServiceTemplate], str]:
        return whatsapp_templates.read_templates(response)

    def opt_in_link(self, account: Account, token: str) -> str:
        # https://faq.whatsapp.com/5913398998672934: opens a chat with a text that the person sends
        phone = _PHONE.fullmatch(account["phone"])
        if phone is None:
            raise Invalid(
                [f"Account {account.name!r} does not say its number: give `phone`, such as +15550100."]
            )
        return f"https://wa.me/{phone[1]}?text={quote(f'/start {token}')}"


# What we read


class _Details(Struct):
    details: str = ""


class _Error(Struct):
    code: int = 0
    title: str = ""
    message: str = ""
    error_data: _Details | None = None


class _Pricing(Struct):
    billable: bool | None = None
    category: str = ""
    type: str = ""


class _Status(Struct):
    """https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status"""

    id: str
    status: str
    timestamp: str = ""
    recipient_id: str = ""
    recipient_user_id: str = ""
    biz_opaque_callback_data: str = ""
    pricing: _Pricing | None = None
    errors: list[_Error] = field(default_factory=list)


class _Context(Struct):
    id: str = ""


class _Body(Struct):
    body: str = ""


class _File(Struct):
    caption: str = ""


class _Button(Struct):
    payload: str = ""
    text: str = ""


class _Choice(Struct):
    id: str = ""
    title: str = ""


class _Flow(Struct):
    body: str = ""


class _Interactive(Struct):
    button_reply: _Choice | None = None
    list_reply: _Choice | None = None
    nfm_reply: _Flow | None = None


class _Reaction(Struct):
    message_id: str = ""


class _Message(Struct):
    id: str
    type: str
    sender: str = field(name="from", default="")
    from_user_id: str = ""
    timestamp: str = ""
    context: _Context | None = None
    text: _Body | None = None
    image: _File | None = None
    video: _File | None = None
    document: _File | None = None
    button: _Button | None = None
    interactive: _Interactive | None = None
    reaction: _Reaction | None = None


class _Preference(Struct):
    """https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/user_preferences"""

    wa_id: str = ""
    user_id: str = ""
    value: str = ""
    category: str = ""
    timestamp: Any = None


class _Metadata(Struct):
    phone_number_id: str = ""


class _Value(Struct):
    metadata: _Metadata | None = None
    statuses: list[msgspec.Raw] = field(default_factory=list)
    messages: list[msgspec.Raw] = field(default_factory=list)
    user_preferences: list[msgspec.Raw] = field(default_factory=list)


class _Change(Struct):
    field: str
    value: msgspec.Raw


class _Entry(Struct):
    changes: list[_Change]
    time: Any = None


class _Webhook(Struct):
    object: str
    entry: list[_Entry]


_decode = msgspec.json.Decoder(_Webhook).decode
_decode_value = msgspec.json.Decoder(_Value).decode
_decode_status = msgspec.json.Decoder(_Status).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_preference = msgspec.json.Decoder(_Preference).decode


def _read(body: bytes, account: Account) -> list[Told]:
    """Return all that one webhook says; raises ValueError where it is none of WhatsApp's."""
    hook = _decode(body)
    if hook.object != "whatsapp_business_account":
        raise ValueError(f"it is about {hook.object}, not whatsapp_business_account")
    told: list[Told] = []
    for entry in hook.entry:
        for change in entry.changes:
            read_change = partial(_changed, change.field, meta.instant(entry.time), account)
            told += meta.read_each([change.value], read_change)
    return told


def _changed(name: str, at: int | None, account: Account, raw: bytes) -> list[Told]:
    news = NEWS.get(name)
    if news is not None:
        return [news(raw, at, raw)]
    value = _decode_value(raw)
    if value.metadata is not None and value.metadata.phone_number_id not in ("", account["phone_number_id"]):
        return [Receipt(kind=None, name=f"{name} of another number", raw=raw)]
    told = meta.read_each(value.statuses, partial(_status, account))
    told += meta.read_each(value.messages, _message)
    told += meta.read_each(value.user_preferences, _preference)
    return told or [Receipt(kind=None, name=name, raw=raw)]


def _status(account: Account, raw: bytes) -> list[Told]:
    told = _decode_status(raw)
    kind = STATUSES.get(told.status)
    at = meta.instant(told.timestamp)
    cost, detail = None, ""
    if told.pricing is not None:
        cost, detail = _price(told.pricing, account)
    if kind is not Kind.FAILED:
        return [
            Receipt(
                kind=kind, name=told.status, reference=told.biz_opaque_callback_data, provider_id=told.id,
                at=at, cost=cost, detail=detail, raw=raw,
            )
        ]  # fmt: skip
    error = told.errors[0] if told.errors else _Error()
    reason = ERRORS.get(error.code, Reason.OTHER) if told.errors else Reason.OTHER
    failure = Receipt(
        kind=kind, event=f"{told.id} failed", name=told.status, reference=told.biz_opaque_callback_data,
        provider_id=told.id, at=at, reason=reason, code=str(error.code or ""),
        cost=cost, detail=_words(error), raw=raw,
    )  # fmt: skip
    who = _address(told.recipient_id, told.recipient_user_id)
    if error.code != STOPPED or not who:
        return [failure]
    return [failure, _stopped(who, f"{told.id} stopped", at, raw)]


def _price(pricing: _Pricing, account: Account) -> tuple[Money | None, str]:
    """Return what is known of a message's price: that it was nothing, and the category that decides it.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/pricing: no report has an amount
    """
    words = ", ".join(word for word in (pricing.category, pricing.type) if word)
    free = pricing.billable is False and account.price is not None
    return Money(0, account.price.currency) if free and account.price else None, words


def _words(error: _Error) -> str:
    told = (error.title, error.message, error.error_data.details if error.error_data else "")
    return "; ".join(dict.fromkeys(text for text in told if text))


def _message(raw: bytes) -> list[Told]:
    """Return what a person did: wrote, pressed a button of ours, put a sign to a message of ours."""
    told = _decode_message(raw)
    at, answers = meta.instant(told.timestamp), told.context.id if told.context else ""
    if told.type == "reaction" and told.reaction is not None:
        return [Receipt(kind=Kind.READ, event=told.id, name="reaction", provider_id=told.reaction.message_id,
                        at=at, raw=raw)]  # fmt: skip
    who = _address(told.sender, told.from_user_id)
    if told.type not in WROTE or not who:
        return [Receipt(kind=None, event=told.id, name=told.type, raw=raw)]
    choice = _choice(told)
    if choice is not None:
        press = meta.pressed(
            choice.id, choice.title, event=told.id, name=told.type, provider_id=answers, at=at, raw=raw
        )
        if press is not None:
            return [press]
    text = choice.title if choice is not None else _text(told)
    token = meta.start_token(text)
    return [
        Inbound(
            channel=Channel.WHATSAPP, address=who, kind=Kind.STARTED if token else Kind.REPLIED,
            event=told.id, at=at, text=token or text, provider_id="" if token else answers,
            also=told.from_user_id if told.sender else "", raw=raw,
        )
    ]  # fmt: skip


def _choice(told: _Message) -> _Choice | None:
    """Return the button that was pressed, or the line of a list that was chosen; None where none was."""
    if told.button is not None:
        return _Choice(told.button.payload, told.button.text)
    if told.interactive is not None:
        return told.interactive.button_reply or told.interactive.list_reply
    return None


def _text(told: _Message) -> str:
    if told.text is not None:
        return told.text.body
    if told.interactive is not None and told.interactive.nfm_reply is not None:
        return told.interactive.nfm_reply.body
    files = (told.image, told.video, told.document)
    return next((file.caption for file in files if file is not None), "")


def _preference(raw: bytes) -> list[Told]:
    """Return that a person has stopped our advertising; that it may go on gives us no consent."""
    told = _decode_preference(raw)
    at, who = meta.instant(told.timestamp), _address(told.wa_id, told.user_id)
    if told.value == "stop" and told.category == "marketing_messages" and who:
        return [_stopped(who, f"stop {told.timestamp}", at, raw)]
    return [Receipt(kind=None, name=f"user_preferences {told.value}", raw=raw)]


def _stopped(who: str, event: str, at: int | None, raw: bytes) -> Inbound:
    return Inbound(channel=Channel.WHATSAPP, address=who, kind=Kind.UNSUBSCRIBED, event=event, at=at, raw=raw)


def _address(phone: str, user: str) -> str:
    """Return who it is as we keep it: the number, or the id that stands for a hidden one."""
    return f"+{phone.removeprefix('+')}" if phone else user
