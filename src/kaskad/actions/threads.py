"""The inbox: what people write on any channel, answered, handed to somebody, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kaskad.actions import cascades, timeline
from kaskad.actions.contacts import find
from kaskad.actions.hiding import hidden
from kaskad.actions.names import Names
from kaskad.actions.office import Office
from kaskad.actions.timeline import Entry
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import contact_text, read_contact
from kaskad.domain.terms import Channel, MessageState, Outcome, Reason, SkipReason
from kaskad.domain.worded import worded
from kaskad.engine.replies import KEY, TOPIC, Replying, event_of
from kaskad.store import cascades as cascade_store
from kaskad.store import stops as stop_store
from kaskad.store import threads as store
from kaskad.store.db import Row, Transaction
from kaskad.store.stops import Stop
from kaskad.store.threads import CLOSED, OPEN, Place, Text, Thread

State = Literal["open", "closed"]
STATES: Mapping[State, int] = {"open": OPEN, "closed": CLOSED}
LONGEST = 4_000
SEARCHED = 5_000  # of the newest texts
_TEXTS = 200
_FOUND = 50
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_CALLS = (Channel.ROBOT_CALL, Channel.AGENT_CALL)


class ThreadView(Struct, frozen=True):
    """A thread, and how its contact is called."""

    thread: Thread
    id: str
    name: str
    channel: str
    state: str


class Line(Struct, frozen=True):
    """One text; of a reply also what became of it: `state`, and `why` it was not sent."""

    at: int
    channel: str
    author: str
    said: str
    event: str
    state: str = ""
    why: str = ""


class Conversation(Struct, frozen=True):
    """A thread with all that was said, the oldest first."""

    view: ThreadView
    lines: list[Line]
    channels: list[str]  # that the person has written on, the last first
    stops: list[Stop]  # that nobody has looked at
    touches: list[Entry]  # other messages that went to the person, the newest first


class Filter(Struct, frozen=True):
    """Which threads are meant; what is empty filters nothing."""

    state: State = "open"
    assignee: str = ""
    unread: bool = False
    q: str = ""


def listing(office: Office, wanted: Filter, *, cursor: str = "", limit: int) -> tuple[list[ThreadView], str]:
    """Return threads, the newest first, and the cursor of the next page; a search gives one page.

    Searched are addresses, ids, and the words of the newest texts.
    """
    with office.read() as tx:
        if wanted.q:
            return _views(office, tx, store.among(tx, _searched(tx, wanted.q))), ""
        found = store.page(
            tx, STATES[wanted.state], assignee=wanted.assignee, unread=wanted.unread, before=_place(cursor),
            limit=limit + 1,
        )  # fmt: skip
        page = found[:limit]
        following = f"{page[-1].last_at}.{contact_text(page[-1].contact_id)}" if len(found) > limit else ""
        return _views(office, tx, page), following


def show(office: Office, who: str) -> Conversation:
    """Return the thread of a contact; raises NotFound."""
    with office.read() as tx:
        thread = _thread(tx, who)
        texts = store.texts(tx, thread.contact_id, _TEXTS)
        fates = {row[0]: row for row in store.replies(tx, thread.contact_id)}
        used = [text.channel for text in texts if not text.author]
        touches = timeline.entries_of(
            tx, Names(office, tx), thread.contact_id, until=office.now(), limit=_TEXTS
        )
        return Conversation(
            view=_views(office, tx, [thread])[0],
            lines=[_line(_shown(office, tx, text), fates) for text in reversed(texts)],
            channels=[Channel.of(code).value for code in dict.fromkeys(used or [thread.channel])],
            stops=stop_store.open_of(tx, thread.contact_id),
            touches=[
                each
                for each in touches
                if each.what == "message" and not (each.cascade or "").startswith(f"{KEY}-")
            ],
        )


def mark(office: Office, who: str) -> list[object]:
    """Return what changes whenever the thread, or what became of a reply in it, does; raises NotFound."""
    with office.read() as tx:
        thread = _thread(tx, who)
        fates = [list(row) for row in store.replies(tx, thread.contact_id)]
        return [thread.state, thread.assignee, thread.last_at, thread.last_in_at, sorted(map(str, fates))]


def waiting(office: Office) -> tuple[int, str]:
    """Return how many threads hold what nobody has looked at, and a mark that changes with the inbox."""
    with office.read() as tx:
        return store.waiting(tx)


def reply(office: Office, who: str, text: str, by: str, *, key: str, channel: str = "") -> Conversation:
    """Answer a person on the channel that they wrote on last, or on another of theirs.

    The same `key` answers once. The last look decides whether it is sent; `Line.why` then tells why not.
    Raises NotFound, Invalid.
    """
    said = text.strip()
    if not said or len(said) > LONGEST:
        raise Invalid([worded("A reply has 1 to %(most)s characters.", most=LONGEST)], ["/text"])
    conversation = show(office, who)
    name = channel or conversation.channels[0]
    if name not in conversation.channels:
        raise Invalid(
            [
                worded(
                    "The person has not written on %(name)s: answer on %(known)s.",
                    name=name,
                    known=", ".join(conversation.channels),
                )
            ],
            ["/channel"],
        )
    on = next(each for each in Channel if each.value == name)
    if on in _CALLS:
        raise Invalid([worded("Calls are not answered by text.")], ["/channel"])
    _stand_ready(office, on)
    contact_id = conversation.view.thread.contact_id
    told = Text(f"{KEY} {key}", office.now(), on.code, by, said)
    subject = _subject(office, contact_id)
    office.tell([], [Replying(contact_id, told, subject)])
    office.tell([])  # until the tick after it, in which the run has begun
    return show(office, contact_text(contact_id))


def change(
    office: Office, who: str, *, state: State | None = None, assignee: str | None = None, seen: bool = False
) -> Conversation:
    """Close or open a thread again, hand it to somebody ("": to nobody), note that it was looked at.

    Raises NotFound.
    """

    def write(tx: Transaction) -> None:
        thread = _thread(tx, who)
        code = None if state is None else STATES[state]
        store.change(tx, thread.contact_id, state=code, assignee=assignee, seen=seen or state == "closed")

    office.write(write)
    return show(office, who)


def _stand_ready(office: Office, channel: Channel) -> None:
    """Make and activate the cascade that carries replies on a channel; raises Invalid where it cannot be."""
    slug = f"{KEY}-{channel.value.replace('_', '-')}"
    with office.read() as tx:
        try:
            if cascade_store.by_slug(tx, slug).state == cascade_store.ACTIVE:
                return
        except NotFound:
            pass
    cascades.put(office, slug, _definition(slug, channel))
    cascades.activate(office, slug, ours=True)
    office.reload()


def _definition(slug: str, channel: Channel) -> str:
    subject = '\n    subject: "{{ trigger.subject }}"' if channel is Channel.EMAIL else ""
    return f"""cascade: {slug}
