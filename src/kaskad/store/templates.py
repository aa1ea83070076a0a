"""Tables `templates` and `version_texts`: texts of their own, and those that versions have frozen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.cascade import Content
from kaskad.domain.content import Wording
from kaskad.store.db import Row, Transaction

PART = 0  # the channel of what stands in other texts

_decode = msgspec.json.Decoder(Content).decode


class Kept(Struct, frozen=True):
    """A text as it was written; `channel` 0 is a part, whose words are `text`."""

    name: str
    channel: int
    language: str
    fallback: bool
    content: Content
    saved_at: int


def put(tx: Transaction, kept: Kept) -> None:
    """Keep a text in place of the one of that name, channel and language."""
    tx.run(
        "put_template", name=kept.name, channel=kept.channel, language=kept.language,
        fallback=int(kept.fallback), content=msgspec.json.encode(kept.content).decode(), now=kept.saved_at,
    )  # fmt: skip
    if kept.fallback:
        tx.run("only_fallback", name=kept.name, channel=kept.channel, language=kept.language)


class Past(Struct, frozen=True):
    """A text that a template has had; `number` counts from 1 by channel and language."""

    name: str
    channel: int
    language: str
    number: int
    content: Content
    saved_at: int
    saved_by: str


def note(tx: Transaction, kept: Kept, by: str) -> None:
    """Keep a text in the history of its template."""
    tx.run(
        "note_template", name=kept.name, channel=kept.channel, language=kept.language,
        content=msgspec.json.encode(kept.content).decode(), now=kept.saved_at, by=by,
    )  # fmt: skip


def history(tx: Transaction, name: str) -> list[Past]:
    """Return all texts that a name has had, by channel and language, the latest first."""
    return [
        Past(row[0], row[1], row[2], row[3], _decode(row[4]), row[5], row[6])
        for row in tx.all("template_history", name=name)
    ]


def of_name(tx: Transaction, name: str) -> list[Kept]:
    """Return the texts of a name, by channel and language."""
    return [_kept(row) for row in tx.all("templates_of", name=name)]


def all_texts(tx: Transaction) -> list[Kept]:
    """Return every text and part, by name, channel and language."""
    return [_kept(row) for row in tx.all("templates")]


def names(tx: Transaction, *, is_part: bool, after: str, limit: int) -> list[str]:
    """Return names of templates, or of parts, those after a name."""
    rows = tx.all("template_names", part=PART, is_part=int(is_part), after=after, limit=limit)
    return [row[0] for row in rows]


def among(tx: Transaction, names: Sequence[str]) -> list[Kept]:
    """Return the texts of some names, by name, channel and language."""
    return [_kept(row) for row in tx.among_texts("templates_among", names)]


def all_parts(tx: Transaction) -> list[Kept]:
    """Return every part, by name and language."""
    return [_kept(row) for row in tx.all("template_parts", part=PART)]


def with_parts(tx: Transaction) -> list[Kept]:
    """Return the texts that may name a part, and perhaps some that do not."""
    return [_kept(row) for row in tx.all("templates_with_parts")]


def drop(tx: Transaction, kept: Kept) -> None:
    """Forget a text; versions that froze it keep theirs."""
    tx.run("drop_template", name=kept.name, channel=kept.channel, language=kept.language)


def frozen(tx: Transaction, version_id: int) -> list[Wording]:
    """Return the texts that a version uses, by name, channel and language."""
    return [
        Wording(row[0], row[1], row[2], bool(row[3]), _decode(row[4]))
        for row in tx.all("version_texts", version_id=version_id)
    ]


def freeze(tx: Transaction, version_id: int, texts: Iterable[Wording]) -> None:
    """Give a new version its texts."""
    for one in texts:
        tx.run(
            "add_version_text", version_id=version_id, name=one.name, channel=one.channel,
            language=one.language, fallback=int(one.fallback),
            content=msgspec.json.encode(one.content).decode(),
        )  # fmt: skip


def _kept(row: Row) -> Kept:
    return Kept(row[0], row[1], row[2], bool(row[3]), _decode(row[4]), row[5])
