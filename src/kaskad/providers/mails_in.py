"""Mails that come back: bounces (RFC 3464), complaints (RFC 5965), notices of reading (RFC 8098), replies.

Each is about one message of ours, named by an address or an id in it that only we can make. What a machine
answers by itself (holidays) is no reply; who has written, and with what address, is never believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from html import unescape
from urllib.parse import parse_qs, urlsplit

from msgspec import structs

from kaskad.domain.terms import Kind, Reason
from kaskad.providers.base import Receipt, Request
from kaskad.providers.mime_in import DELIVERY_REPORT, FEEDBACK_REPORT, NOTICE, head_of, mail_of
from kaskad.providers.verp import UNSUBSCRIBE, find

MAX_TEXT = 10_000  # of a reply
_MOST_TEXT = 20 * MAX_TEXT  # looked at for it: what is quoted may stand above
_MOST_BYTES = 400_000  # of a mail that are read: texts and reports come first, files behind them
_MOST_RECIPIENTS = 100  # of a report: our mails have one, and an alias may have more
ACTIONS: dict[str, Kind | None] = {  # RFC 3464, 2.3.3
    "failed": Kind.BOUNCED,
    "delayed": Kind.SOFT_BOUNCED,  # the server still tries
    "delivered": Kind.DELIVERED,
    "relayed": None,  # to a server that sends no reports
    "expanded": None,  # to a list
}
FEEDBACK: dict[str, Kind | None] = {  # RFC 5965, 7.3; RFC 6591; RFC 6430
    "abuse": Kind.COMPLAINED,
    "fraud": Kind.COMPLAINED,
    "other": Kind.COMPLAINED,
    "virus": None,
    "not-spam": None,
    "auth-failure": None,
}
REPORTED = frozenset({  # without DELIVERED: read where it comes, but asked of no server and sent by few
    *(kind for table in (ACTIONS, FEEDBACK) for kind in table.values() if kind not in (None, Kind.DELIVERED)),
    Kind.READ, Kind.REPLIED, Kind.UNSUBSCRIBED,
})  # fmt: skip

_ADDRESSED = ("X-Original-To", "Delivered-To", "To", "In-Reply-To", "References")
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b(?!\.\d)")
_BASIC = re.compile(r"\b([45][0-5]\d)[ -]")
_DAEMON = re.compile(r"mailer-daemon|postmaster@|mail delivery (sub)?system", re.IGNORECASE)
_UNDELIVERED = re.compile(
    r"undeliver|delivery (status|failure|has failed)|returned mail|failure notice|mail delivery failed"
    r"|не доставлен|недоставлен|не удалось доставить",
    re.IGNORECASE,
)
_AUTOMATIC = ("x-autoreply", "x-autorespond", "x-autoresponder")
_QUOTED = re.compile(
    r"^(>|On .{0,200}(wrote:|<\S+@\S+>$)|.{0,200} (пишет|писал|написал)(\(а\)|а)?:"
    r"|-{2,} ?(Original Message|Исходное|Пересылаемое)|-- $|_{8,}$|(From|От): )"
)
_QUOTE = re.compile(r"<blockquote\b", re.IGNORECASE)
_HIDDEN = re.compile(r"<(style|script)\b", re.IGNORECASE)
_HIDDEN_ENDS = {name: re.compile(f"</{name}>", re.IGNORECASE) for name in ("style", "script")}

Reasons = Callable[[str], Reason | None]


def marked(hook: Request, secret: str) -> tuple[str, str] | None:
    """Return the kind and the reference of the address or id of ours in a mail; None: it has none.

    Whom the mail server says it came for (`?to=`) counts first, what a mail quotes counts last.
    """
    told = " ".join(parse_qs(urlsplit(hook.url).query).get("to", ()))
    mail = head_of(hook.body[:_MOST_BYTES])
    texts = [told, *(str(value) for name in _ADDRESSED for value in mail.get_all(name, ()))]
    for text in texts:
        if found := find(text, secret):
            return found
    return find(hook.body.decode("latin-1"), secret)


def read_mail(raw: bytes, kind: str, reference: str, reason_of: Reasons) -> Iterator[Receipt]:
    """Return what a mail says of the message `reference`; `kind` is that of the address it came to."""
    mail = mail_of(raw[:_MOST_BYTES])
    base = Receipt(kind=None, event=_text(mail, "Message-ID")[:200], reference=reference, at=_instant(mail))
    parts = {part.get_content_type(): part for part in mail.walk()}
    if status := parts.get(DELIVERY_REPORT):
        return _delivery(status, base, reason_of)
    if feedback := parts.get(FEEDBACK_REPORT):
        return iter([_feedback(feedback, base)])
    if notice := parts.get(NOTICE):
        return iter([_notice(notice, base)])
    if _is_bounce(mail):
        return iter([_unusual_bounce(mail, base, reason_of)])
    if is_automatic(mail):
        return iter([structs.replace(base, name="automatic reply")])
    if kind == UNSUBSCRIBE:
        return iter([structs.replace(base, kind=Kind.UNSUBSCRIBED, name="unsubscribe")])
    return iter([structs.replace(base, kind=Kind.REPLIED, name="reply", text=said(mail))])


def said(mail: Message) -> str:
    """Return what a person has written, of the first text of their mail."""
    return unquoted(_body(mail))


def unquoted(text: str) -> str:
    """Return a text without what a mail program quotes below or above it."""
    lines: list[str] = []
    for line in text[:_MOST_TEXT].splitlines():
        if _QUOTED.match(line):
            if line.startswith(">"):
                continue
            break
        lines.append(line.rstrip())
    return "\n".join(lines).strip()[:MAX_TEXT]


def _delivery(status: Message, base: Receipt, reason_of: Reasons) -> Iterator[Receipt]:
    """Return a receipt for each recipient: ours, or those that an alias has made of it."""
    blocks = status.get_payload()
    recipients = [block for block in blocks if isinstance(block, Message) and block.get("Action")]
    if not recipients:
        raise ValueError("the report on delivery names no action")
    for number, block in enumerate(recipients[:_MOST_RECIPIENTS]):
        action = _text(block, "Action").lower()
        code = _code(_text(block, "Status")) or _code(_text(block, "Diagnostic-Code"))
        kind = ACTIONS.get(action)
        failed = kind in (Kind.BOUNCED, Kind.SOFT_BOUNCED)
        yield structs.replace(
            base,
            kind=kind,
            name=action,
            event=f"{base.event} {number}" if number else base.event,
            reason=(reason_of(code) or Reason.OTHER) if failed and code else Reason.OTHER if failed else None,
            code=code if failed else "",
        )


def _feedback(feedback: Message, base: Receipt) -> Receipt:
    fields = _fields(feedback)
    name = _text(fields, "Feedback-Type").lower()
    return structs.replace(base, kind=FEEDBACK.get(name), name=name)


def _notice(notice: Message, base: Receipt) -> Receipt:
    """Return that a person has read it: a program that says so by itself, or deletes, is no person."""
    disposition = _text(_fields(notice), "Disposition").lower()
    mode, _, what = disposition.partition(";")
    read = what.strip().startswith("displayed") and mode.startswith("manual-action")
    return structs.replace(base, kind=Kind.READ if read else None, name=disposition[:100])


def _unusual_bounce(mail: Message, base: Receipt, reason_of: Reasons) -> Receipt:
    """Return what a bounce in a server's own words says (qmail, Exchange): the first code in it."""
    text = _body(mail)
    code = _code(text)
    return structs.replace(
        base,
        kind=Kind.SOFT_BOUNCED if code.startswith("4") and "delayed" in text.lower() else Kind.BOUNCED,
        name="bounce",
        reason=(reason_of(code) if code else None) or Reason.OTHER,
        code=code,
    )


