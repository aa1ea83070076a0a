"""Bitrix24: events in, entries and tasks out, and Kaskad as its message provider.

https://apidocs.bitrix24.com. Events carry an id only, so deal, lead and contact are read afterwards. They
are proven by nothing but `application_token`. REST calls go to an incoming webhook, whose address is the
secret.

To its message provider (`messageservice`, which wants a local application with its own tokens) Bitrix24
hands texts that managers and robots send from its cards. They become the event `bitrix24_message`, so that a
cascade carries them, and what became of them is reported back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Outcome, Reason
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    Outgoing,
    Provider,
    Request,
    Response,
    Setting,
    Told,
    decode,
    status_error,
)
from kaskad.providers.crm import (
    JOURNALED,
    PROPERTY,
    Changed,
    Conversation,
    Customer,
    Entry,
    Happened,
    Keep,
    PeoplePage,
    all_values,
    branch,
    cell_of,
    event_key,
    first_value,
    people_of,
    php_form,
    text_of,
)
from kaskad.providers.signatures import check_secret

ERRORS: dict[str, Reason] = {  # https://apidocs.bitrix24.com/limits.html and the answers' `error`
    "QUERY_LIMIT_EXCEEDED": Reason.RATE_LIMITED,  # 2 requests a second, 50 at once; HTTP 503
    "OPERATION_TIME_LIMIT": Reason.RATE_LIMITED,  # the method has worked too long; HTTP 429
    "expired_token": Reason.AUTH,
    "invalid_token": Reason.AUTH,
    "NO_AUTH_FOUND": Reason.AUTH,
    "INVALID_CREDENTIALS": Reason.AUTH,
    "insufficient_scope": Reason.AUTH,
    "ACCESS_DENIED": Reason.AUTH,
    "PAYMENT_REQUIRED": Reason.AUTH,
    "PORTAL_DELETED": Reason.AUTH,
    "ERROR_CORE": Reason.CONTENT,
}
ENTITIES: dict[str, str] = {  # an event's word: the entity that it is about
    "ONCRMDEALADD": "deal",
    "ONCRMDEALUPDATE": "deal",
    "ONCRMLEADADD": "lead",
    "ONCRMLEADUPDATE": "lead",
    "ONCRMCONTACTADD": "contact",
    "ONCRMCONTACTUPDATE": "contact",
}
STATUSES: dict[
    str, str
] = {  # an outgoing event: STATUS of messageservice.message.status.update, which knows no "read"
    "message.sent": "sent",
    "message.reacted": "delivered",
}
PLACES = ("deal", "lead", "contact")  # where an entry is written, the first that is known
UNDELIVERED = (Outcome.UNREACHABLE.value, Outcome.FAILED.value)
NAMED = frozenset({"ID", "NAME", "LAST_NAME", "EMAIL", "PHONE"})
TOKEN_URL = "https://oauth.bitrix.info/oauth/token/"
MARGIN_MS = 60_000  # a token is asked for anew so long before its end
SELECTED = (  # of contacts: https://apidocs.bitrix24.com/api-reference/crm/contacts/crm-contact-list.html
    "ID", "NAME", "LAST_NAME", "BIRTHDATE", "POST", "TYPE_ID", "SOURCE_ID", "EMAIL", "PHONE", "UF_*",
)  # fmt: skip
KEPT_FIELDS = 100  # user fields of a deal that go into the event


class Bitrix24(Provider):
    """Bitrix24: deals and leads begin cascades, their touches stand in its timeline, calls are its tasks.

    The events are `bitrix24_deal`, `bitrix24_lead` and `bitrix24_contact`, each with the entity's fields as
    properties (`trigger.stage_id`), and `bitrix24_message` for texts sent through Kaskad from its cards.
    """

    name = "bitrix24"
    title = "Bitrix24"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.AGENT_CALL})
    settings = (
        Setting("webhook_url", secret=True, help="Incoming webhook: https://….bitrix24.ru/rest/1/…/"),
        Setting("application_token", secret=True, help="Of the outgoing webhook: proves events"),
        Setting("responsible_id", help="The employee who gets the tasks of agent calls"),
        Setting("language", required=False, default="ru", choices=("ru", "en"),
                help="Of what is written there"),
        Setting("journal", required=False, default="on", choices=("on", "off"),
                help="on: touches are written into the timeline"),
        Setting("code", required=False, help="Of the message provider that messageservice.sender.add made"),
        Setting("client_id", required=False, help="Of the local application: reports on its messages"),
        Setting("client_secret", secret=True, required=False),
        Setting("refresh_token", secret=True, required=False, help="Of the application; renewed by itself"),
        Setting("token_url", required=False, default=TOKEN_URL, help="Where applications get their tokens"),
    )  # fmt: skip
    connect = (
        "Developer resources, incoming webhook with the rights crm, task and user: its address is "
        "`webhook_url`.",
        "Outgoing webhook to `https://…/hooks/<account>` for ONCRMDEALADD, ONCRMDEALUPDATE and whatever else "
        "begins your cascades; its token is `application_token`.",
        "Begin a cascade by `trigger: {event: bitrix24_deal, if: \"trigger.stage_id == 'NEW'\"}`.",
        "To be its message provider: a local application with the right messageservice, whose "
        "`messageservice.sender.add` names `https://…/hooks/<account>` as HANDLER; `code`, `client_id`, "
        "`client_secret` and `refresh_token` let the messages' fate be reported.",
    )
    judges = ("fast_bitrix24",)
    tells_people = True
    hidden = re.compile(rb"((?:access|refresh|application)_token(?:\]|%5d)=)[^&]*", re.IGNORECASE)
    capabilities = Capabilities(concurrency=1, per_second=2.0, burst=10)
    unverified = (
        "the token's address, and that a refresh token is replaced at each use (the newest is kept)",
        "that a failed event is not repeated: what Kaskad did not answer is lost",
        "the errors beside the two limits",
        "that a comment or a task after a lost answer exists: it is not written again",
    )

    def check(self, account: Account) -> list[str]:
        if "/rest/" not in account["webhook_url"]:
            return ["webhook_url is the address of an incoming webhook, https://….bitrix24.ru/rest/1/…/"]
        return []

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        """Return a task for the employee: the script, whom to call, and our reference."""
        whom = " ".join(part for part in (outgoing.contact_name, outgoing.to) if part)
        fields = {
            "TITLE": f"Позвонить: {whom}"[:250] if outgoing.language != "en" else f"Call {whom}"[:250],
            "DESCRIPTION": f"{outgoing.script}\n\n{outgoing.to}",
            "RESPONSIBLE_ID": account["responsible_id"],
        }
        return _call(account, "tasks.task.add", {"fields": fields})

    def read_response(self, response: Response) -> Accepted:
        number = text_of(branch(_result(response), "task").get("id"))
        if not number:
            raise SendError(Reason.AMBIGUOUS, "the answer names no task", accepted=None)
        return Accepted(number)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        token = text_of(branch(php_form(hook.body), "auth").get("application_token"))
        check_secret(account["application_token"], token)

    def read_webhook(self, hook: Request, account: Account) -> list[Told]:
        told = php_form(hook.body)
        if text_of(told.get("message_id")) and text_of(told.get("message_to")):
            return [_message(told)]
        name, stamp = text_of(told.get("event")).upper(), text_of(told.get("ts"))
        number = text_of(branch(told, "data", "FIELDS").get("ID"))
        if not name:
            raise ValueError("the webhook names no event")
        if name not in ENTITIES or not number:
            return []
        at = int(stamp) * 1000 if stamp.isascii() and stamp.isdigit() and len(stamp) < 12 else None
        return [Changed(key=f"{name} {number} {stamp}", name=name, fields={"id": number}, at=at)]

    def learn(self, changed: Changed, account: Account, now: int) -> Conversation[list[Happened]]:
        """Ask for the entity and its customer, and tell them as one event."""
        at = changed.at or now
        if changed.name == "message":
            return [_asked(changed, at)]
        entity, number = ENTITIES[changed.name], changed.fields["id"]
        fields = _result((yield _call(account, f"crm.{entity}.get", {"id": number})))
        person = fields
        if entity == "deal":
            contact = text_of(fields.get("CONTACT_ID"))
            if contact in ("", "0"):
                return []  # nobody to write to
            person = _result((yield _call(account, "crm.contact.get", {"id": contact})))
        about = {entity: number}
        properties = {**_properties(fields), PROPERTY: about}
        event = event_key("bitrix24", changed, properties)
        return [Happened(key=event, name=f"bitrix24_{entity}", customer=_customer(person, entity), at=at,
                         properties=properties)]  # fmt: skip

    def people(self, cursor: str, account: Account) -> Conversation[PeoplePage]:
        """Ask for the next contacts by their ids, without their number: https://apidocs.bitrix24.com/limits.html"""
        asked = {
            "order": {"ID": "ASC"}, "filter": {">ID": cursor or "0"}, "select": list(SELECTED), "start": -1,
        }  # fmt: skip
        response = yield _call(account, "crm.contact.list", asked)
        _result(response)  # raises what the portal refuses
        found = people_of(branch(response.json()).get("result"))
        return PeoplePage([_row(one) for one in found], text_of(found[-1].get("ID")) if found else "")

    def journal_types(self, account: Account) -> frozenset[str]:
        return JOURNALED if account["journal"] != "off" else frozenset()

    def journal(self, entry: Entry, account: Account, now: int) -> Conversation[str]:
        """Report on a message of Bitrix24's own, and write the touch into the timeline."""
        done = []
        status = STATUSES.get(entry.kind) or ("undelivered" if entry.outcome in UNDELIVERED else "")
        if status and entry.about.get("message_id") and account["refresh_token"]:
            token = yield from _token(account, now)
            told = {"CODE": account["code"], "MESSAGE_ID": entry.about["message_id"], "STATUS": status}
            method = f"{_portal(account)}/rest/messageservice.message.status.update.json"
            _result((yield Request.of_json(method, {**told, "auth": token})))
            done.append(status)
        place = _place(entry)
        if place is not None:
            fields = {"ENTITY_TYPE": place[0], "ENTITY_ID": place[1], "COMMENT": entry.text}
            _result((yield _call(account, "crm.timeline.comment.add", {"fields": fields})))
            done.append(f"{place[0]} {place[1]}")
        return ", ".join(done)


