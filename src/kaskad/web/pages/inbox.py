"""The inbox: conversations with people over all channels."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request, Response
from msgspec import Struct

from kaskad.actions import stops, threads
from kaskad.actions.office import Office
from kaskad.actions.threads import Conversation, Filter, Line
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.store.stops import Stop, Verdict
from kaskad.web.auth import Forbidden, InOffice
from kaskad.web.pages.live import shown
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.words import MESSAGE_STATES, OUTCOMES, REASONS, SKIPS

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("threads:read")]
Writer = Annotated[Visitor, needs("threads:write")]
Contact = Annotated[str, Path(max_length=60)]
Show = Literal["open", "mine", "unread", "closed"]
Search = Annotated[str, Query(max_length=200)]
ROWS = 40
_UNSENT = frozenset({"skipped", "failed", "rejected", "bounced", "expired", "cancelled"})


class Said(Struct, frozen=True):
    """One place in a conversation: a text of either side, or a message of a cascade (`touch`)."""

    at: int
    channel: str
    side: str  # "in", "out", "touch"
    text: str
    author: str = ""
    fate: str = ""
    bad: bool = False


@router.get("/inbox")
def inbox(
    office: InOffice, request: Request, seen: Reader, show: Show = "open", q: Search = "",
    cursor: Annotated[str, Query(max_length=100)] = "",
) -> Response:  # fmt: skip
    """Show conversations, the newest first."""
    return _page(office, request, seen, None, show=show, q=q, cursor=cursor)


@router.get("/inbox/{contact}")
def thread(
    office: InOffice, request: Request, seen: Reader, contact: Contact, show: Show = "open", q: Search = "",
    cursor: Annotated[str, Query(max_length=100)] = "",
) -> Response:  # fmt: skip
    """Show one conversation beside the others; as a part of an open page also one that is gone since."""
    part = request.headers.get("hx-request")
    try:
        shows = shown(office, request, look_of(request, seen), "thread", contact)
        found = threads.show(office, contact)
    except NotFound:
        if not part:
            raise
        return render(request, look_of(request, seen), "inbox_gone.html", seen=seen)
    if not part:
        note(office, seen, "GET /threads/{contact}", found.view.id)
    return _page(office, request, seen, found, show=show, q=q, cursor=cursor, shows=shows)


@router.post("/inbox/{contact}")
def reply(
    office: InOffice, request: Request, seen: Writer, contact: Contact,
    text: Annotated[str, Form(max_length=20_000)] = "", channel: Annotated[str, Form(max_length=40)] = "",
    key: Annotated[str, Form(max_length=40)] = "",
) -> Response:  # fmt: skip
    """Answer a person, and show the conversation again."""
    try:
        threads.reply(
            office, contact, text, seen.caller.name, key=key or secrets.token_hex(8), channel=channel
        )
    except Invalid as error:
        found = threads.show(office, contact)
        return _page(
            office, request, seen, found, code=422, problem=look_of(request, seen).refusal(error), given=text
        )
    note(office, seen, "POST /threads/{contact}/reply", contact)
    return go(f"/inbox/{contact}#end")


@router.post("/inbox/{contact}/{action}")
def act(
    office: InOffice, request: Request, seen: Writer, contact: Contact,
    action: Annotated[str, Path(pattern="^(close|reopen|take|leave)$")],
) -> Response:  # fmt: skip
    """Close a conversation, open it again, take it, or leave it to others."""
    look = look_of(request, seen)
    if action in ("close", "reopen"):
        threads.change(office, contact, state="closed" if action == "close" else "open")
    else:
        threads.change(office, contact, assignee=seen.caller.name if action == "take" else "")
    note(office, seen, "POST /threads/{contact}", f"{contact} {action}")
    if action == "close":
        return go("/inbox", look._("The conversation is closed; it opens again when the person writes."))
    return go(f"/inbox/{contact}")


@router.post("/inbox/{contact}/stops/{stop_id}")
def judge(
    office: InOffice, request: Request, seen: Writer, contact: Contact, stop_id: int,
    verdict: Annotated[str, Form(max_length=10)] = "",
) -> Response:  # fmt: skip
    """Leave a stop standing, or undo it: that gives consents back, so it needs the right to change them."""
    if verdict not in ("stands", "undone"):
        raise Invalid([worded("%(verdict)r is no verdict.", verdict=verdict)])
    if verdict == "undone" and not seen.may("contacts:write"):
        raise Forbidden(worded("Your role does not open this: it needs the right contacts:write."))
    stops.judge(office, stop_id, Verdict[verdict.upper()], seen.caller.name)
    note(office, seen, "POST /stops/{stop}", str(stop_id))
    look = look_of(request, seen)
    return go(
        f"/inbox/{contact}",
        look._("It stays a stop.") if verdict == "stands" else look._("What was allowed before is so again."),
    )


def _page(
    office: Office, request: Request, seen: Visitor, found: Conversation | None, *, code: int = 200,
    show: Show = "open", q: str = "", cursor: str = "", problem: str = "", given: str = "", shows: str = "",
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    wanted = Filter(
        "closed" if show == "closed" else "open", seen.caller.name if show == "mine" else "",
        show == "unread", q.strip(),
    )  # fmt: skip
    inbox = shown(office, request, look, "inbox")
    rows, following = threads.listing(office, wanted, cursor=cursor, limit=ROWS)
    return render(
        request, look, "inbox.html", code, seen=seen, rows=rows, next=following, show=show, q=q, talk=found,
        lines=_lines(look, found) if found else [], closed=_closed, key=secrets.token_hex(8),
        may_write=seen.may("threads:write"), may_open=seen.may("contacts:read"),
        may_undo=seen.may("contacts:write"), me=seen.caller.name, problem=problem, given=given,
        shows=shows, inbox=inbox,
    )  # fmt: skip


def _lines(look: Look, found: Conversation) -> list[Said]:
    """Return what was said and what cascades sent, the oldest first."""
    lines = [_said(look, each) for each in found.lines]
    began = lines[0].at if lines else 0
    for each in found.touches:
        state = str(each.details.get("state", ""))
        if each.at >= began - 7 * 86_400_000 and state not in ("skipped", "cancelled", "created"):
            fate = look.word("message", state) if state in MESSAGE_STATES else state
            lines.append(Said(each.at, each.channel or "email", "touch", each.cascade or "", fate=fate))
    return sorted(lines, key=lambda line: line.at)


def _said(look: Look, line: Line) -> Said:
    if not line.author:
        return Said(line.at, line.channel, "in", line.said)
    fate = look.word("message", line.state) if line.state in MESSAGE_STATES else ""
    for kind, table in (("skip", SKIPS), ("reason", REASONS), ("outcome", OUTCOMES)):
        if line.why in table:
            fate = f"{fate}: {look.word(kind, line.why)}"
            break
    return Said(line.at, line.channel, "out", line.said, line.author, fate, line.state in _UNSENT)


def _closed(stop: Stop) -> list[str]:
    """Return the channels that a stop has closed."""
    return [each.value for each in Channel if stop.channels & 1 << each.code]
