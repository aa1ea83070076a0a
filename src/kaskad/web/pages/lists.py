"""Static lists: made, filled by hand or from a file, and let go."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Request, Response

from kaskad.actions import lists, segments
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.ids import contact_text
from kaskad.web.api.fields import NAMED
from kaskad.web.auth import InOffice
from kaskad.web.pages.contacts import row_of
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
Writer = Annotated[Visitor, needs("contacts:write")]
Name = Annotated[str, Path(min_length=1, max_length=100, pattern=NAMED)]
Text = Annotated[str, Form()]
ROWS = 50
AT_ONCE = 10_000  # that are put on a list by hand


@router.get("/segments/lists")
def listing(office: InOffice, request: Request, seen: Reader, cursor: str = "") -> Response:
    """Show the static lists by name."""
    return _listing(office, request, seen, cursor[:100])


@router.post("/segments/lists")
def make(office: InOffice, request: Request, seen: Writer, name: Text = "") -> Response:
    """Make an empty list and show it."""
    look, name = look_of(request, seen), name.strip()
    if not (re.match(NAMED, name) and len(name) <= 100):
        problem = look._("Give it a name of at most 100 characters, without a slash.")
        return _listing(office, request, seen, "", name, problem, 422)
    try:
        lists.create(office, name)
    except Conflict as conflict:
        return _listing(office, request, seen, "", name, look.refusal(conflict), 409)
    note(office, seen, "POST /lists", name)
    return go(_at(name))


@router.get("/segments/lists/of/{name}")
def show(office: InOffice, request: Request, seen: Reader, name: Name, cursor: str = "") -> Response:
    """Show who is on a list."""
    return _show(office, request, seen, name, cursor)


@router.get("/segments/lists/size")
def size(office: InOffice, request: Request, seen: Reader, name: str = "") -> Response:
    """Show how many are on a list; of a long one that takes a moment."""
    return render(
        request, look_of(request, seen), "segment_size.html", seen=seen, kind="list", name=name,
        count=lists.show(office, name).members,
    )  # fmt: skip


@router.post("/segments/lists/of/{name}/add")
def add(office: InOffice, request: Request, seen: Writer, name: Name, who: Text = "") -> Response:
    """Put contacts on a list, told a line each by e-mail, phone or id; nobody where one is unknown."""
    look = look_of(request, seen)
    told = [each for line in who.splitlines() for each in re.split(r"[;,\t]", line) if each.strip()]
    wanted = [each.strip() for each in told]
    problem = ""
    if not wanted:
        problem = look._("Name at least one contact.")
    elif len(wanted) > AT_ONCE:
        problem = look._("At most %(num)s at once: bring more in as a file.", num=look.n(AT_ONCE))
    try:
        added = lists.add(office, name, wanted) if not problem else 0
    except Invalid as invalid:
        shown = [look.told(each) for each in invalid.worded[:5]]
        problem = " ".join(shown) + (" …" if len(invalid.problems) > len(shown) else "")
    if problem:
        return _show(office, request, seen, name, "", who, problem, 422)
    note(office, seen, "POST /lists/{name}/members", f"{name} {len(wanted)}")
    said = look.words.ngettext(
        "%(num)s contact is on the list %(name)s now.",
        "%(num)s contacts are on the list %(name)s now.",
        added,
    )
    return go(_at(name), said % {"num": look.n(added), "name": name})


@router.post("/segments/lists/of/{name}/take")
def take(
    office: InOffice, request: Request, seen: Writer, name: Name, who: Annotated[list[str], Form()] = []  # noqa: B006
) -> Response:  # fmt: skip
    """Take contacts off a list."""
    look = look_of(request, seen)
    if not who:
        return go(_at(name), look._("Choose whom to take off the list."), "bad")
    taken = lists.remove(office, name, who)
    note(office, seen, "DELETE /lists/{name}/contacts", f"{name} {len(who)}")
    said = look.words.ngettext(
        "%(num)s contact is taken off the list.", "%(num)s contacts are taken off the list.", taken
    )
    return go(_at(name), said % {"num": look.n(taken)})


@router.post("/segments/lists/of/{name}/remove")
def remove(office: InOffice, request: Request, seen: Writer, name: Name) -> Response:
    """Forget a list, not its people."""
    lists.delete(office, name)
    note(office, seen, "DELETE /lists/{name}", name)
    return go("/segments/lists", look_of(request, seen)._("The list %(name)s is removed.", name=name))


def _at(name: str) -> str:
    return f"/segments/lists/of/{quote(name, safe='')}"


def _listing(
    office: Office, request: Request, seen: Visitor, cursor: str, given: str = "", problem: str = "",
    code: int = 200,
) -> Response:  # fmt: skip
    found = lists.names(office, after=cursor, limit=ROWS + 1)
    return render(
        request, look_of(request, seen), "lists.html", code, seen=seen, rows=found[:ROWS],
        uses=segments.all_uses(office), next=found[ROWS - 1] if len(found) > ROWS else "",
        given=given, problem=problem,
    )  # fmt: skip


def _show(
    office: Office, request: Request, seen: Visitor, name: str, cursor: str, given: str = "",
    problem: str = "", code: int = 200,
) -> Response:  # fmt: skip
    after = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else 0
    known = lists.show(office, name)
    page = lists.members(office, name, after=after, limit=ROWS + 1)
    rows = [row_of(card, page.addresses[card.id]) for card in page.cards[:ROWS]]
    following = str(page.cards[ROWS - 1].id) if len(page.cards) > ROWS else ""
    return render(
        request, look_of(request, seen), "list.html", code, seen=seen, known=known, rows=rows, next=following,
        uses=segments.uses(office, name), given=given, problem=problem, id_of=contact_text,
    )  # fmt: skip
