"""Tables `approved_texts` and `dialogues`: what services take outside of a dialogue, and who is in one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from kaskad.domain.terms import TemplateState
from kaskad.store.db import Transaction


class Kept(Struct, frozen=True):
    """A text of an account; `told` is what the service lists of it, as JSON.

    `state` None: a word of the service that we do not know. `why`: the service's words for the state.
    """

    account_id: int
    name: str
    language: str
    state: TemplateState | None
    told: str
    changed_at: int
    why: str = ""


def all_texts(tx: Transaction) -> list[Kept]:
    """Return every text, by account, name and language."""
    return [
        Kept(account_id, name, language, None if state is None else TemplateState.of(state), told, at, why)
        for account_id, name, language, state, told, at, why in tx.all("approved_texts")
    ]


def keep(
    tx: Transaction, account_id: int, listed: Sequence[Kept], known: Collection[tuple[str, str]]
) -> None:
    """Let the account have the texts `listed`, and of those `known` by name and language no others."""
    for text in listed:
        tx.run(
            "put_approved_text", account_id=account_id, name=text.name, language=text.language,
            state=_code(text.state), now=text.changed_at, told=text.told,
        )  # fmt: skip
    for name, language in set(known) - {(text.name, text.language) for text in listed}:
        tx.run("drop_approved_text", account_id=account_id, name=name, language=language)


def change(tx: Transaction, text: Kept) -> None:
    """Keep what has become of a known text."""
    tx.run(
        "change_approved_text", account_id=text.account_id, name=text.name, language=text.language,
        state=_code(text.state), why=text.why, now=text.changed_at, told=text.told,
    )  # fmt: skip


def heard(tx: Transaction, contact_id: int, account_id: int, at: int) -> None:
    """Note that a person has written to the account."""
    tx.run("put_dialogue", contact_id=contact_id, account_id=account_id, at=at)


def _code(state: TemplateState | None) -> int | None:
    return None if state is None else state.code