title: "Inbox: replies, {channel.value}"
class: transactional
topic: {TOPIC}
trigger: {{event: {event_of(channel)}, key: reply}}
reentry: parallel_by_key
holdout: 0%
steps:
  - id: reply
    channel: {channel.value}{subject}
    text: "{{{{ trigger.text }}}}"
    success: none
    wait: 1h
"""


def _subject(office: Office, contact_id: int) -> str:
    """Return the subject of an answer by mail: that of the last letter we have sent."""
    with office.read() as tx:
        row = tx.one("last_letter", contact_id=contact_id, channel=Channel.EMAIL.code)
    subject = str(_decode(row[0]).get("subject", "")) if row else ""
    return subject if subject.lower().startswith("re:") or not subject else f"Re: {subject}"


def _shown(office: Office, tx: Transaction, text: Text) -> Text:
    """Return a text as it may be read: people quote our letters, with their links."""
    return replace(text, said=hidden(tx, office.signer, text.said))


def _line(text: Text, fates: Mapping[str, Row]) -> Line:
    channel = Channel.of(text.channel).value
    line = Line(text.at, channel, text.author, text.said, text.event)
    fate = fates.get(text.event)
    if not text.author or fate is None:
        return line
    _, state, reason, outcome = fate
    if state is None:
        over = Outcome.of(outcome).value if outcome else ""
        return replace(line, state="skipped" if outcome else "queued", why=over)
    name = MessageState.of(state).value
    return replace(line, state=name, why=_why(name, reason))


def _why(state: str, reason: int | None) -> str:
    if not reason:
        return ""
    return SkipReason.of(reason).value if state == "skipped" else Reason.of(reason).value


def _thread(tx: Transaction, who: str) -> Thread:
    thread = store.find(tx, find(tx, who))
    if thread is None:
        raise NotFound(worded("%(who)s has written nothing.", who=who))
    return thread


def _searched(tx: Transaction, q: str) -> list[int]:
    try:
        return [find(tx, q)]
    except NotFound:
        wanted = q.casefold()
        rows = tx.all("newest_thread_texts", limit=SEARCHED)
        found = dict.fromkeys(row[0] for row in rows if wanted in str(row[1]).casefold())
        return list(found)[:_FOUND]


def _views(office: Office, tx: Transaction, threads: Sequence[Thread]) -> list[ThreadView]:
    ids = sorted({each.contact_id for each in threads})
    names = (
        {row[0]: str(_decode(row[5]).get("name") or "") for row in tx.among("look_contacts", ids)}
        if ids
        else {}
    )
    return [
        ThreadView(
            replace(each, words=hidden(tx, office.signer, each.words)),
            contact_text(each.contact_id), names.get(each.contact_id, ""),
            Channel.of(each.channel).value, "closed" if each.state == CLOSED else "open",
        )
        for each in threads
    ]  # fmt: skip


def _place(cursor: str) -> Place:
    """Return the place that a cursor is; raises Invalid."""
    if not cursor:
        return store.NEWEST
    at, _, name = cursor.partition(".")
    contact_id = read_contact(name)
    if contact_id is not None and at.isascii() and at.isdigit() and len(at) < 19 and contact_id < 2**62:
        return int(at), contact_id
    raise Invalid(
        [worded("%(cursor)r is no cursor: send `next` of the page before as it was.", cursor=cursor)]
    )
