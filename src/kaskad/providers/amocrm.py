"""amoCRM and Kommo: leads in, notes and tasks out. https://www.amocrm.ru/developers/content/crm_platform/

Webhooks are forms with several items each, signed by nobody: the secret stands in the address that amoCRM was
given. They do not say who the customer is, so lead and contact are read afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason
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
    encode,
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
    PeoplePage,
    all_values,
    branch,
    event_key,
    people_of,
    php_form,
    text_of,
)
from kaskad.providers.signatures import check_url_key

ENTITIES: dict[str, str] = {"leads": "lead", "contacts": "contact"}  # of a webhook: the entity of the event
ACTIONS = frozenset({"add", "update", "status", "responsible", "restore"})  # after which an entity is read
ERRORS: dict[int, Reason] = {  # HTTP statuses: .../crm_platform/error-codes
    400: Reason.CONTENT,
    401: Reason.AUTH,
    402: Reason.AUTH,  # not paid
    403: Reason.AUTH,  # also: the address is blocked, after 429 was passed over
    404: Reason.CONTENT,  # the entity is gone
    429: Reason.RATE_LIMITED,  # 7 requests a second of one account
}
DAY_S = 86_400
DATES = ("date", "birthday")  # types of fields
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_S = 10_000_000_000  # no date of a person is so far away
NOTHING = 204  # an empty list
PAGE = 250  # contacts: https://www.amocrm.ru/developers/content/crm_platform/contacts-api
CODES = {"EMAIL": "email", "PHONE": "phone", "POSITION": "position"}  # fields that every account has


class AmoCrm(Provider):
    """amoCRM, Kommo: leads begin cascades, their touches are notes, agent calls are tasks.

    The events are `amocrm_lead` and `amocrm_contact`, with the entity's fields as properties
    (`trigger.status_id`).
    """

    name = "amocrm"
    title = "amoCRM, Kommo"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.AGENT_CALL})
    settings = (
        Setting("base_url", help="https://….amocrm.ru or https://….kommo.com"),
        Setting("token", secret=True, help="A long-lived token of a private integration"),
        Setting("webhook_secret", secret=True, help="`key` in the address of the webhook: nothing is signed"),
        Setting("responsible_id", help="The user who gets the tasks of agent calls"),
        Setting("language", required=False, default="ru", choices=("ru", "en"),
                help="Of what is written there"),
        Setting("journal", required=False, default="on", choices=("on", "off"),
                help="on: touches are written as notes"),
    )  # fmt: skip
    connect = (
        "Create a private integration and a long-lived token for it.",
        "Create a webhook to `https://…/hooks/<account>?key=<webhook_secret>` for leads (added, changed, "
        "status) and whatever else begins your cascades; the plan must allow webhooks.",
        'Begin a cascade by `trigger: {event: amocrm_lead, if: "trigger.status_id == 142"}`.',
    )
    capabilities = Capabilities(concurrency=1, per_second=5.0, burst=5)
    tells_people = True
    unverified = (
        "the host, and the names of the fields in webhooks, contacts, notes and tasks",
        "that a task needs no lead or contact to belong to",
        "that a webhook is repeated where it was not taken, and switched off after many failures",
        "that a note or a task after a lost answer exists: it is not written again",
    )

    def check(self, account: Account) -> list[str]:
        if not account["responsible_id"].isdigit():
            return ["responsible_id is the number of a user of amoCRM"]
        return []

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        """Return a task for the user: the script and whom to call, until the step's patience ends."""
        until = outgoing.at // 1000 + (outgoing.valid_for_ms // 1000 or DAY_S)
        whom = " ".join(part for part in (outgoing.contact_name, outgoing.to) if part)
        task = {
            "text": f"{whom}\n\n{outgoing.script}",
            "complete_till": until,
            "task_type_id": 1,
            "responsible_user_id": int(account["responsible_id"]),
            "request_id": outgoing.reference,
        }
        return _call(account, "POST", "tasks", [task])

    def read_response(self, response: Response) -> Accepted:
        tasks = branch(_read(response), "_embedded").get("tasks")
        number = text_of(branch(tasks[0]).get("id")) if isinstance(tasks, list) and tasks else ""
        if not number:
            raise SendError(Reason.AMBIGUOUS, "the answer names no task", accepted=None)
        return Accepted(number)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        check_url_key(hook.url, account["webhook_secret"])

    def read_webhook(self, hook: Request, account: Account) -> list[Told]:
        told = php_form(hook.body)
        found: list[Told] = []
        for word, entity in ENTITIES.items():
            for action, items in branch(told, word).items():
                if action in ACTIONS:
                    found += [_changed(entity, action, branch(item)) for item in branch(items).values()]
        if not found and not branch(told, "account"):
            raise ValueError("the webhook is not that of amoCRM")
        return found

    def learn(self, changed: Changed, account: Account, now: int) -> Conversation[list[Happened]]:
        """Ask for the entity and its customer, and tell them as one event."""
        number, at = changed.fields["id"], changed.at or now
        if not number:
            return []
        if changed.name == "contact":
            person = fields = _read((yield _call(account, "GET", f"contacts/{number}")))
        else:
            fields = _read((yield _call(account, "GET", f"leads/{number}?with=contacts")))
            contact = _main_contact(fields)
            if not contact:
                return []  # nobody to write to
            person = _read((yield _call(account, "GET", f"contacts/{contact}")))
        plain = {name: value for name, value in fields.items() if isinstance(value, str | int | float)}
        properties = {**plain, **changed.fields, "id": number, PROPERTY: {changed.name: number}}
        event = event_key("amocrm", changed, properties)
        return [Happened(key=event, name=f"amocrm_{changed.name}", customer=_customer(person), at=at,
                         properties=properties)]  # fmt: skip

    def people(self, cursor: str, account: Account) -> Conversation[PeoplePage]:
        """Ask for a page of contacts, in the order of their ids."""
        page = int(cursor or 1)
        response = yield _call(account, "GET", f"contacts?page={page}&limit={PAGE}&order%5Bid%5D=asc")
        told = _read(response)
        found = people_of(branch(told, "_embedded").get("contacts")) if response.status != NOTHING else []
        return PeoplePage([_row(one) for one in found], str(page + 1) if found else "")

    def journal_types(self, account: Account) -> frozenset[str]:
        return JOURNALED if account["journal"] != "off" else frozenset()

    def journal(self, entry: Entry, account: Account, now: int) -> Conversation[str]:
        """Write a note to the lead that began the run, else to the contact."""
        place = _place(entry)
        if place is None:
            return ""
        note = {"note_type": "common", "params": {"text": entry.text}}
        _read((yield _call(account, "POST", f"{place}/notes", [note])))
        return place