def _call(account: Account, method: str, values: Mapping[str, Any]) -> Request:
    return Request.of_json(f"{account['webhook_url'].rstrip('/')}/{method}.json", values)


def _portal(account: Account) -> str:
    return account["webhook_url"].partition("/rest/")[0]


def _result(response: Response) -> dict[str, Any]:
    """Return `result` of an answer, {} where it is no object; raises SendError with the portal's word."""
    try:
        told = decode(response.body)
    except ValueError:
        told = None
    if response.ok and not isinstance(told, dict):
        raise SendError(Reason.AMBIGUOUS, "the answer is not Bitrix24's", accepted=None)
    if response.ok and "error" not in branch(told):
        return branch(told, "result")
    code = text_of(branch(told).get("error"))
    general = status_error(response, text_of(branch(told).get("error_description"))[:200], code=code)
    if code in ERRORS:
        raise SendError(ERRORS[code], general.detail, code=code, retry_after_ms=general.retry_after_ms)
    raise general if not response.ok else SendError(Reason.OTHER, f"Bitrix24 answered {code}", code=code)


def _token(account: Account, now: int) -> Conversation[str]:
    """Return an access token of the local application; a new one is kept with the next refresh token."""
    until = account["access_until"]
    if account["access_token"] and until.isdigit() and int(until) - MARGIN_MS > now:
        return account["access_token"]
    names = ("client_id", "client_secret", "refresh_token")
    asked = {"grant_type": "refresh_token", **{name: account[name] for name in names}}
    response = yield Request("GET", f"{account['token_url'] or TOKEN_URL}?{urlencode(asked)}")
    told = response.json() if response.ok else {}
    token, life = text_of(branch(told).get("access_token")), text_of(branch(told).get("expires_in"))
    if not token:
        raise SendError(Reason.AUTH, f"HTTP {response.status}: the application's refresh token is not taken")
    seconds = int(life) if life.isdigit() and len(life) < 9 else 3600
    renewed = text_of(branch(told).get("refresh_token")) or account["refresh_token"]
    yield Keep({"access_token": token, "access_until": str(now + seconds * 1000), "refresh_token": renewed})
    return token


