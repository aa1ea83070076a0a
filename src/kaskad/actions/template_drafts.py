"""Templates that are being written: shown and checked as they would be saved, and kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from kaskad.actions import template_check
from kaskad.actions.frames import Preview, Work, completed, fill, frame, link_url_of
from kaskad.actions.office import Office
from kaskad.actions.runs import find_contact
from kaskad.actions.template_check import Findings
from kaskad.actions.templates import code_of, made_of, person_of, zone_of
from kaskad.domain.cascade import Content
from kaskad.domain.content import TextBook, Wording, compile_content, primary
from kaskad.domain.errors import NotFound
from kaskad.domain.template.parts import named_in
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.store import cards
from kaskad.store import templates as store
from kaskad.store.db import Transaction
from kaskad.store.templates import PART, Kept

_LOOKED_AT = 50


class Draft(Struct, frozen=True):
    """What was written: a text of a template, or a part."""

    name: str
    channel: str
    language: str
    content: Content


class Seen(Struct, frozen=True):
    """A draft as a contact would get it. `stand_ins` are properties of the event that were made up;
    `within` is the template that a part is shown in."""

    preview: Preview
    variables: tuple[str, ...]
    contact_id: int
    called: str  # the contact's name, "" where there is none
    stand_ins: tuple[str, ...] = ()
    within: str = ""


def look(office: Office, draft: Draft, who: str, trigger: Mapping[str, Any]) -> Seen:
    """Return a draft as a contact gets it; a part in the first text that has it. Raises Invalid, NotFound."""
    with office.read() as tx:
        kept, made = _made(office, tx, draft)
        contact_id = find_contact(tx, who)
        person, zone = person_of(tx, contact_id), zone_of(tx)
    channel = Channel.of(made.channel)
    variables = tuple(sorted(compile_content(made.content, channel, name=made.name).variables))
    told, made_up = completed(trigger, variables, made.content.calendar, office.now())
    work = Work(
        Content(template=made.name), channel, made.name, person, zone, office.now(), office.base_url,
        link_url_of(office, made.name), told, (made,), made.language,
    )  # fmt: skip
    filled = office.renderers.call(fill, work)
    with office.read() as tx:
        preview = frame(office, tx, contact_id, work, filled)
    called = str(person.attributes.get("name") or "")
    return Seen(preview, variables, contact_id, called, made_up, made.name if kept.channel == PART else "")


def check(
    office: Office, draft: Draft, *, contacts: int, listed: str, trigger: Mapping[str, Any]
) -> Findings:
    """Return what a draft would be for the first contacts, or those of a list; raises Invalid, NotFound."""
    with office.read() as tx:
        _, made = _made(office, tx, draft)
        book = (Channel.of(made.channel), TextBook([made]), zone_of(tx))
    return template_check.check(
        office, made.name, contacts=contacts, listed=listed, trigger=trigger, book=book
    )  # fmt: skip


def somebody(office: Office, channel: str) -> str:
    """Return whom to look at texts as: the first who is reached there; "" where there is nobody."""
    with office.read() as tx:
        some = cards.page(tx, said="", country="", after=0, limit=_LOOKED_AT)
        rows = tx.among("look_addresses", [card.id for card in some])
    reached = {row[0] for row in rows if channel == Channel.of(row[1]).value}
    first = next((card.id for card in some if card.id in reached), some[0].id if some else None)
    return "" if first is None else f"con_{first}"


def _made(office: Office, tx: Transaction, draft: Draft) -> tuple[Kept, Wording]:
    """Return a draft, and the text that is sent: of a part the first in which it stands."""
    kept = Kept(
        draft.name, code_of(draft.channel), primary(draft.language), True, draft.content, office.now()
    )  # fmt: skip
    if kept.channel != PART:
        return kept, made_of(kept, store.all_parts(tx))
    others = [
        one for one in [*store.with_parts(tx), *store.all_parts(tx)]
        if (one.name, one.channel) != (kept.name, PART)
    ]  # fmt: skip
    texts = [kept, *others]
    for one in others:
        if (
            one.channel != PART
            and kept.language in ("", one.language)
            and kept.name in parts_within(texts, one)
        ):
            return kept, made_of(structs.replace(one, fallback=True), texts)
    raise NotFound(worded("No template has this part yet, so there is nothing to see it in."))


def parts_within(texts: list[Kept], one: Kept) -> set[str]:
    """Return the parts that a text has, at once or through others."""
    known = {each.name: each for each in texts if each.channel == PART}
    waiting = [one]
    found: set[str] = set()
    while waiting:
        content = waiting.pop().content
        for source in (
            content.mjml,
            content.html,
            content.text,
            content.subject,
            content.say,
            content.script,
        ):
            for name in set(named_in(source)) - found:
                found.add(name)
                waiting += [known[name]] if name in known else []
    return found
