"""Telegram's Bot API 10.1: https://core.telegram.org/bots/api. The token stands in the URL: never log one.

There is neither a delivery nor a read report for bots. A pressed answer button carries `callback_data` with
our reference and so is a reaction to that very message; a URL button is a tracked link of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from posixpath import splitext
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Button
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.keywords import is_stop
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers.base import (
    UNREADABLE,
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
    status_error,
)
from kaskad.providers.signatures import check_secret, hmac_hex

BASE_URL = "https://api.telegram.org"
POLL_S = 25  # how long getUpdates waits for something to tell
ALLOWED = ("message", "callback_query", "my_chat_member")

# Code and part of the description, in lower case. Telegram documents codes only; the descriptions are those
# that it sends, as public libraries list them: https://github.com/TelegramBotAPI/errors, and the table in
# https://github.com/nyaruka/courier (handlers/telegram). The first that fits counts.
ERRORS: tuple[tuple[int, str, Reason], ...] = (
    (400, "chat not found", Reason.INVALID_ADDRESS),
    (400, "user not found", Reason.INVALID_ADDRESS),
    (400, "peer_id_invalid", Reason.INVALID_ADDRESS),
    (400, "chat_id is empty", Reason.INVALID_ADDRESS),
    (400, "invalid user_id", Reason.INVALID_ADDRESS),
    (400, "user is deactivated", Reason.INVALID_ADDRESS),
    (400, "upgraded to a supergroup", Reason.INVALID_ADDRESS),  # a group; `migrate_to_chat_id` has its new id
    (400, "have no rights to send", Reason.WINDOW),
    (400, "not enough rights to send", Reason.WINDOW),
    (403, "bot was blocked by the user", Reason.INVALID_ADDRESS),
    (403, "user is deactivated", Reason.INVALID_ADDRESS),
    (403, "bot was kicked", Reason.INVALID_ADDRESS),
    (403, "the group chat was deleted", Reason.INVALID_ADDRESS),
    (403, "bot is not a member", Reason.INVALID_ADDRESS),
    (403, "can't send messages to bots", Reason.INVALID_ADDRESS),
    (403, "can't initiate conversation with a user", Reason.WINDOW),  # never pressed Start
    (403, "can't send messages to the user", Reason.DOUBTFUL_ADDRESS),  # seen to pass
)
CODES = {  # what a code says by itself: https://core.telegram.org/bots/api#making-requests
    400: Reason.CONTENT,  # too long, an unreachable picture, a button it does not take
    401: Reason.AUTH,  # no such token
    403: Reason.OTHER,
    404: Reason.AUTH,  # no such method, or a token that is not one
    409: Reason.AUTH,  # polled while a webhook is set, or by two at once
    413: Reason.CONTENT,
    420: Reason.RATE_LIMITED,
    429: Reason.RATE_LIMITED,
}
MEMBERSHIP = {  # https://core.telegram.org/bots/api#chatmember, in a private chat: blocked and unblocked
    "kicked": Kind.BLOCKED,
    "member": Kind.UNBLOCKED,
}
MEDIA = {  # a file's ending: the method that sends it and its field; another ending is a document
    **dict.fromkeys(("", ".jpg", ".jpeg", ".png", ".webp", ".bmp"), ("sendPhoto", "photo")),
    ".gif": ("sendAnimation", "animation"),
    **dict.fromkeys((".mp4", ".mov", ".m4v"), ("sendVideo", "video")),
    **dict.fromkeys((".mp3", ".m4a"), ("sendAudio", "audio")),
}
DOCUMENT = ("sendDocument", "document")
MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_DATA = 64  # bytes of callback_data
MAX_ALBUM = 10

_OURS = re.compile(r"([A-Za-z0-9_-]{16,60}):(.*)", re.DOTALL)
_START = re.compile(r"/start(?:@\w+)?(?:\s+(\S*))?\s*", re.IGNORECASE)
_BOT = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")


class Telegram(Provider):
    """A chat with a bot; people must have pressed Start, best by an opt-in link."""

    name = "telegram"
    title = "Telegram"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TELEGRAM})
    settings = (
        Setting("token", secret=True, help="Of the bot, from @BotFather, such as 123456:ABC-DEF"),
        Setting("bot", required=False, help="The bot's name without @; opt-in links need it"),
        Setting("mode", required=False, default="polling", choices=("polling", "webhook"),
                help="How answers come; webhook needs a public https address"),
        Setting("secret_token", secret=True, required=False,
                help="Sent with each webhook; made from the token where left empty"),
        Setting("base_url", required=False, default=BASE_URL, help="Of another Bot API server"),
    )  # fmt: skip
    connect = (
        "Talk to [@BotFather](https://t.me/BotFather): `/newbot`, a name, a user name. It answers "
        "with the token.",
        "Answers are polled, which needs no public address. With `mode: webhook` Telegram calls "
        "`https://…/hooks/<account>`, on the ports 443, 80, 88 or 8443 only.",
        "A bot may write only to people who have pressed Start: make opt-in links, `POST "
        "/api/v1/contacts/{contact}/opt-in-links`.",
    )
    judges = ("aiogram",)
    capabilities = Capabilities(
        receipts=frozenset({Kind.CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.CLICKED, Reaction.REPLIED}),
        buttons=100,
        media=True,
        max_text=MAX_TEXT,
        concurrency=16,
        per_second=30.0,  # https://core.telegram.org/bots/faq#broadcasting-to-users
        burst=30,
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if outgoing.to.startswith("+"):
            raise SendError(Reason.WINDOW, "a bot writes to chats, and this address is a number")
        method, fields = _message(outgoing)
        fields["chat_id"] = _chat_id(outgoing.to)
        if outgoing.buttons:
            rows = [[_button(outgoing.reference, n, button)] for n, button in enumerate(outgoing.buttons)]
            fields["reply_markup"] = {"inline_keyboard": rows}
        return _call(account, method, fields)

    def read_response(self, response: Response) -> Accepted:
        result = bytes(_result(response))
        try:
            sent = _decode_album(result)[0] if result.startswith(b"[") else _decode_sent(result)
        except (ValueError, IndexError):  # it was taken all the same
            return Accepted()
        return Accepted(_provider_id(sent.chat.id, sent.message_id))

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        # https://core.telegram.org/bots/api#setwebhook: the secret alone, the body is not signed
        check_secret(_secret(account), hook.headers.get("x-telegram-bot-api-secret-token", ""))

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [_told(hook.body)]

    def poll_request(self, account: Account, cursor: str) -> Request | None:
        if _mode(account) != "polling":
            return None
        fields: dict[str, Any] = {"timeout": POLL_S, "limit": 100, "allowed_updates": ALLOWED}
        if cursor:
            fields["offset"] = int(cursor)
        return _call(account, "getUpdates", fields)

    def read_poll(self, response: Response, account: Account) -> tuple[list[Receipt | Inbound], str]:
        try:
            updates = msgspec.json.decode(_result(response), type=list[msgspec.Raw])
        except ValueError as error:
            raise status_error(response, "the answer is not a list of updates") from error
        told: list[Receipt | Inbound] = []
        last = -1
        for raw in updates:
            try:
                last = max(last, msgspec.json.decode(raw, type=_Numbered).update_id)
                told.append(_told(bytes(raw)))
            except ValueError:  # one that we cannot read must not keep the others from us
                told.append(Receipt(kind=None, name=UNREADABLE, raw=bytes(raw)))
        return told, str(last + 1) if last >= 0 else ""

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        if _mode(account) == "polling":
            return [_call(account, "deleteWebhook", {})]
        fields = {"url": webhook_url, "secret_token": _secret(account), "allowed_updates": ALLOWED}
        return [_call(account, "setWebhook", fields)]

    def read_setup(self, response: Response) -> None:
        _result(response)

    def follow_up(self, told: Sequence[Receipt | Inbound], account: Account) -> list[Request]:
        """The phone shows a spinner on a pressed button until answerCallbackQuery."""
        pressed = [_pressed(one.raw) for one in told if isinstance(one, Receipt)]
        return [
            _call(account, "answerCallbackQuery", {"callback_query_id": press.id})
            for press in pressed
            if press is not None
        ]

    def opt_in_link(self, account: Account, token: str) -> str:
        # https://core.telegram.org/bots/features#deep-linking
        bot = account["bot"].removeprefix("@")
        if not _BOT.fullmatch(bot):
            told = f"Account {account.name!r} does not say its bot: give `bot`, the name without @."
            raise Invalid([told])
        return f"https://t.me/{bot}?start={token}"


# What we send


def _call(account: Account, method: str, fields: Mapping[str, Any]) -> Request:
    token = account.required("token")
    base = account.base_url(BASE_URL)
    return Request.of_json(f"{base}/bot{token}/{method}", fields)


def _message(outgoing: Outgoing) -> tuple[str, dict[str, Any]]:
    """Return the method and its fields; raises SendError for what Telegram would not take."""
    text, media = outgoing.text, outgoing.media
    limit = MAX_CAPTION if media else MAX_TEXT
    if 2 * len(text) > limit and (length := _length(text)) > limit:
        what = "the text beside a picture or file" if media else "the text"
        raise SendError(Reason.CONTENT, f"{what} has {length} characters, Telegram takes {limit}")
    if not media:
        return "sendMessage", {"text": text}
    if len(media) > 1:
        return "sendMediaGroup", {"media": _album(outgoing)}
    method, name = _kind_of(media[0])
    return method, {name: media[0], **({"caption": text} if text else {})}


def _album(outgoing: Outgoing) -> list[dict[str, str]]:
    if outgoing.buttons:
        raise SendError(
            Reason.CONTENT, "Telegram shows no buttons below several files: send one, or no button"
        )
    if len(outgoing.media) > MAX_ALBUM:
        raise SendError(Reason.CONTENT, f"{len(outgoing.media)} files, Telegram takes {MAX_ALBUM} at once")
    album = [{"type": _kind_of(url)[1], "media": url} for url in outgoing.media]
    if outgoing.text:
        album[0]["caption"] = outgoing.text
    return album


def _kind_of(url: str) -> tuple[str, str]:
    return MEDIA.get(splitext(urlsplit(url).path)[1].lower(), DOCUMENT)


def _length(text: str) -> int:
    """Return the length as Telegram counts it: in UTF-16 code units, an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _button(reference: str, number: int, button: Button) -> dict[str, str]:
    """Return a button: a link, or an answer that brings our reference back."""
    if button.url:
        return {"text": button.text, "url": button.url}
    data = f"{reference}:{button.reply}"
    if len(data.encode()) > MAX_DATA:
        data = f"{reference}:#{number}"  # too long to come back: its place tells as much
    return {"text": button.text, "callback_data": data}


