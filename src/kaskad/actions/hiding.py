"""Texts as a colleague may read them: without what opens something to whoever has it.

A link of ours in a message acts for the person it went to: it confirms, unsubscribes, chooses, brings in a
chat, tells of a click. Whoever may only look at people sees that there was one, and cannot follow it.
"""

from __future__ import annotations

import re
from typing import Any

from kaskad.domain.tokens import HIDDEN, SHORT, Signer
from kaskad.store import opt_ins
from kaskad.store.db import Transaction

_OURS = re.compile(
    rf"(?<=/[cdlou]/)[A-Za-z0-9_-]{{16,}}"  # a signed token
    rf"|(?<=/s/)[0-9A-Za-z]{{{SHORT}}}(?![0-9A-Za-z])"  # a short link
    rf"|(?:(?<=%20)|(?<![A-Za-z0-9_-]))[A-Za-z0-9_-]{{{opt_ins.TOKEN}}}(?![A-Za-z0-9_-])"  # of an invitation
)


def hidden(tx: Transaction, signer: Signer, text: str) -> str:
    """Return a text with the secrets of our links made unreadable."""
    return _OURS.sub(lambda found: _shown(tx, signer, found[0]), text)


def hidden_in(tx: Transaction, signer: Signer, told: Any) -> Any:
    """Return a JSON value with all texts of it like that."""
    match told:
        case str():
            return hidden(tx, signer, told)
        case list():
            return [hidden_in(tx, signer, each) for each in told]
        case dict():
            return {name: hidden_in(tx, signer, each) for name, each in told.items()}
        case _:
            return told


def _shown(tx: Transaction, signer: Signer, token: str) -> str:
    known = (
        len(token) == SHORT
        or signer.has_made(token)
        or (len(token) == opt_ins.TOKEN and opt_ins.find(tx, token) is not None)
    )
    return HIDDEN * 8 if known else token