def _call(account: Account, method: str, path: str, values: Sequence[Mapping[str, Any]] = ()) -> Request:
    url = f"{account['base_url'].rstrip('/')}/api/v4/{path}"
    headers = {"Authorization": f"Bearer {account['token']}"}
    if method == "GET":
        return Request("GET", url, headers)
    return Request(method, url, {**headers, "Content-Type": "application/json"}, encode(values))


def _read(response: Response) -> dict[str, Any]:
    """Return the object of an answer, {} where it is empty; raises SendError with what amoCRM says."""
    if response.status == NOTHING:
        return {}
    if response.ok:
        return branch(response.json())
    general = status_error(response)
    if response.status in ERRORS:
        reason = ERRORS[response.status]
        raise SendError(
            reason, general.detail, code=str(response.status), retry_after_ms=general.retry_after_ms
        )
    raise general


def _changed(entity: str, action: str, item: Mapping[str, Any]) -> Changed:
    number = text_of(item.get("id"))
    stamp = text_of(item.get("updated_at") or item.get("last_modified") or item.get("date_create"))
    fields = {"id": number, "action": action}
    for name in ("old_status_id", "old_responsible_user_id"):
        if before := text_of(item.get(name)):
            fields[name] = before
    at = int(stamp) * 1000 if stamp.isascii() and stamp.isdigit() and len(stamp) < 12 else None
    return Changed(key=f"{entity} {action} {number} {stamp}", name=entity, fields=fields, at=at)


def _main_contact(lead: Mapping[str, Any]) -> str:
    contacts = branch(lead, "_embedded").get("contacts")
    known = [one for one in contacts if isinstance(one, dict)] if isinstance(contacts, list) else []
    chosen = next((one for one in known if one.get("is_main") is True), known[0] if known else {})
    return text_of(chosen.get("id"))


def _customer(person: Mapping[str, Any]) -> Customer:
    number = text_of(person.get("id"))
    return Customer(
        external_id=f"amocrm:contact:{number}" if number else "",
        name=text_of(person.get("name")),
        email=_field(person, "EMAIL"),
        phone=_field(person, "PHONE"),
    )


def _field(person: Mapping[str, Any], code: str) -> str:
    """Return the first value of a field of a contact, by the field's code; "" where it has none."""
    fields = person.get("custom_fields_values")
    for one in fields if isinstance(fields, list) else ():
        if branch(one).get("field_code") == code:
            values = branch(one).get("values")
            return text_of(branch(values[0]).get("value")) if isinstance(values, list) and values else ""
    return ""


def _row(person: Mapping[str, Any]) -> dict[str, str]:
    """Return a contact as an import reads it: its own fields under the names that users gave them."""
    known = _customer(person)
    row = {"id": known.external_id, "name": known.name}
    fields = person.get("custom_fields_values")
    for one in map(branch, fields if isinstance(fields, list) else ()):
        code, title = text_of(one.get("field_code")), text_of(one.get("field_name"))
        name = CODES.get(code) or title or code
        if name and name not in row:
            row[name] = (
                _days(one) if one.get("field_type") in DATES else all_values(one.get("values"), "value")
            )
    return {name: value for name, value in row.items() if value}


def _days(field: Mapping[str, Any]) -> str:
    """Return the days of a field that has instants: of midnight in the account's zone, which is not told.

    Half a day later it is that day wherever the account is.
    """
    values = field.get("values")
    told = [branch(one).get("value") for one in values] if isinstance(values, list) else []
    return "; ".join(
        (EPOCH + timedelta(seconds=one, hours=12)).date().isoformat()
        for one in told
        if isinstance(one, int) and abs(one) < FAR_S
    )


def _place(entry: Entry) -> str | None:
    """Return where notes about it are written: to the lead that began it, else to the contact."""
    if number := entry.about.get("lead"):
        return f"leads/{number}"
    if number := entry.about.get("contact"):
        return f"contacts/{number}"
    prefix, _, number = entry.customer.external_id.rpartition(":")
    return f"contacts/{number}" if prefix == "amocrm:contact" else None
