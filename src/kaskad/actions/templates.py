"""Templates: saved in each language, shown, deleted, and filled for a person to look at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.actions import approving
from kaskad.actions.cascade_texts import source_of
from kaskad.actions.frames import Preview, Work, completed, faulty, fill, frame, heavy, link_url_of
from kaskad.actions.office import Office
from kaskad.actions.runs import find_contact
from kaskad.domain.approval import of_wording
from kaskad.domain.cascade import Cascade, Content, Step, Variant
from kaskad.domain.condition import ROOTS
from kaskad.domain.content import (
    TextBook,
    Wording,
    compile_content,
    primary,
)  # fmt: skip
from kaskad.domain.definition import sketch, to_cascade
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.letter import faults
from kaskad.domain.policy import Policy
from kaskad.domain.template import BadTemplate
from kaskad.domain.terms import Channel
from kaskad.domain.utm import utm_of
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.engine.look import Person
from kaskad.engine.wording import gather, parts_of, wording
from kaskad.store import settings
from kaskad.store import templates as store
from kaskad.store.db import Transaction
from kaskad.store.templates import PART, Kept, Past

PART_WORD = "part"
_CHANNELS = {channel.value: channel for channel in Channel}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Text(Struct, frozen=True):
    """One language of a template on one channel, or a part; `warnings` are about what was just saved."""

    name: str
    channel: str
    language: str
    fallback: bool
    content: Content
    saved_at: int
    variables: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def put(
    office: Office, name: str, channel: str, language: str, content: Content, *, fallback: bool = False,
    by: str = "",
) -> Text:  # fmt: skip
    """Save a template in one language, or a part; cascades use it when they are activated next.

    The first language of a template serves all in whose language there is none, until another one is told to.
    Raises Invalid for what could not be sent.
    """
    code, language = code_of(channel), primary(language)
    if code == PART:
        _check_part(content, fallback)
    elif not language:
        raise Invalid(
            [
                worded(
                    "Say in which language %(name)r is, for example `language: ru`; a part needs none.",
                    name=name,
                )
            ]
        )

    def change(tx: Transaction) -> Kept:
        made: Wording | None = None
        others = [one for one in store.of_name(tx, name) if one.channel == code and one.language != language]
        chosen = code != PART and (fallback or not any(one.fallback for one in others))
        kept = Kept(name, code, language, chosen, content, office.now())
        if code != PART:
            made = _made(tx, kept)
            grave = [one for one in faults(made.content.html) if one.grave]
            if grave:
                raise Invalid(
                    [
                        worded(
                            "%(name)s: %(message)s: %(remedy)s.",
                            name=name,
                            message=one.message,
                            remedy=one.remedy,
                        )
                        for one in grave
                    ]
                )
        store.put(tx, kept)
        store.note(tx, kept, by)
        if made is not None:
            approving.note_written(tx, [of_wording(made)], by, office.now())
        return kept

    kept = office.write(change)
    with office.read() as tx:
        return _text(tx, kept)


def listing(office: Office) -> list[Text]:
    """Return all templates and parts, by name, channel and language."""
    with office.read() as tx:
        texts = store.all_texts(tx)
        return [text_of(kept, texts) for kept in texts]


def of_name(office: Office, name: str) -> list[Text]:
    """Return a template in all its languages; raises NotFound."""
    with office.read() as tx:
        return [_text(tx, kept) for kept in _known(tx, name)]


def history(office: Office, name: str) -> list[Past]:
    """Return every text that a template has had, the latest first; raises NotFound."""
    with office.read() as tx:
        found = store.history(tx, name)
    if not found:
        raise NotFound(worded("There is no template %(name)r: `kaskad template list` shows them.", name=name))
    return found


def restore(office: Office, name: str, number: int, channel: str, language: str, by: str) -> Text:
    """Save an earlier text of a template again, as its latest; raises NotFound, Invalid."""
    found = [
        one for one in history(office, name)
        if one.number == number and (not channel or one.channel == code_of(channel))
        and (not language or one.language == language)
    ]  # fmt: skip
    if not found:
        raise NotFound(
            worded(
                "Template %(name)r has no text %(number)s: `kaskad template history %(name)s` shows them.",
                name=name,
                number=number,
            )
        )
    if len(found) > 1:
        raise Invalid(
            [
                worded(
                    "%(n)s texts of %(name)r have the number %(number)s: say channel and language.",
                    n=len(found),
                    name=name,
                    number=number,
                )
            ]
        )
    past = found[0]
    return put(office, name, word_of(past.channel), past.language, past.content, by=by)


def word_of(channel: int) -> str:
    """Return a channel's word, that of a part among them."""
    return PART_WORD if channel == PART else Channel.of(channel).value


