"""Approving texts: what waits, given by somebody who has not written it, taken back, and who did what."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from kaskad.actions.approving import State, is_required, states
from kaskad.actions.cascade_texts import source_of
from kaskad.actions.office import Office
from kaskad.domain.approval import Piece, of_wording, pieces_of
from kaskad.domain.definition import Loaded, load
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.policy import Approval
from kaskad.domain.template import BadTemplate
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.wording import look_up, parts_of, wording
from kaskad.store import approvals as store
from kaskad.store import cascades as cascade_store
from kaskad.store import templates as template_store
from kaskad.store.approvals import Done
from kaskad.store.db import Transaction

Kind = Literal["cascade", "template"]


class Texts(Struct, frozen=True):
    """The texts of a cascade or a template as they would be activated, each with its state."""

    required: bool  # by the policy
    states: tuple[State, ...]


class Waiting(Struct, frozen=True):
    """The texts of what would be activated next that wait for an approval."""

    cascade: str
    states: tuple[State, ...]

    @property
    def texts(self) -> int:
        """Return how many wait."""
        return len(self.states)


def of_cascade(office: Office, slug: str) -> Texts:
    """Return the texts of a cascade's draft, else of what runs. Raises NotFound, Invalid."""
    with office.read() as tx:
        return Texts(is_required(tx), tuple(_of_cascade(tx, slug)))


def of_template(office: Office, name: str) -> Texts:
    """Return a template in all its languages, with its parts in it; raises NotFound, Invalid."""
    with office.read() as tx:
        return Texts(is_required(tx), tuple(_of_template(tx, name)))


def is_asked(office: Office) -> bool:
    """Say whether texts must be approved before they are activated: without a look into the database."""
    return office.engine.world.policy.approval is Approval.REQUIRED


def waiting(office: Office) -> list[Waiting]:
    """Return the cascades that have texts which wait, in the order of their names.

    Nothing of one that was stopped for good waits: it cannot be activated again.
    """
    found = []
    with office.read() as tx:
        if not is_required(tx):
            return []
        drafted = cascade_store.drafted(tx)
        for row in cascade_store.all_cascades(tx):
            if row.state == cascade_store.STOPPED or (row.id not in drafted and row.version_id is None):
                continue
            try:
                texts = _of_cascade(tx, row.slug)
            except Invalid:  # its draft cannot be read yet
                continue
            if states := tuple(one for one in texts if not one.approved_by):
                found.append(Waiting(row.slug, states))
    return found


def count(office: Office) -> int:
    """Return how many texts wait, each once however many cascades would send it."""
    return len({state.piece.id for each in waiting(office) for state in each.states})


def give(office: Office, kind: Kind, name: str, texts: Sequence[str], by: str, note: str) -> Texts:
    """Approve texts by their ids; who wrote one cannot. Raises NotFound, Conflict, Invalid."""

    def change(tx: Transaction) -> None:
        for state in _chosen(tx, kind, name, texts):
            if state.author == by:
                raise Conflict(
                    worded(
                        "%(by)s has written %(title)s: somebody else has to approve it, with the role "
                        "approver or owner, or a key with the scope texts:approve.",
                        by=by,
                        title=state.piece.title,
                    )
                )
            if not state.approved_by:
                store.add(
                    tx, state.piece.id, "approved", _called(kind, name, state.piece), by, note, office.now()
                )

    office.write(change)
    return of_cascade(office, name) if kind == "cascade" else of_template(office, name)


def take_back(office: Office, kind: Kind, name: str, texts: Sequence[str], by: str, note: str) -> Texts:
    """Take approvals back: what runs goes on, the next activation needs them. Raises NotFound, Invalid."""

    def change(tx: Transaction) -> None:
        for state in _chosen(tx, kind, name, texts):
            if state.approved_by:
                store.add(
                    tx, state.piece.id, "taken_back", _called(kind, name, state.piece), by, note, office.now()
                )

    office.write(change)
    return of_cascade(office, name) if kind == "cascade" else of_template(office, name)


def history(office: Office, *, before: int, limit: int) -> list[Done]:
    """Return who approved what and took it back, with ids below `before`, the latest first."""
    with office.read() as tx:
        return store.latest(tx, before, limit)


def _chosen(tx: Transaction, kind: str, name: str, texts: Sequence[str]) -> list[State]:
    known = {one.piece.id: one for one in (_of_cascade if kind == "cascade" else _of_template)(tx, name)}
    unknown = [text for text in texts if text not in known]
    if unknown:
        raise Conflict(
            worded(
                "%(name)s says something else by now than %(known)s: look again, `kaskad "
                "approval list %(name)s`.",
                name=name,
                known=", ".join(unknown),
            )
        )
    return [known[text] for text in dict.fromkeys(texts)]


def _called(kind: str, name: str, piece: Piece) -> str:
    return f"{name}: {piece.title}" if kind == "cascade" else piece.title


def _of_cascade(tx: Transaction, slug: str) -> list[State]:
    text, version_id = source_of(tx, slug)
    loaded = _loaded(text, slug)
    if loaded.cascade is None:
        raise Invalid([problem.text(slug) for problem in loaded.errors])
    wordings, wrong = look_up(tx, loaded.cascade)
    if wrong:
        raise Invalid(
            [
                worded("%(path)s: %(message)s: %(remedy)s.", path=path, message=message, remedy=remedy)
                for path, message, remedy in wrong
            ]
        )
    draft = cascade_store.draft(tx, cascade_store.by_slug(tx, slug).id) if version_id is None else None
    found = []
    for piece in pieces_of(loaded.cascade, wordings):
        author = _author(tx, piece) if piece.template else draft.saved_by if draft else ""
        found += states(tx, [piece], author)
    return found


def _of_template(tx: Transaction, name: str) -> list[State]:
    kept = template_store.all_texts(tx)
    own = [one for one in kept if one.name == name and one.channel != template_store.PART]
    if not own:
        raise NotFound(
            worded(
                "There is no template %(name)r that is sent: `kaskad template list` shows them.", name=name
            )
        )
    try:
        pieces = [of_wording(wording(one, parts_of(kept, one.language))) for one in own]
    except BadTemplate as bad:  # a part was changed, or has gone
        raise bad.refusal() from None
    return [state for piece in pieces for state in states(tx, [piece], _author(tx, piece))]


@lru_cache(maxsize=500)
def _loaded(text: str, slug: str) -> Loaded:
    """Return what a definition holds: what waits is asked for often, and few texts change."""
    return load(text, name=slug)


def _author(tx: Transaction, piece: Piece) -> str:
    """Return who saved the template last in that language."""
    return next(
        (one.saved_by for one in template_store.history(tx, piece.template)
         if one.language == piece.language and _is_on(one.channel, piece)),
        "",
    )  # fmt: skip


def _is_on(channel: int, piece: Piece) -> bool:
    return channel != template_store.PART and piece.channel == Channel.of(channel).value
