"""Chats come and go: opt-in links, starts and blocks, each with what is answered to the person.

A link is for one contact and one account. Its first `/start` within 30 days makes the chat that contact's
address and keeps the consent with its proof. A forwarded link must not bind a stranger: where the contact has
a phone number, the chat is asked for its last digits first, unless it is that very number (WhatsApp), and a
chat that is known as somebody else's is never bound.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping

import msgspec

from kaskad.domain.consent import ANY, renewal
from kaskad.domain.errors import NotFound
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.worded import worded
from kaskad.engine.arrival import Arrival
from kaskad.providers import provider
from kaskad.providers.base import Account, Inbound, Outgoing
from kaskad.store import contacts, opt_ins, places
from kaskad.store.db import Transaction
from kaskad.store.opt_ins import OptIn

TTL_MS = 30 * 86_400_000
DIGITS = 4
TRIES = 3
CHATS = frozenset({Kind.STARTED, Kind.BLOCKED, Kind.UNBLOCKED})

WORDS = {  # English, Russian
    "done": (
        "Done: our messages will come here. To stop them, send /stop.",
        "Готово: наши сообщения будут приходить сюда. Чтобы отказаться, отправьте /stop.",
    ),
    "again": (
        "You get our messages here already. To stop them, send /stop.",
        "Вы уже получаете наши сообщения здесь. Чтобы отказаться, отправьте /stop.",
    ),
    "digits": (
        f"To show that it is you, send the last {DIGITS} digits of your phone number.",
        f"Подтвердите, что это вы: отправьте последние {DIGITS} цифры вашего номера телефона.",
    ),
    "wrong": (
        "These are other digits than those of the number that we know. Try again.",
        "Эти цифры не совпадают с номером, который мы знаем. Попробуйте ещё раз.",
    ),
    "burnt": (
        "The digits did not match, so this link is closed. Ask for a new one.",
        "Цифры не совпали, поэтому ссылка закрыта. Попросите новую.",
    ),
    "used": (
        "This link has been used already. Ask for one of your own.",
        "Эта ссылка уже использована. Попросите свою.",
    ),
    "expired": ("This link is too old. Ask for a new one.", "Срок действия ссылки истёк. Попросите новую."),
    "unknown": ("We do not know this link. Ask for a new one.", "Мы не знаем эту ссылку. Попросите новую."),
    "stranger": (
        "Hello! To get our messages here, open the link that we have sent you.",
        "Здравствуйте! Чтобы получать сообщения здесь, откройте ссылку, которую мы вам прислали.",
    ),
}
_RUSSIAN = frozenset({"ru", "be", "kk", "ky"})  # languages of applications that are answered in Russian
_CODE = re.compile(rf"\s*\d{{{DIGITS}}}\s*")


def make_link(
    tx: Transaction, account: Account, contact_id: int, now: int, *, topic: str = "", consent: str = "",
    purpose: int = ANY, confirm: bool = True, ttl_ms: int = TTL_MS,
) -> str:  # fmt: skip
    """Return a new opt-in link of `contact_id` on `account`; it can be used once, for `ttl_ms`.

    `consent` is the text that the person sees beside the link and agrees to, kept as proof; `topic` and
    `purpose` (code of a message class) narrow the consent. `confirm` False binds a chat without asking for
    digits of the phone. Raises NotFound for the contact, Invalid where the account can't have links.
    """
    if tx.one("contact_by_id", id=contact_id) is None:
        raise NotFound(worded("There is no such contact."))
    token = secrets.token_urlsafe(24)  # 32 letters of A–Z a–z 0–9 _ -; Telegram takes up to 64
    link = provider(account.provider).opt_in_link(account, token)
    kept = OptIn(
        contact_id, account.id, now + ttl_ms, purpose=purpose, confirm=confirm, topic=topic, consent=consent
    )
    opt_ins.put(tx, token, kept, now)
    return link


class Visit:
    """One act of a person in a chat, applied within the tick's transaction; `say` is for after its commit.

    It may be called again, when a tick is repeated. `evidence` is kept with the consent, beside what the link
    says; a browser that allows notifications is a chat, too.
    """

    def __init__(
        self, account: Account, told: Inbound, at: int, hash_key: bytes,
        evidence: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._account, self._told, self._at, self._hash_key = account, told, at, hash_key
        self._channel, self._chat = told.channel, told.address
        self._evidence = evidence or {}
        self._said = ""

    @property
    def said(self) -> str:
        """Return which of WORDS answers the person; "" for nothing."""
        return self._said

    def say(self, now: int) -> Outgoing | None:
        """Return the answer to the person, in their language; None for nothing."""
        if not self._said:
            return None
        text = WORDS[self._said][self._told.language.partition("-")[0].lower() in _RUSSIAN]
        return Outgoing("", f"answer:{self._told.event}", self._channel, self._chat, now, text=text)

    def __call__(self, tx: Transaction) -> list[Arrival]:
        self._said = ""
        match self._told.kind:
            case Kind.BLOCKED:
                dead = [(holder, self._channel, self._chat) for holder in self._holders(tx)]
                contacts.mark_invalid(tx, dead, self._at)
            case Kind.UNBLOCKED:
                self._revive(tx, self._holders(tx))
            case Kind.STARTED if self._told.text:
                self._said = self._open(tx, opt_ins.find(tx, self._told.text))
            case Kind.STARTED:
                self._said = self._greet(tx)
            case _:
                self._said = self._confirm(tx)
        return []

    def _holders(self, tx: Transaction) -> list[int]:
        """Return the contacts whose address this chat is."""
        return [row[2] for row in tx.many("contacts_by_address", [(self._channel.code, self._chat)])]

    def _revive(self, tx: Transaction, holders: Iterable[int]) -> None:
        rows = [(holder, self._channel.code, self._chat, self._at) for holder in holders]
        tx.changed_many("revive_addresses", rows)

    def _greet(self, tx: Transaction) -> str:
        """A start without a link: a chat that we know is good again, and has taken back its stop."""
        holders = self._holders(tx)
        self._revive(tx, holders)
        back = renewal(self._channel, self._at)
        stopped = self._stopped_here(tx, holders)
        self._allow(tx, stopped, purpose=back.purpose, topic=back.topic, proof={"act": "/start"})
        return "again" if holders else "stranger"

    def _stopped_here(self, tx: Transaction, holders: list[int]) -> list[int]:
        """Return those whose last word was a stop to this channel: a wider refusal is not taken back here."""
        rows = sorted(tx.among("look_consents", holders), key=lambda row: int(row[5]))
        last = {row[0]: row for row in rows}
        bit = 1 << self._channel.code
        return sorted(holder for holder, row in last.items() if not row[1] and row[3] & bit)

    def _open(self, tx: Transaction, opt_in: OptIn | None) -> str:
        """A start by a link; return which words answer it."""
        if opt_in is None or opt_in.account_id != self._account.id:
            return "unknown"
        holders = self._holders(tx)
        if opt_in.used_at is not None:
            return "again" if opt_in.address == self._chat and opt_in.contact_id in holders else "used"
        if opt_in.expires_at <= self._at:
            return "expired"
        if tx.one("contact_by_id", id=opt_in.contact_id) is None:  # erased since
            return "unknown"
        if holders and opt_in.contact_id not in holders:
            return "used"  # forwarded to somebody whom we know; the link stays the contact's
        phones = _phones(tx, opt_in) if opt_in.confirm and not holders else []
        if phones and self._chat not in phones:  # a messenger whose chats are numbers has proven its own
            opt_ins.ask(tx, opt_in, self._chat)
            return "digits"
        return self._bind(tx, opt_in)

    def _confirm(self, tx: Transaction) -> str:
        """Digits, where this chat was asked for some; return "" where it was not."""
        opt_in = opt_ins.asked(tx, self._account.id, self._chat)
        if opt_in is None:
            return ""
        if opt_in.expires_at <= self._at:
            return "expired"
        if any(phone.endswith(self._told.text.strip()) for phone in _phones(tx, opt_in)):
            return self._bind(tx, opt_in)
        opt_ins.miss(tx, opt_in)
        if opt_in.tries + 1 < TRIES:
            return "wrong"
        opt_ins.use(tx, opt_in, self._chat, self._at)
        return "burnt"

    def _bind(self, tx: Transaction, opt_in: OptIn) -> str:
        if not opt_ins.use(tx, opt_in, self._chat, self._at):
            return "used"
        address = contacts.Address(self._channel, self._chat, preferred=1)
        contacts.add_addresses(tx, self._hash_key, opt_in.contact_id, [address])
        places.confirm(tx, [(opt_in.contact_id, self._channel, self._chat)], self._at)
        self._revive(tx, [opt_in.contact_id])
        act = "notifications allowed" if self._channel is Channel.PUSH else "/start"
        proof = {"act": f"{act} by an opt-in link", "token_hash": opt_in.token_hash.hex()}
        if opt_in.consent:
            proof["text"] = opt_in.consent
        self._allow(tx, [opt_in.contact_id], purpose=opt_in.purpose, topic=opt_in.topic, proof=proof)
        return "done"

    def _allow(
        self, tx: Transaction, holders: Iterable[int], *, purpose: int, topic: str, proof: dict[str, str]
    ) -> None:
        """Keep a consent of `holders` for this channel, with its proof."""
        told = {**proof, **self._evidence, "account": self._account.name, "event": self._told.event}
        consent = contacts.Consent(
            granted=True, at=self._at, purpose=purpose, channels=1 << self._channel.code, topic=topic,
            proof=msgspec.json.encode(told).decode(),
        )  # fmt: skip
        contacts.add_consents(tx, [(holder, consent) for holder in holders])


def concerns(told: Inbound) -> bool:
    """Return whether an act is one of a chat as a whole, or may be an answer to our question for digits."""
    return told.kind in CHATS or (told.kind is Kind.REPLIED and _CODE.fullmatch(told.text) is not None)


def _phones(tx: Transaction, opt_in: OptIn) -> list[str]:
    return [str(row[0]) for row in tx.all("phones_of", contact_id=opt_in.contact_id)]