def drop(office: Office, name: str, channel: str = "", language: str = "") -> int:
    """Delete a template, or only one channel or language of it; return how many texts are gone.

    Cascades that use it keep theirs until they are activated again. Raises NotFound.
    """

    def change(tx: Transaction) -> int:
        known = _known(tx, name)
        gone = [
            one for one in known
            if (not channel or one.channel == code_of(channel)) and (not language or one.language == language)
        ]  # fmt: skip
        if not gone:
            raise NotFound(
                worded(
                    "Template %(name)r has no such text: `kaskad template show %(name)s` tells them.",
                    name=name,
                )
            )
        for one in gone:
            store.drop(tx, one)
        _keep_fallbacks(tx, name)
        return len(gone)

    return office.write(change)


class Asked(Struct, frozen=True):
    """Whose message is to be made of what; `keys` are those that a call offers."""

    contact_id: int
    work: Work
    keys: Mapping[str, str] = {}
    stand_ins: tuple[str, ...] = ()  # properties of the event that were made up


class Which(Struct, frozen=True):
    """Which step's words are asked for, and for whom.

    A draft has the templates as they are now, whatever is wrong elsewhere in it.
    """

    step: str
    who: str
    version: str = ""  # `current`, `draft`, a number; "": what is newest
    channel: str = ""  # "": the step's first
    variant: str = ""
    trigger: Mapping[str, Any] = {}
    text: str = ""  # a definition that nobody has saved, in place of a version
    complete: bool = False  # makes up what only an event would tell


def preview(
    office: Office, name: str, channel: str, who: str, *, language: str = "",
    trigger: Mapping[str, Any] | None = None,
) -> Preview:  # fmt: skip
    """Return a template filled for a contact, in the contact's language or in the one that is asked for.

    Raises NotFound, and Invalid with every variable that is missing.
    """
    with office.read() as tx:
        asked = of_template(office, tx, name, channel, who, language, trigger or {})
    return _looked(office, asked)


def of_template(
    office: Office, tx: Transaction, name: str, channel: str, who: str, language: str,
    trigger: Mapping[str, Any],
) -> Asked:  # fmt: skip
    """Return what fills a template for a contact; raises NotFound."""
    where, book, zone = book_of(tx, name, channel)
    contact_id = find_contact(tx, who)
    person = person_of(tx, contact_id)
    return Asked(contact_id, Work(
        Content(template=name), where, name, person, zone, office.now(), office.base_url,
        link_url_of(office, name), trigger, book.all, primary(language or person.language),
    ))  # fmt: skip


def first_step(office: Office, slug: str) -> str:
    """Return which step of a cascade's draft, else of what runs, is the first; "": it has none."""
    with office.read() as tx:
        return sketch.first_step(source_of(tx, slug)[0])


def preview_step(office: Office, slug: str, which: Which) -> Preview:
    """Return what a step would say to a contact; raises NotFound, Invalid."""
    with office.read() as tx:
        asked = of_step(office, tx, slug, which)
    return _looked(office, asked)