def _chat_id(to: str) -> int | str:
    digits = to.removeprefix("-")
    return int(to) if digits.isascii() and digits.isdigit() and len(digits) < 19 else to


def _mode(account: Account) -> str:
    return "webhook" if account["mode"] == "webhook" else "polling"


def _secret(account: Account) -> str:
    """Return what webhooks must carry: the account's own secret, else one made from its token."""
    token = account["token"]
    return account["secret_token"] or (hmac_hex("sha256", token, b"kaskad webhook") if token else "")


# What we read


class _Chat(Struct):
    id: int
    type: str = ""


class _User(Struct):
    language_code: str = ""


class _Key(Struct):
    text: str = ""
    callback_data: str = ""


class _Keyboard(Struct):
    inline_keyboard: list[list[_Key]] = field(default_factory=list)


class _Message(Struct):
    message_id: int
    chat: _Chat
    date: int = 0
    sender: _User | None = field(name="from", default=None)
    text: str = ""
    caption: str = ""
    reply_to_message: _Message | None = None
    reply_markup: _Keyboard | None = None


class _Press(Struct):
    id: str
    data: str = ""
    message: _Message | None = None


class _Member(Struct):
    status: str


class _Membership(Struct):
    chat: _Chat
    new_chat_member: _Member
    date: int = 0


