"""Approved texts as the engine knows them: read from their table, changed there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.terms import TemplateState
from kaskad.providers.approval import ServiceTemplate, TemplateNews
from kaskad.store import approved as store
from kaskad.store.approved import Kept
from kaskad.store.db import Transaction

_decode = msgspec.json.Decoder(ServiceTemplate).decode


class Text(Struct, frozen=True):
    """An approved text of an account; `why` its state is so, in the service's words."""

    template: ServiceTemplate
    changed_at: int
    why: str = ""

    @property
    def state(self) -> str:
        """Return the state in our word, or the service's where we know none for it."""
        return (
            self.template.state.value if self.template.state else self.template.word or "in an unknown state"
        )


Texts = Mapping[tuple[str, str], Text]  # by name and language
APPROVED = TemplateState.APPROVED.value


def load(tx: Transaction) -> dict[int, Texts]:
    """Return the texts of each account."""
    found: dict[int, dict[tuple[str, str], Text]] = defaultdict(dict)
    for kept in store.all_texts(tx):
        template = msgspec.structs.replace(_decode(kept.told), state=kept.state)
        found[kept.account_id][kept.name, kept.language] = Text(template, kept.changed_at, kept.why)
    return dict(found)


def keep(tx: Transaction, accounts: Collection[int], listed: Sequence[ServiceTemplate], now: int) -> None:
    """Let these accounts have exactly these texts, as their service lists them."""
    known = load(tx)
    for number in accounts:
        rows = [Kept(number, one.name, one.language, one.state, _json(one), now) for one in listed]
        store.keep(tx, number, rows, known.get(number, {}).keys())


def change(tx: Transaction, accounts: Collection[int], news: TemplateNews, now: int) -> bool:
    """Note what the service tells of a text of these accounts; return whether each of them knows it."""
    known, all_know = load(tx), True
    for number in accounts:
        text = known.get(number, {}).get((news.name, news.language))
        if text is None:
            all_know = False
            continue
        template, why, at = text.template, text.why, text.changed_at
        if news.state is not None:
            why, at = news.detail, now if news.at is None else min(news.at, now)
            template = msgspec.structs.replace(template, state=news.state, word=news.word)
        template = msgspec.structs.replace(template, category=news.category or template.category)
        store.change(tx, Kept(number, news.name, news.language, template.state, _json(template), at, why))
    return all_know


def _json(template: ServiceTemplate) -> str:
    return msgspec.json.encode(template).decode()
