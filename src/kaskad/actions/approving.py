"""What the policy `approval: required` asks: who wrote each text, and that somebody else approved it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from kaskad.domain.approval import Piece, pieces_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import Approval, Policy
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.engine.wording import look_up
from kaskad.store import approvals as store
from kaskad.store import settings
from kaskad.store.db import Transaction


class State(Struct, frozen=True):
    """A text, who wrote it ("": nobody knows), and who has approved it (""; nobody)."""

    piece: Piece
    author: str
    approved_by: str = ""
    approved_at: int = 0
    note: str = ""


def is_required(tx: Transaction) -> bool:
    """Say whether texts must be approved before they are activated."""
    policy = settings.get(tx, POLICY, Policy) or Policy()
    return policy.approval is Approval.REQUIRED


def states(tx: Transaction, pieces: Sequence[Piece], author: str = "") -> list[State]:
    """Return how each text stands; `author` is who wrote those of which nothing was noted."""
    known = store.of_texts(tx, [piece.id for piece in pieces])
    found = []
    for piece in pieces:
        acts = known[piece.id]
        wrote = next((one.by for one in acts if one.act == "written"), author)
        last = next((one for one in reversed(acts) if one.act != "written"), None)
        state = State(piece, wrote)
        if last is not None and last.act == "approved":
            state = State(piece, wrote, last.by, last.at, last.note)
        found.append(state)
    return found


def note_written(tx: Transaction, pieces: Iterable[Piece], by: str, now: int) -> None:
    """Keep who wrote texts that are new, where texts need an approval."""
    if not is_required(tx):
        return
    new = {piece.id: piece for piece in pieces}
    for text, acts in store.of_texts(tx, new).items():
        if not acts:
            store.add(tx, text, "written", new[text].title, by, "", now)


def unapproved(tx: Transaction, cascade: Cascade) -> list[tuple[str, str, str]]:
    """Return what of a cascade nobody has approved: path, message and remedy; [] where none is needed."""
    if not is_required(tx):
        return []
    wordings, _ = look_up(tx, cascade)
    remedy = worded(
        "let somebody who has not written it look: `kaskad approval give %(cascade)s`", cascade=cascade.id
    )
    return [
        (
            state.piece.place,
            worded("nobody has approved %(title)s as it is now", title=state.piece.title),
            remedy,
        )
        for state in states(tx, pieces_of(cascade, wordings))
        if not state.approved_by
    ]