class _Numbered(Struct):
    update_id: int


class _Update(Struct):
    """https://core.telegram.org/bots/api#update: the kinds that we ask for."""

    update_id: int
    message: _Message | None = None
    callback_query: _Press | None = None
    my_chat_member: _Membership | None = None


class _Parameters(Struct):
    retry_after: int | None = None
    migrate_to_chat_id: int | None = None


class _Answer(Struct):
    """https://core.telegram.org/bots/api#making-requests"""

    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: _Parameters | None = None


class _Sent(Struct):
    """Of a sent message what names it."""

    message_id: int
    chat: _Chat


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_sent = msgspec.json.Decoder(_Sent).decode
_decode_album = msgspec.json.Decoder(list[_Sent]).decode


def _result(response: Response) -> msgspec.Raw:
    """Return what an answer brings; raises SendError for an error, and where nobody can know."""
    try:
        answer = _decode_answer(response.body)
    except ValueError:
        raise status_error(response, "the answer is not the Bot API's") from None
    if response.ok and answer.ok:
        return answer.result
    general = status_error(response, answer.description)
    if general.accepted is None:  # 5xx, or "ok" that is none
        raise general
    reason = _reason(response.status, answer.description)
    asked = answer.parameters or _Parameters()
    wait_ms = general.retry_after_ms
    if asked.retry_after is not None:
        wait_ms = min(max(asked.retry_after, 0), 86_400) * 1000
    detail = answer.description or general.detail
    if asked.migrate_to_chat_id is not None:
        detail += f" (its new id is {asked.migrate_to_chat_id})"
    raise SendError(reason, detail, code=str(answer.error_code or response.status), retry_after_ms=wait_ms)