def _message(told: Mapping[str, Any]) -> Changed:
    """Return a text that is to be sent: what the card, a robot or a workflow asks for."""
    fields = {name: text_of(told.get(name)) for name in ("message_id", "message_to", "message_body")}
    bound: object = next(iter(branch(told, "bindings").values()), None)
    kind, number = text_of(branch(bound).get("OWNER_TYPE_ID")), text_of(branch(bound).get("OWNER_ID"))
    entity = {"1": "lead", "2": "deal", "3": "contact"}.get(kind, "")
    if entity and number:
        fields[entity] = number
    return Changed(key=f"message {fields['message_id']}", name="message", fields=fields)


def _asked(changed: Changed, at: int) -> Happened:
    fields = changed.fields
    about = {name: fields[name] for name in ("message_id", *PLACES) if name in fields}
    properties = {"text": fields["message_body"], "message_id": fields["message_id"], PROPERTY: about}
    return Happened(key=f"bitrix24 {changed.key}", name="bitrix24_message",
                    customer=Customer(phone=fields["message_to"]), at=at, properties=properties)  # fmt: skip


def _customer(person: Mapping[str, Any], entity: str) -> Customer:
    """Return who a contact or lead is; leads become contacts later, so only contacts have an id of ours."""
    name = " ".join(part for key in ("NAME", "LAST_NAME") if (part := text_of(person.get(key))))
    number = text_of(person.get("ID"))
    return Customer(
        external_id=f"bitrix24:contact:{number}" if entity != "lead" and number else "",
        name=name,
        email=first_value(person.get("EMAIL")),
        phone=first_value(person.get("PHONE")),
    )


