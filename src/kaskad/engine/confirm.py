"""The one text that answers a STOP or a START, where the policy has such a text (domain rules 3.4).

At most one for each change of mind: who has stopped already, or may be written to already, is told nothing,
nor is anybody whose word comes late. What a service answers by itself is its own affair: leave the policy's
texts empty there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kaskad.domain import keywords
from kaskad.domain.consent import ALL_CHANNELS, ANY
from kaskad.domain.policy import TEXTS, Wording
from kaskad.domain.terms import Kind
from kaskad.engine.arrival import Arrival
from kaskad.engine.world import World
from kaskad.providers import provider
from kaskad.providers.base import Account, Inbound, Outgoing
from kaskad.store.db import Transaction

_CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def is_word(told: Inbound, account: Account) -> bool:
    """Return whether a person says stop or start where an errand can answer by a text (over HTTP)."""
    words = told.kind is Kind.REPLIED and told.channel in TEXTS
    answers = words and provider(account.provider).transport == "http"
    return answers and (keywords.is_stop(told.text) or keywords.is_start(told.text))


class Confirmation:
    """What answers one word, decided in the transaction before the word counts; may run again."""

    def __init__(self, world: World, account: Account, told: Inbound, at: int) -> None:
        self._world, self._account, self._told, self._at = world, account, told, at
        self._text = ""

    def __call__(self, tx: Transaction) -> list[Arrival]:
        self._text = ""
        stops = keywords.is_stop(self._told.text)
        policy = self._world.policy.confirmations
        texts = policy.opt_out if stops else policy.opt_in
        if not texts or self._world.clock.now() - self._at > policy.within_ms:
            return []
        holder = tx.one(
            "contact_by_address", channel=self._told.channel.code, value=self._told.address
        )  # whom the intake takes the words for
        if holder is not None and self._is_news(tx, holder[0], stops):
            self._text = _worded(texts, self._language(tx, holder[0]))
        return []

    def say(self, now: int) -> Outgoing | None:
        """Return the answer to the person; None for nothing. Asked once, after the commit."""
        told = self._told
        key = (told.channel.code, told.address, keywords.is_stop(told.text))
        if not self._text or not self._world.work.first_answer(key, now):
            return None
        return Outgoing("", f"answer:{told.event}", told.channel, told.address, now, text=self._text)

    def _is_news(self, tx: Transaction, contact_id: int, stops: bool) -> bool:
        """Return whether the word changes what the person's last one about this channel as a whole said."""
        bit = 1 << self._told.channel.code
        said = [
            (row[5], bool(row[1]))
            for row in tx.among("look_consents", [contact_id])
            if row[2] == ANY and (row[3] == ALL_CHANNELS or row[3] & bit) and not row[4]
            if row[1] or row[6] is None  # a pause is no stop
        ]
        return not said or max(said)[1] == stops

    def _language(self, tx: Transaction, contact_id: int) -> str:
        """Return the contact's language, else that of the word."""
        row = next(iter(tx.among("look_contacts", [contact_id])), None)
        known = str(row[2] or "").partition("-")[0].lower() if row else ""
        return known or ("ru" if _CYRILLIC.search(self._told.text) else "en")


def _worded(texts: Sequence[Wording], language: str) -> str:
    return next((one.text for one in texts if one.language == language), texts[0].text)