def of_step(office: Office, tx: Transaction, slug: str, which: Which) -> Asked:
    """Return what fills a step for a contact; raises NotFound, Invalid."""
    step, trigger = which.step, which.trigger
    text, version_id = (which.text, None) if which.text else source_of(tx, slug, which.version)
    cascade = to_cascade(text, name=slug) if version_id is not None else sketch.readable(text, slug, step)
    found = _step(cascade, slug, step)
    chosen, where = _variant(found.variants, which.variant), _channel(found, which.channel)
    texts = gather(tx, cascade) if version_id is None else store.frozen(tx, version_id)
    contact_id = find_contact(tx, which.who)
    person = person_of(tx, contact_id)
    made_up: tuple[str, ...] = ()
    if which.complete:
        trigger, made_up = completed(
            trigger, _names(found.content, where, chosen, step, texts), found.content.calendar, office.now()
        )
    work = Work(
        found.content, where, step, person, zone_of(tx), office.now(), office.base_url,
        office.engine.world.link_url(cascade.brand), trigger, tuple(texts), primary(person.language), chosen,
        utm_of(_policy(tx), cascade, found), slug, cascade.message_class,
        found.account, cascade.topic, cascade.brand,
    )  # fmt: skip
    return Asked(contact_id, work, found.keys, made_up)


def _step(cascade: Cascade, slug: str, step: str) -> Step:
    found = next((one for one in cascade.steps if one.id == step), None)
    if found is None:
        known = ", ".join(one.id for one in cascade.steps)
        raise NotFound(worded("%(slug)s has no step %(step)r: %(known)s.", slug=slug, step=step, known=known))
    return found


def _channel(step: Step, named: str) -> Channel:
    """Return the channel that is named, else the step's first."""
    where, known = _CHANNELS[named] if named else step.channels[0], ", ".join(step.channels)
    if where not in step.channels:
        says = worded(
            "Step %(step)r does not use %(where)s: %(known)s.", step=step.id, where=where, known=known
        )
        raise Invalid([says])
    return where


def _names(
    content: Content, channel: Channel, variant: Variant | None, step: str, texts: Sequence[Wording]
) -> list[str]:  # fmt: skip
    """Return what a content asks for; raises Invalid."""
    try:
        made = compile_content(content, channel, variant, name=step, texts=TextBook(texts))
    except BadTemplate as bad:
        raise bad.refusal() from None
    return sorted(made.variables)


def _looked(office: Office, asked: Asked) -> Preview:
    """Return the frame of words that a process of their own has made."""
    filled = office.renderers.call(fill, asked.work)
    with office.read() as tx:
        shown = frame(office, tx, asked.contact_id, asked.work, filled)
    return msgspec.structs.replace(shown, stand_ins=asked.stand_ins)


def book_of(tx: Transaction, name: str, channel: str = "") -> tuple[Channel, TextBook, str]:
    """Return a template in all languages on a channel, else its first, and the zone; raises NotFound."""
    known = [one for one in _known(tx, name) if not channel or one.channel == code_of(channel)]
    sent = [one for one in known if one.channel != PART]
    if not sent:
        raise NotFound(
            worded(
                "There is no template %(name)r for %(channel)s to look at.",
                name=name,
                channel=channel or worded("any channel"),
            )
        )
    made = [_made(tx, one) for one in sent if one.channel == sent[0].channel]
    return Channel.of(sent[0].channel), TextBook(made), zone_of(tx)


def people_of(tx: Transaction, ids: Sequence[int]) -> dict[int, Person]:
    """Return contacts as texts see them, without those that are erased."""
    return {
        row[0]: Person(row[1], row[2] or "", row[3] or "", bool(row[4]), _decode(row[5]))
        for row in tx.among("look_contacts", ids)
    }


def person_of(tx: Transaction, contact_id: int) -> Person:
    """Return a contact as texts see it; raises NotFound."""
    found = people_of(tx, [contact_id])
    if not found:
        raise NotFound(worded("Contact %(contact_id)s has been erased.", contact_id=contact_id))
    return found[contact_id]


