"""Tables `threads` and `thread_texts`: what people write to us and are answered, one thread a contact."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.store.db import Row, Transaction

OPEN, CLOSED = 0, 1
MANY = 1000  # unread threads are counted no further
_LONGEST_WORDS = 160
Place = tuple[int, int]  # last_at, contact: in the order of a list
NEWEST: Place = (2**62, 2**62)


class Thread(Struct, frozen=True):
    """A conversation with one contact, over all channels."""

    contact_id: int
    state: int
    unread: int
    assignee: str
    channel: int
    last_at: int
    last_in_at: int
    last_out_at: int | None
    words: str


class Text(Struct, frozen=True):
    """One text; `author` "": the person wrote it."""

    event: str
    at: int
    channel: int
    author: str
    said: str


class Heard(Struct, frozen=True):
    """A text that a person wrote; `quiet`: it wants no answer."""

    contact_id: int
    event: str
    at: int
    channel: int
    said: str
    quiet: bool = False


def is_known(tx: Transaction, said: Heard) -> bool:
    """Return whether this text is kept already."""
    return tx.one("thread_text", contact_id=said.contact_id, event=said.event) is not None


def hear(tx: Transaction, heard: Sequence[Heard]) -> None:
    """Keep texts of people, and open their threads; one that is told again changes nothing."""
    for each in heard:
        told = {"contact_id": each.contact_id, "at": each.at, "channel": each.channel}
        if tx.one("put_thread_text", **told, event=each.event, author="", said=each.said) is not None:
            tx.run("hear_thread", **told, quiet=int(each.quiet), words=each.said[:_LONGEST_WORDS])


def answer(tx: Transaction, contact_id: int, text: Text) -> bool:
    """Keep what we answer; return whether it is new."""
    if tx.one(
        "put_thread_text", contact_id=contact_id, at=text.at, channel=text.channel, event=text.event,
        author=text.author, said=text.said,
    ) is None:  # fmt: skip
        return False
    words = text.said[:_LONGEST_WORDS]
    tx.run("answer_thread", contact_id=contact_id, at=text.at, author=text.author, words=words)
    return True


def find(tx: Transaction, contact_id: int) -> Thread | None:
    """Return the thread of a contact, or None."""
    row = tx.one("thread", contact_id=contact_id)
    return None if row is None else Thread(*row)


def page(
    tx: Transaction, state: int, *, assignee: str = "", unread: bool = False, before: Place = NEWEST,
    limit: int,
) -> list[Thread]:  # fmt: skip
    """Return threads in one state, the newest first."""
    rows = tx.all(
        "threads_before", state=state, assignee=assignee, unread=int(unread), at=before[0],
        contact_id=before[1], limit=limit,
    )  # fmt: skip
    return [Thread(*row) for row in rows]


def among(tx: Transaction, contact_ids: Sequence[int]) -> list[Thread]:
    """Return the threads of these contacts, the newest first."""
    return [Thread(*row) for row in tx.among("threads_among", contact_ids)] if contact_ids else []


def texts(tx: Transaction, contact_id: int, limit: int) -> list[Text]:
    """Return the texts of a thread, the newest first."""
    return [Text(*row) for row in tx.all("thread_texts_before", contact_id=contact_id, limit=limit)]


def change(
    tx: Transaction, contact_id: int, *, state: int | None = None, assignee: str | None = None,
    seen: bool = False,
) -> bool:  # fmt: skip
    """Change a thread; return whether there is one."""
    return bool(tx.run("set_thread", contact_id=contact_id, state=state, assignee=assignee, seen=int(seen)))


def waiting(tx: Transaction) -> tuple[int, str]:
    """Return how many people wrote what nobody has looked at, and a mark that changes with the inbox."""
    count, unread = tx.one("unread_threads", limit=MANY) or (0, 0)
    newest = tx.one("thread_mark", limit=MANY) or (0, 0)
    return int(count), ".".join(str(each) for each in (count, unread, *newest))


def replies(tx: Transaction, contact_id: int) -> list[Row]:
    """Return what became of replies: key, state of the message, reason, outcome of its run."""
    return tx.all("replies_of", contact_id=contact_id)
