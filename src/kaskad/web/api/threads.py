"""The inbox over the API: threads of what people write, answered, handed over, closed."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, Field

from kaskad.actions import threads
from kaskad.actions.threads import Conversation, Filter, State, ThreadView
from kaskad.domain.terms import Channel
from kaskad.web.api.fields import PLAIN, WhoInPath, encodable
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.runs import Limit
from kaskad.web.api.stops import StopView
from kaskad.web.api.views import Page, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

READ, WRITE = "threads:read", "threads:write"

router = APIRouter(prefix="/api/v1/threads", tags=["threads"], route_class=IdempotentRoute)

Writer = Annotated[Caller, may(WRITE)]
Words = Annotated[
    str, Field(min_length=1, max_length=threads.LONGEST, pattern=PLAIN), AfterValidator(encodable)
]


class ThreadOut(View):
    """A conversation with one contact, over all channels."""

    contact: str
    name: str
    state: State
    unread: Annotated[int, Field(description="Texts that nobody has looked at.")]
    assignee: str
    channel: Annotated[str, Field(description="That the person wrote on last.")]
    last_at: datetime
    last_in_at: datetime
    last_out_at: datetime | None
    words: Annotated[str, Field(description="The beginning of the last text.")]

    @classmethod
    def of(cls, shown: ThreadView) -> ThreadOut:
        thread = shown.thread
        return cls(
            contact=shown.id, name=shown.name, state="closed" if shown.state == "closed" else "open",
            unread=thread.unread, assignee=thread.assignee, channel=shown.channel,
            last_at=instant(thread.last_at), last_in_at=instant(thread.last_in_at),
            last_out_at=when(thread.last_out_at), words=thread.words,
        )  # fmt: skip


class LineOut(View):
    """One text. `author` is who of us wrote it, empty for the person."""

    at: datetime
    channel: str
    author: str
    text: str
    state: Annotated[str, Field(description="Of a reply: the state of its message.")]
    why: Annotated[str, Field(description="Of a reply that was not sent: why.")]


class WholeThread(ThreadOut):
    """A thread with its texts, the oldest first, and stops in it that nobody has looked at."""

    texts: list[LineOut]
    channels: list[str]
    stops: list[StopView]

    @classmethod
    def whole(cls, found: Conversation) -> WholeThread:
        lines = [
            LineOut(at=instant(each.at), channel=each.channel, author=each.author, text=each.said,
                    state=each.state, why=each.why)
            for each in found.lines
        ]  # fmt: skip
        return cls(
            **ThreadOut.of(found.view).model_dump(), texts=lines, channels=found.channels,
            stops=[StopView.of(each) for each in found.stops],
        )  # fmt: skip


class ReplyIn(Told):
    """What to answer. It goes by the channel that the person wrote on last, if none is named."""

    text: Words
    channel: Channel | None = None


class ThreadChange(Told):
    """What to change; what is left out stays."""

    state: State | None = None
    assignee: Annotated[
        str | None, Field(max_length=200, pattern=PLAIN, description="Who answers; empty: nobody.")
    ] = None
    seen: Annotated[bool, Field(description="Somebody has looked at it.")] = False


@router.get("", dependencies=[may(READ)])
def list_threads(
    office: InOffice,
    state: State = "open",
    assignee: Annotated[str, Query(max_length=200, pattern=PLAIN)] = "",
    unread: Annotated[bool, Query(description="Only with texts that nobody has looked at.")] = False,
    q: Annotated[
        str, Query(max_length=200, pattern=PLAIN, description="An address, an id, or words of a newer text.")
    ] = "",
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=100, description="`next` of the page before.")] = "",
) -> Page[ThreadOut]:
    """List conversations, the newest first; a search is over all states and gives one page."""
    wanted = Filter(state, assignee, unread, q)
    found, following = threads.listing(office, wanted, cursor=cursor, limit=limit)
    return Page(items=[ThreadOut.of(each) for each in found], next=following or None)


@router.get("/{contact}", dependencies=[may(READ)])
def show_thread(office: InOffice, contact: WhoInPath) -> WholeThread:
    """Show the conversation with a contact."""
    return WholeThread.whole(threads.show(office, contact))


@router.post("/{contact}/reply")
def reply_in_thread(
    office: InOffice, request: Request, contact: WhoInPath, told: ReplyIn, caller: Writer
) -> WholeThread:
    """Answer a person. The last look decides whether it is sent: `why` of the last text tells why not."""
    key = request.headers.get("idempotency-key") or secrets.token_hex(8)
    channel = told.channel.value if told.channel else ""
    return WholeThread.whole(threads.reply(office, contact, told.text, caller.name, key=key, channel=channel))


@router.post("/{contact}")
def change_thread(office: InOffice, contact: WhoInPath, told: ThreadChange, caller: Writer) -> WholeThread:
    """Close a thread, open it again, hand it to somebody, or note that it was looked at."""
    return WholeThread.whole(
        threads.change(office, contact, state=told.state, assignee=told.assignee, seen=told.seen)
    )
