"""Files of people: listed, brought in step by step, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from kaskad.actions import imports, lists, policy
from kaskad.domain.ids import import_text, read_import
from kaskad.domain.terms import Channel
from kaskad.engine.sheets import csv_text
from kaskad.store.imports import Note
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
Writer = Annotated[Visitor, needs("contacts:write")]
Number = Annotated[str, Path(pattern=r"^imp_\d{1,18}$")]
ROWS = 50
LAST = 2**62
STATES = {
    "running": (N_("under way"), "info"),
    "done": (N_("done"), "good"),
    "failed": (N_("failed"), "bad"),
    "interrupted": (N_("interrupted"), "warn"),
    "cancelled": (N_("cancelled"), ""),
}
KINDS = {
    "clean": N_("taken as they stand"),
    "fixed": N_("spelling put right"),
    "unread": N_("without a value that makes no sense"),
    "asked": N_("without an address that looks mistyped"),
    "duplicate": N_("of somebody in an earlier row"),
    "suppressed": N_("on the stop list"),
    "flagged": N_("worth a look"),
    "rejected": N_("left out"),
}
MEANINGS = {
    "skip": N_("leave out"),
    "id": N_("id in your system"),
    "name": N_("name"),
    "email": N_("e-mail"),
    "phone": N_("phone"),
    "zone": N_("time zone"),
    "language": N_("language"),
    "country": N_("country"),
    "consent": N_("consent"),
    "seed": N_("test contact"),
    "date": N_("date"),
    "attribute": N_("attribute"),
}
REHEARSED = 20  # notes that are shown before the file is brought in


@router.get("/imports")
def listing(office: InOffice, request: Request, seen: Reader, cursor: str = "") -> Response:
    """Show imports, the latest first."""
    before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else LAST
    found = imports.page(office, before, ROWS + 1)
    following = str(found[ROWS - 1].id) if len(found) > ROWS else ""
    return render(
        request, look_of(request, seen), "imports.html", seen=seen, rows=found[:ROWS], next=following,
        states=STATES, id_of=import_text,
    )  # fmt: skip


@router.get("/imports/new")
def wizard(office: InOffice, request: Request, seen: Writer) -> Response:
    """Show the way of a file: choose it, see what its columns are taken for, rehearse, bring it in."""
    country = policy.show(office).country
    return render(
        request, look_of(request, seen), "import_new.html", seen=seen, lists=lists.to_choose(office, 200),
        country=country,
    )  # fmt: skip


@router.get("/imports/{number}/rehearsed")
def rehearsed(office: InOffice, request: Request, seen: Writer, number: Number) -> Response:
    """Return what the columns of a file were taken for, and what was odd in its rows: parts of the wizard."""
    look, found = look_of(request, seen), imports.show(office, read_import(number) or 0)
    return render(
        request, look, "import_rehearsed.html", seen=seen, found=found, meanings=_meanings(look), kinds=KINDS,
        meant=partial(_meant, look), notes=_weighty(found.notes)[:REHEARSED],
    )  # fmt: skip


@router.get("/imports/{number}")
def report(office: InOffice, request: Request, seen: Reader, number: Number) -> Response:
    """Show how far an import is, or what came of it."""
    look, found = look_of(request, seen), imports.show(office, read_import(number) or 0)
    told = look._("%(done)s rows of about %(total)s", done=look.n(found.seen), total=look.n(found.size))
    return render(
        request, look, "import.html", seen=seen, found=found, number=number, told=told, states=STATES,
        kinds=[(name, look._(text), found.counts.get(name, 0)) for name, text in KINDS.items()],
        notes=_weighty(found.notes)[:200], names=KINDS, meant=partial(_meant, look),
    )  # fmt: skip


def _meanings(look: Look) -> list[tuple[str, str]]:
    """Return what a column can be, with the word for it."""
    chats = [(each.value, look.word("channel", each.value)) for each in Channel
             if each.value not in ("email", "sms", "robot_call", "agent_call")]  # fmt: skip
    meanings = [(name, look._(text)) for name, text in MEANINGS.items()]
    return [*meanings[:5], *chats, *meanings[5:]]


def _meant(look: Look, name: str, meaning: str) -> str:
    """Return what a column was taken for, in words."""
    kind, dot, rest = meaning.partition(".")
    word = {"sms": "phone", "external_id": "id", "contact": "attribute"}.get(kind, kind)
    said = dict(_meanings(look)).get(word, kind) if meaning else "—"
    return f"{said}: {rest}" if dot and rest != name else said


def _weighty(notes: Sequence[Note]) -> list[Note]:
    """Return notes by row: first what was left out, last what only tells of another spelling."""
    return sorted(notes, key=lambda note: (not note.rejected, note.kind == "fixed", note.row))


@router.post("/imports/{number}/stop")
def stop(office: InOffice, request: Request, seen: Writer, number: Number) -> Response:
    """End an import; whom it has brought in stays."""
    imports.cancel(office, read_import(number) or 0)
    note(office, seen, "POST /imports/{id}/cancel", number)
    look = look_of(request, seen)
    return go(f"/imports/{number}", look._("The import is stopped; whom it has brought in stays."))


@router.get("/imports/{number}/rejected")
def rejected(office: InOffice, seen: Writer, number: Number) -> Response:
    """Return the rows that were left out, to be mended and sent again."""
    header, rejects = imports.rejects(office, read_import(number) or 0)
    wide = max([len(header), *(len(each.cells) for each in rejects)])
    rows = [[*each.cells, *[""] * (wide - len(each.cells)), str(each.row), each.reason] for each in rejects]
    top = [*header, *[""] * (wide - len(header)), "row", "reason"]
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{number}-rejected.csv"'}
    return Response(csv_text([top, *rows]), media_type="text/csv", headers=headers)