def _variant(variants: tuple[Variant, ...], wanted: str) -> Variant | None:
    if not variants and wanted:
        raise NotFound(worded("There is no variant %(wanted)r: this step has none.", wanted=wanted))
    if not variants:
        return None
    found = next((one for one in variants if one.id == wanted or not wanted), None)
    if found is None:
        raise NotFound(
            worded(
                "There is no variant %(wanted)r: %(known)s.",
                wanted=wanted,
                known=", ".join(one.id for one in variants),
            )
        )
    return found


def made_of(kept: Kept, texts: Sequence[Kept]) -> Wording:
    """Return a text as a version would freeze it with the parts among `texts`; raises Invalid."""
    try:
        made = wording(kept, parts_of(texts, kept.language))
    except BadTemplate as bad:
        raise bad.refusal() from None
    channel = Channel.of(kept.channel)
    names = compile_content(made.content, channel, name=kept.name).variables  # without `files`
    unknown = [name for name in sorted(names) if re.split(r"[.\[]", name, maxsplit=1)[0] not in ROOTS]
    if unknown:
        told = ", ".join(f"`{name[:40]}`" for name in unknown)
        first = re.split(r"[.\[]", unknown[0], maxsplit=1)[0]
        raise Invalid(
            [
                worded(
                    "%(told)s is not known in texts: write `contact.%(first)s` or `trigger.%(first)s`.",
                    told=told,
                    first=first,
                )
            ]
        )
    return made


def _made(tx: Transaction, kept: Kept) -> Wording:
    return made_of(kept, store.all_parts(tx))


def _text(tx: Transaction, kept: Kept) -> Text:
    return text_of(kept, store.all_parts(tx))


def text_of(kept: Kept, texts: Sequence[Kept]) -> Text:
    """Return a text with what it asks for and what is said against it, with the parts among `texts`."""
    channel = Channel.of(kept.channel).value if kept.channel else PART_WORD
    text = Text(kept.name, channel, kept.language, kept.fallback, kept.content, kept.saved_at)
    if kept.channel == PART:
        return text
    try:
        made = made_of(kept, texts)
    except Invalid as invalid:  # a part was changed, or has gone
        return msgspec.structs.replace(text, warnings=invalid.worded)
    variables = compile_content(made.content, Channel.of(kept.channel), name=kept.name).variables
    warnings = heavy(len(made.content.html.encode())) + faulty(kept.content.html or kept.content.mjml)
    return msgspec.structs.replace(text, variables=tuple(sorted(variables)), warnings=tuple(warnings))


def _known(tx: Transaction, name: str) -> list[Kept]:
    known = store.of_name(tx, name)
    if not known:
        raise NotFound(worded("There is no template %(name)r: `kaskad template list` shows them.", name=name))
    return known


def _keep_fallbacks(tx: Transaction, name: str) -> None:
    """Let the first language of each channel serve all others, where the one that did has gone."""
    rest = [one for one in store.of_name(tx, name) if one.channel != PART]
    for channel in {one.channel for one in rest}:
        own = [one for one in rest if one.channel == channel]
        if not any(one.fallback for one in own):
            store.put(tx, msgspec.structs.replace(own[0], fallback=True))


def _check_part(content: Content, fallback: bool) -> None:
    if not content.text or content != Content(text=content.text):
        raise Invalid(
            [worded("A part has `text` and nothing else: MJML, HTML or plain words, as where it stands.")]
        )
    if fallback:
        raise Invalid([worded("A part has no `fallback`: one without a language serves all.")])


def code_of(channel: str) -> int:
    """Return how a channel, or a part, is kept."""
    return PART if channel == PART_WORD else _CHANNELS[channel].code


def _policy(tx: Transaction) -> Policy:
    return settings.get(tx, POLICY, Policy) or Policy()


def zone_of(tx: Transaction) -> str:
    """Return the zone of whoever has none."""
    return _policy(tx).zone
