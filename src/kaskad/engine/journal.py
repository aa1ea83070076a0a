"""What happened to a customer, in words for the journal of the CRM that knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.terms import Channel
from kaskad.engine.world import World
from kaskad.providers.base import Account
from kaskad.providers.crm import PROPERTY, Customer, Entry
from kaskad.store import cards
from kaskad.store.crm import JOURNAL
from kaskad.store.db import Row, Transaction

WORDS: dict[str, tuple[str, str]] = {  # in English, in Russian
    "email": ("E-mail", "E-mail"),
    "telegram": ("Telegram", "Telegram"),
    "whatsapp": ("WhatsApp", "WhatsApp"),
    "viber": ("Viber", "Viber"),
    "vk": ("VK", "ВКонтакте"),
    "max": ("MAX", "MAX"),
    "push": ("Push", "Пуш"),
    "sms": ("SMS", "SMS"),
    "robot_call": ("Robot call", "Звонок робота"),
    "agent_call": ("Call by a person", "Звонок оператора"),
    "facebook_messenger": ("Facebook Messenger", "Facebook Messenger"),
    "instagram": ("Instagram", "Instagram"),
    "cascade": ("Cascade", "Каскад"),
    "message.sent": ("sent", "отправлено"),
    "message.failed": ("not delivered", "не доставлено"),
    "contact.opted_out": ("asked not to be written to", "отказ от сообщений"),
    "opened": ("opened", "открыто"),
    "read": ("read", "прочитано"),
    "answered": ("answered", "ответил на звонок"),
    "clicked": ("clicked", "переход или нажатие"),
    "replied": ("replied", "ответ"),
    "asked_agent": ("asked for a person", "просит связать с оператором"),
    "converted": ("the goal is reached", "цель достигнута"),
    "responded": ("reacted", "отреагировал"),
    "exhausted": ("silent on all channels", "молчание во всех каналах"),
    "unreachable": ("could not be reached", "недоступен"),
    "opted_out": ("refused", "отказался"),
    "complained": ("complained", "пожаловался"),
    "expired": ("too late", "срок истёк"),
    "superseded": ("replaced by a newer run", "заменён новым"),
    "cancelled": ("cancelled", "отменён"),
    "failed": ("failed", "ошибка"),
}


class Noted(Struct, frozen=True):
    """What an entry is made from once its turn has come: where it happened, and what."""

    contact_id: int
    run_id: int
    kind: str
    cascade: str
    channel: str
    detail: dict[str, Any]


def jobs(world: World, rows: Iterable[tuple[str, Row]], now: int) -> Iterator[Row]:
    """Return rows of `put_crm_jobs` for what lies in the outbox and concerns a CRM's customers.

    `rows` are those of the statement `outbox`, each with its id for receivers before it.
    """
    for key, row in rows:
        kind, version, external_id = row[5], world.versions.get(row[8]), row[11] or ""
        for account_id, kinds in world.accounts.journals.items():
            account = world.accounts.get(account_id)
            if account is None or kind not in kinds:
                continue
            event = version.cascade.trigger.event if version is not None else ""
            ours = external_id.startswith(f"{account.provider}:") or event.startswith(f"{account.provider}_")
            if ours:
                title = version.cascade.title or version.cascade.id if version is not None else ""
                channel = Channel.of(row[10]).value if row[10] else ""
                noted = Noted(row[2], row[3], kind, title, channel, msgspec.json.decode(row[7]))
                yield account_id, JOURNAL, key, msgspec.json.encode(noted).decode(), now


def entry(tx: Transaction, noted: Noted, account: Account) -> Entry | None:
    """Return what is written for it now; None for a person who is known no longer."""
    card = cards.card(tx, noted.contact_id)
    if card is None:
        return None
    about: dict[str, Any] = {}
    for _, run_id, _, properties in tx.among("run_data_of", [noted.contact_id]):
        if run_id == noted.run_id:
            about = msgspec.json.decode(properties).get(PROPERTY, {})
    return Entry(
        kind=noted.kind,
        text=words(noted, "en" if account["language"] == "en" else "ru"),
        customer=Customer(external_id=card.external_id or "", name=str(card.attributes.get("name", ""))),
        about={str(name): str(value) for name, value in about.items()} if isinstance(about, dict) else {},
        outcome=str(noted.detail.get("outcome", "")),
    )


def words(noted: Noted, language: str) -> str:
    """Return the line that stands in the journal."""
    detail = noted.detail
    what = str(detail.get("reaction") or detail.get("outcome") or noted.kind)
    said = _word(what, language)
    if more := str(detail.get("text") or detail.get("detail") or detail.get("code") or ""):
        said += f": {more[:500]}"
    subject = _word(noted.channel, language) if noted.channel and "outcome" not in detail else ""
    line = f"{subject}: {said}" if subject else said
    return f"{_word('cascade', language)} «{noted.cascade}». {line}" if noted.cascade else line


def _word(word: str, language: str) -> str:
    pair = WORDS.get(word, (word, word))
    return pair[1] if language == "ru" else pair[0]