def _row(person: Mapping[str, Any]) -> dict[str, str]:
    """Return a contact as an import reads it: its own fields in small letters, no empty ones."""
    known = _customer(person, "contact")
    row = {"id": known.external_id, "name": known.name, "email": all_values(person.get("EMAIL")),
           "phone": all_values(person.get("PHONE"))}  # fmt: skip
    for name, value in person.items():
        if name not in NAMED and (text := cell_of(value)):
            row[name.lower()] = text[:10] if name == "BIRTHDATE" else text
    return {name: value for name, value in row.items() if value}


def _properties(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity's plain fields, in small letters; amounts as numbers."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if len(found) >= KEPT_FIELDS or not isinstance(value, str | int | float | bool):
            continue
        found[name.lower()] = _number(value) if name == "OPPORTUNITY" else value
    return found


def _number(value: object) -> object:
    try:
        return float(str(value))
    except ValueError:
        return value


def _place(entry: Entry) -> tuple[str, str] | None:
    """Return where in the CRM an entry belongs: to the deal or lead that began it, else to the contact."""
    for entity in PLACES:
        if number := entry.about.get(entity):
            return entity, number
    prefix, _, number = entry.customer.external_id.rpartition(":")
    return ("contact", number) if prefix == "bitrix24:contact" else None
