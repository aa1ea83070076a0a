"""Messages of a VK community: https://dev.vk.com/method/messages.send, and its Callback API. The schema is
https://github.com/VKCOM/vk-api-schema (5.199).

Every error comes as "200". A webhook is believed for the secret in its body; nothing is signed. There is no
delivery report; a person who reads a message has read all before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Button
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
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
    Setting,
    encode,
    status_error,
)
from kaskad.providers.signatures import check_secret
from kaskad.providers.vk_events import EVENTS as EVENTS  # stands on the provider's page too
from kaskad.providers.vk_events import Envelope, Ours, envelope_of, happened, pressed, provider_id

BASE_URL = "https://api.vk.com"
VERSION = "5.199"  # of the schema

ERRORS = {  # https://dev.vk.com/reference/errors and those of messages.send in the schema
    1: Reason.AMBIGUOUS,  # "unknown error"; with the same random_id it is safe to ask again
    2: Reason.AUTH,
    3: Reason.AUTH,
    4: Reason.AUTH,
    5: Reason.AUTH,  # the token
    6: Reason.RATE_LIMITED,  # too many in this second
    7: Reason.OTHER,  # of this person, or of a token without the right: the address stays good, as for 15
    8: Reason.CONTENT,
    9: Reason.WINDOW,  # flood control: this text to this person, who gets it not at all; others can go on
    10: Reason.AMBIGUOUS,  # "internal server error"
    11: Reason.AUTH,
    14: Reason.AUTH,  # a captcha
    15: Reason.OTHER,
    16: Reason.AUTH,
    17: Reason.AUTH,
    18: Reason.INVALID_ADDRESS,  # deleted or banned
    20: Reason.AUTH,
    21: Reason.AUTH,
    23: Reason.AUTH,
    24: Reason.AUTH,
    25: Reason.AUTH,
    27: Reason.AUTH,
    28: Reason.AUTH,
    29: Reason.RATE_LIMITED,  # of the method, for hours
    32: Reason.RATE_LIMITED,
    34: Reason.AUTH,  # the version of the API
    35: Reason.AUTH,
    36: Reason.AMBIGUOUS,  # it took too long there
    42: Reason.AUTH,  # our address is not on the token's list
    100: Reason.CONTENT,  # a parameter
    104: Reason.OTHER,
    113: Reason.INVALID_ADDRESS,
    203: Reason.AUTH,
    900: Reason.INVALID_ADDRESS,  # the community has the person on its black list
    901: Reason.WINDOW,  # never allowed it, or no longer
    902: Reason.INVALID_ADDRESS,  # the person's privacy settings
    910: Reason.CONTENT,
    911: Reason.CONTENT,  # the keyboard
    912: Reason.AUTH,  # bot features are off in the community's settings
    913: Reason.CONTENT,
    914: Reason.CONTENT,  # too long
    917: Reason.OTHER,  # of group chats, as are those below that are "other"
    921: Reason.CONTENT,
    922: Reason.OTHER,
    925: Reason.OTHER,
    936: Reason.INVALID_ADDRESS,
    940: Reason.CONTENT,
    943: Reason.WINDOW,  # the intent
    944: Reason.WINDOW,
    945: Reason.OTHER,
    946: Reason.OTHER,
    950: Reason.WINDOW,  # the time for an answer is over
    962: Reason.OTHER,
    969: Reason.CONTENT,
    985: Reason.OTHER,
    987: Reason.WINDOW,  # a request to write is needed, or waits
    988: Reason.WINDOW,
    1012: Reason.OTHER,
    1117: Reason.AUTH,  # the token has expired
}
WAITS_MS = {6: 1_000, 29: 60_000, 32: 5_000}  # VK names no wait
MAX_TEXT = 9000
MAX_PAYLOAD = 255


class Vk(Provider):
    """Messages of a community; people must have allowed them, best by an opt-in link."""

    name = "vk"
    title = "VK"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.VK})
    settings = (
        Setting("token", secret=True, help="Of the community, with the right to messages"),
        Setting("group_id", help="The community's number"),
        Setting("secret", secret=True, help="The secret key of the Callback API, set there too"),
        Setting("confirmation", help="The string that the server must return, from the Callback API's page"),
        Setting("api_version", required=False, default=VERSION, help="As on the Callback API's page"),
        Setting("base_url", required=False, default=BASE_URL),
    )  # fmt: skip
    connect = (
        "In the community: Manage, Settings, API usage, Access tokens, Create token, with the right to "
        "community messages; and in Messages switch on community messages and bot abilities.",
        "On the Callback API's page take the string that the server must return for `confirmation`, set a "
        "secret key (`secret`), choose the API version of `api_version`.",
        "Enable the account in Kaskad, give `https://…/hooks/<account>` as the address, and confirm it.",
        "In Event types switch on all of messages: incoming, read, action with message, allow, deny.",
        "A community may write only to people who have written to it or allowed it: make opt-in links, `POST "
        "/api/v1/contacts/{contact}/opt-in-links`. Their first words bring the token.",
    )
    judges = ("vk_api",)
    capabilities = Capabilities(
        receipts=frozenset({Kind.READ, Kind.CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.READ, Reaction.CLICKED, Reaction.REPLIED}),
        idempotent=True,
        buttons=10,
        max_text=MAX_TEXT,
        concurrency=10,
        per_second=10.0,
        burst=10,
    )
    unverified = (
        "for how long the same random_id brings no second message (about an hour, as is told)",
        "that a text of more than 4096 characters is shown whole",
        "that 10 buttons fit below a message, and 255 characters into the payload of one",
        "that message_read comes for every community: its page of event types has a switch for it",
        "that `ref` of a link comes with a person's first words only",
        "that the request for confirmation may come without the secret",
    )

    def check(self, account: Account) -> list[str]:
        group = account["group_id"]
        if group.isascii() and group.isdigit():
            return []
        return [
            f"`group_id` is {group!r}: give the community's number, without `club` or `public` before it."
        ]

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if outgoing.media:
            raise SendError(
                Reason.CONTENT, "VK takes no files by their address: put a link to them into the text"
            )
        fields = {
            "peer_ids": outgoing.to,  # not peer_id: its answer has the number that reads are told by
            "random_id": str(_random_id(outgoing.key)),
            "message": outgoing.text,
        }
        if outgoing.buttons:
            rows = [[_button(outgoing.reference, n, button)] for n, button in enumerate(outgoing.buttons)]
            fields["keyboard"] = encode({"one_time": False, "inline": True, "buttons": rows}).decode()
        return _call(account, "messages.send", fields)

    def read_response(self, response: Response) -> Accepted:
        sent = _result(response)
        try:
            one = msgspec.json.decode(sent, type=list[_Sent])[0]
        except (ValueError, IndexError):  # it was taken all the same
            return Accepted()
        if one.error is not None:
            raise _refused(one.error.code, one.error.description)
        return Accepted(provider_id(one.peer_id, one.conversation_message_id))

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        # https://dev.vk.com/api/callback/getting-started: the secret alone, the body is not signed
        told = envelope_of(hook.body)
        if told.type == "confirmation" and told.secret is None and _is_of(told, account):
            return  # before a secret is set; it is answered and changes nothing
        check_secret(account["secret"], told.secret or "")

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return happened(hook.body)

    def answer_webhook(self, hook: Request, account: Account) -> tuple[str, bytes]:
        """VK repeats what is not answered with "ok", and gives the server up after many failures."""
        told = envelope_of(hook.body)
        if told.type == "confirmation" and _is_of(told, account):
            return "text/plain", account["confirmation"].encode()
        return "text/plain", b"ok"

    def read_setup(self, response: Response) -> None:
        _result(response)

    def follow_up(self, told: Sequence[Receipt | Inbound], account: Account) -> list[Request]:
        """The phone waits on a pressed button until messages.sendMessageEventAnswer."""
        presses = [pressed(one.raw) for one in told if isinstance(one, Receipt)]
        return [
            _call(account, "messages.sendMessageEventAnswer", {
                "event_id": press.event_id, "user_id": str(press.user_id), "peer_id": str(press.peer_id),
            })
            for press in presses
            if press is not None
        ]  # fmt: skip

    def opt_in_link(self, account: Account, token: str) -> str:
        # https://dev.vk.com/api/community-messages/getting-started: `ref` comes back with message_new
        if self.check(account):
            raise Invalid([f"Account {account.name!r} does not say its community: give `group_id`."])
        return f"https://vk.me/club{account['group_id']}?ref={token}"


# What we send


def _call(account: Account, method: str, fields: dict[str, str]) -> Request:
    token = account.required("token")
    base = account.base_url(BASE_URL)
    told = {**fields, "access_token": token, "v": account["api_version"] or VERSION}
    return Request.form("POST", f"{base}/method/{method}", told)


def _random_id(key: str) -> int:
    """Return the number that VK knows a message by: the same for each attempt, never 0."""
    return (int.from_bytes(sha256(key.encode()).digest()[:4], "big") >> 1) or 1


def _button(reference: str, number: int, button: Button) -> dict[str, Any]:
    """Return a button: a link, or an answer that brings our reference back."""
    if button.url:
        return {"action": {"type": "open_link", "label": button.text, "link": button.url}}
    payload = encode(Ours(reference, button.reply)).decode()
    if len(payload) > MAX_PAYLOAD:
        payload = encode(Ours(reference, f"#{number}")).decode()  # its place tells as much
    return {"action": {"type": "callback", "label": button.text, "payload": payload}}


# What we read


class _Failure(Struct):
    """https://dev.vk.com/api/api-requests: an error, and that of one of several peers."""

    code: int = field(name="error_code", default=0)
    description: str = field(name="error_msg", default="")


class _PeerFailure(Struct):
    code: int
    description: str = ""


class _Sent(Struct):
    peer_id: int
    conversation_message_id: int = 0
    error: _PeerFailure | None = None


class _Answer(Struct):
    response: msgspec.Raw = msgspec.Raw(b"")
    error: _Failure | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


def _result(response: Response) -> msgspec.Raw:
    """Return what an answer brings; raises SendError for an error, and where nobody can know."""
    if not response.ok:
        raise status_error(response)
    try:
        answer = _decode_answer(response.body)
    except ValueError:
        raise status_error(response, "the answer is not VK's") from None
    if answer.error is not None:
        raise _refused(answer.error.code, answer.error.description)
    if not bytes(answer.response):
        raise status_error(response, "the answer is not VK's")
    return answer.response


def _refused(code: int, description: str) -> SendError:
    reason = ERRORS.get(code, Reason.OTHER)
    lost = reason is Reason.AMBIGUOUS
    return SendError(
        reason, description or f"error {code}", code=str(code), retry_after_ms=WAITS_MS.get(code),
        accepted=None if lost else False,
    )  # fmt: skip


def _is_of(told: Envelope, account: Account) -> bool:
    return str(told.group_id) == account["group_id"]