def _reason(code: int, description: str) -> Reason:
    words = description.lower()
    found = (reason for known, part, reason in ERRORS if known == code and part in words)
    return next(found, CODES.get(code, Reason.AUTH if code < 400 else Reason.OTHER))


def _told(raw: bytes) -> Receipt | Inbound:
    """Return what an update says; one that changes nothing for us is kept as a receipt without a kind."""
    update = msgspec.json.decode(raw, type=_Update)
    event = f"update {update.update_id}"
    if update.callback_query is not None:
        return _press(update.callback_query, event, raw)
    if update.message is not None and _private(update.message.chat):
        return _said(update.message, event, raw)
    member = update.my_chat_member
    if member is not None and _private(member.chat):
        status = member.new_chat_member.status
        kind = MEMBERSHIP.get(status)
        if kind is not None:
            return Inbound(
                channel=Channel.TELEGRAM, address=str(member.chat.id), kind=kind, event=event,
                at=_instant(member.date), text="", raw=raw,
            )  # fmt: skip
        return Receipt(kind=None, event=event, name=status, raw=raw)
    return Receipt(kind=None, event=event, name="update", raw=raw)


def _press(press: _Press, event: str, raw: bytes) -> Receipt:
    """A button is an answer: a click, or a reply where it answers with a word that means stop."""
    ours = _OURS.fullmatch(press.data)
    if ours is None:
        return Receipt(kind=None, event=event, name="callback_query", raw=raw)
    stop = is_stop(ours[2])
    return Receipt(
        kind=Kind.REPLIED if stop else Kind.CLICKED,
        event=event,
        name="callback_query",
        reference=ours[1],
        provider_id=_provider_id(press.message.chat.id, press.message.message_id) if press.message else "",
        text=ours[2] if stop else _label(press),
        key=ours[2],
        raw=raw,
    )


def _label(press: _Press) -> str:
    """Return what stands on the pressed button."""
    markup = press.message.reply_markup if press.message else None
    keys: Iterable[_Key] = (key for row in markup.inline_keyboard for key in row) if markup else ()
    return next((key.text for key in keys if key.callback_data == press.data), "")


def _said(message: _Message, event: str, raw: bytes) -> Inbound:
    start = _START.fullmatch(message.text)
    answers = message.reply_to_message
    return Inbound(
        channel=Channel.TELEGRAM,
        address=str(message.chat.id),
        kind=Kind.STARTED if start else Kind.REPLIED,
        event=event,
        at=_instant(message.date),
        text=(start[1] or "") if start else message.text or message.caption,
        provider_id=_provider_id(message.chat.id, answers.message_id) if answers and not start else "",
        language=message.sender.language_code if message.sender else "",
        raw=raw,
    )


def _pressed(raw: bytes) -> _Press | None:
    try:
        return msgspec.json.decode(raw, type=_Update).callback_query
    except ValueError:
        return None


def _private(chat: _Chat) -> bool:
    return chat.type == "private"


def _provider_id(chat_id: int, message_id: int) -> str:
    return f"{chat_id}:{message_id}"


def _instant(date: int) -> int | None:
    return date * 1000 if 0 < date < 1 << 38 else None