def _is_bounce(mail: Message) -> bool:
    nobody = _text(mail, "Return-Path").replace(" ", "") == "<>"
    daemon = bool(_DAEMON.search(_text(mail, "From")))
    return (daemon or nobody) and (daemon or bool(_UNDELIVERED.search(_words(mail, "Subject"))))


def is_automatic(mail: Message) -> bool:
    """Return whether a machine has answered by itself (RFC 3834, and what machines wrote before it)."""
    submitted = _text(mail, "Auto-Submitted").lower()
    return (
        (bool(submitted) and not submitted.startswith("no"))
        or any(name in mail for name in _AUTOMATIC)
        or _text(mail, "Precedence").lower() in ("bulk", "junk", "list", "auto_reply")
        or _text(mail, "Return-Path").replace(" ", "") == "<>"
    )


def _code(text: str) -> str:
    """Return the first enhanced code in a text, else the first basic one, else ""."""
    found = _ENHANCED.search(text) or _BASIC.search(text + " ")
    return found[1] if found else ""


def _fields(part: Message) -> Message:
    """Return the fields of a part that consists of them; of some the parser makes a mail of its own."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    raw = part.get_payload(decode=True)
    return message_from_bytes(raw.lstrip() if isinstance(raw, bytes) else b"")


def _body(mail: Message) -> str:
    """Return the first text of a mail; of HTML its words."""
    texts: dict[str, str] = {}
    for part in mail.walk():
        raw = part.get_payload(decode=True)
        if part.get_content_maintype() == "text" and isinstance(raw, bytes):
            try:
                text = raw.decode(part.get_content_charset("utf-8"), "replace")
            except LookupError:
                text = raw.decode("utf-8", "replace")
            texts.setdefault(part.get_content_subtype(), text)
    if "plain" in texts or "html" not in texts:
        return texts.get("plain", "")
    return unescape(" ".join(_between_tags(texts["html"])))


def _between_tags(html: str) -> Iterator[str]:
    """Yield what stands between tags, before the first quote, in one pass: anybody may have written it."""
    quote = _QUOTE.search(html)
    html = html[: quote.start()] if quote else html
    ends = dict(_HIDDEN_ENDS)  # of which there may be one
    at = 0
    while (begin := html.find("<", at)) >= 0:
        yield html[at:begin]
        hidden = _HIDDEN.match(html, begin)
        end = ends.get(hidden[1].lower()) if hidden else None
        closed = end.search(html, begin) if end else None
        if hidden and end and not closed:
            del ends[hidden[1].lower()]
        after = closed.end() if closed else html.find(">", begin) + 1
        if not after:
            at = begin
            break
        at = after
    yield html[at:]


def _text(mail: Message, name: str) -> str:
    """Return a header on one line, "" where there is none."""
    return " ".join(str(mail.get(name, "")).split())


def _words(mail: Message, name: str) -> str:
    """Return a header with its encoded words read."""
    try:
        return str(make_header(decode_header(_text(mail, name))))
    except (ValueError, LookupError):
        return _text(mail, name)


def _instant(mail: Message) -> int | None:
    try:
        return round(parsedate_to_datetime(_text(mail, "Date")).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        return None
