"""Approvals: the texts that wait for somebody who has not written them, with their words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct

from kaskad.actions import approvals
from kaskad.actions.approving import State
from kaskad.actions.audit import LATEST
from kaskad.domain.approval import Piece
from kaskad.domain.cascade import Content
from kaskad.domain.errors import Conflict
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import READ, Slug
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
APPROVE = "texts:approve"
Reader = Annotated[Visitor, needs(READ)]
Approver = Annotated[Visitor, needs(APPROVE)]
Texts = Annotated[list[str], Form()]
Word = Annotated[str, Form(max_length=500)]
LATELY = 20
LABELS = {  # of what a text may hold, in the order in which it is shown
    "subject": N_("Subject"),
    "text": N_("Text"),
    "say": N_("What the robot says"),
    "script": N_("What the agent reads"),
    "buttons": N_("Buttons"),
    "media": N_("Pictures"),
    "attach": N_("Files"),
    "calendar": N_("Appointment"),
    "approved": N_("Text that the service has approved"),
    "mjml": N_("Letter in MJML"),
    "html": N_("Letter in HTML"),
}
WHAT = (  # how texts are called where acts are kept: too short to be known by the catalogues
    (r"(?P<of>\S+): step (?P<step>\S+), variant (?P<variant>\S+)",
     N_("%(of)s: step %(step)s, variant %(variant)s")),
    (r"(?P<of>\S+): step (?P<step>\S+)", N_("%(of)s: step %(step)s")),
    (r"(?P<of>\S+): template (?P<name>\S+) \((?P<where>.+)\)", N_("%(of)s: template %(name)s (%(where)s)")),
    (r"template (?P<name>\S+) \((?P<where>.+)\)", N_("template %(name)s (%(where)s)")),
)  # fmt: skip
LETTERS = frozenset({"mjml", "html"})  # long, and read better as people get them


class Part(Struct, frozen=True):
    """One thing that a text holds; `folded`: to be opened."""

    label: str
    words: str
    folded: bool


class Shown(Struct, frozen=True):
    """A text as it is shown: what it says, how it stands, and where it is seen as people get it."""

    state: State
    own: bool
    parts: tuple[Part, ...]
    drawn: str


@router.get("/approvals")
def waiting(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show what waits, by cascade, and what was approved lately."""
    look = look_of(request, seen)
    found = [
        (each.cascade, [_shown(look, seen, each.cascade, state) for state in each.states])
        for each in approvals.waiting(office)
    ]
    return render(
        request, look, "approvals.html", seen=seen, found=found, slug="", may_approve=seen.may(APPROVE),
        required=approvals.is_asked(office), lately=approvals.history(office, before=LATEST, limit=LATELY),
        what=lambda told: _what(look, told),
    )  # fmt: skip


@router.get("/approvals/{slug}")
def of_cascade(office: InOffice, request: Request, seen: Reader, slug: Slug) -> Response:
    """Show every text that a cascade would send, with who wrote and who approved it."""
    look = look_of(request, seen)
    states = approvals.of_cascade(office, slug).states
    return render(
        request, look, "approvals.html", seen=seen, slug=slug, may_approve=seen.may(APPROVE),
        found=[(slug, [_shown(look, seen, slug, state) for state in states])] if states else [],
        required=approvals.is_asked(office), lately=(), what=str,
    )  # fmt: skip


@router.post("/approvals/{slug}")
def approve(
    office: InOffice, request: Request, seen: Approver, slug: Slug, text: Texts, remark: Word = "",
    back: Word = "",
) -> Response:  # fmt: skip
    """Approve texts that were read; only whoever has not written them may."""
    look, at = look_of(request, seen), "/approvals" if back == "list" else f"/approvals/{slug}"
    try:
        approvals.give(office, "cascade", slug, text, seen.caller.name, " ".join(remark.split()))
    except Conflict as refused:  # another word since, or one's own
        return go(at, look.refusal(refused), "bad")
    note(office, seen, "POST /cascades/{slug}/approvals", f"{slug} {' '.join(text)}")
    said = look.words.ngettext("%(num)s text is approved.", "%(num)s texts are approved.", len(text))
    return go(at, said % {"num": look.n(len(text))})


@router.post("/approvals/{slug}/take-back")
def take_back(office: InOffice, request: Request, seen: Approver, slug: Slug, text: Texts) -> Response:
    """Take an approval back: what runs goes on, the next activation asks for it."""
    look, at = look_of(request, seen), f"/approvals/{slug}"
    try:
        approvals.take_back(office, "cascade", slug, text, seen.caller.name, "")
    except Conflict as refused:
        return go(at, look.refusal(refused), "bad")
    note(office, seen, "POST /cascades/{slug}/approvals/take-back", f"{slug} {' '.join(text)}")
    return go(at, look._("The approval is taken back."))


def _shown(look: Look, seen: Visitor, slug: str, state: State) -> Shown:
    own = state.author == seen.caller.name
    return Shown(state, own, _parts(look, state.piece.content), _drawn(slug, state.piece))


def _parts(look: Look, content: Content) -> tuple[Part, ...]:
    told: Mapping[str, object] = msgspec.to_builtins(content)
    return tuple(
        Part(look._(label), _words(told[name]), name in LETTERS)
        for name, label in LABELS.items() if told[name]
    )  # fmt: skip


def _what(look: Look, told: str) -> str:
    """Return how the text of an act that was kept is called, in the reader's words."""
    found = ((re.fullmatch(pattern, told), words) for pattern, words in WHAT)
    return next((look._(words) % each.groupdict() for each, words in found if each), told)


def _words(value: object) -> str:
    """Return what a field holds, a line for each thing."""
    if isinstance(value, Mapping):
        return ", ".join(_words(each) for each in value.values() if each)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(_words(each) for each in value)
    return str(value)


def _drawn(slug: str, piece: Piece) -> str:
    """Return where a text is seen as people get it."""
    if piece.template:
        at = urlencode({"channel": piece.channel, "language": piece.language})
        return f"/templates/of/{piece.template}?{at}"
    number = re.search(r"\d+", piece.place)
    return f"/cascades/{slug}/edit?{urlencode({'panel': 'step', 'at': number[0] if number else 0})}"
