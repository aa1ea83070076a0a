"""What a message would look like to one contact: all that a frame around a letter, a chat or a phone shows.

The words are made by `fill`, in a process of its own (`rendering.py`): nobody may have checked a draft yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from math import ceil
from typing import Any

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain import sms
from kaskad.domain.cascade import Approved, Calendar, Content, Utm, Variant
from kaskad.domain.channels import wants_short
from kaskad.domain.content import (
    PREFERENCES,
    UNSUBSCRIBE,
    CompiledContent,
    LinkMaker,
    Rendered,
    TextBook,
    Wording,
    compile_content,
    primary,
)  # fmt: skip
from kaskad.domain.enclosing import FILES, Appointment
from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.letter import faults
from kaskad.domain.mjml import MAX_SHOWN
from kaskad.domain.money import DIGITS
from kaskad.domain.speech import seconds, too_long
from kaskad.domain.template import BadTemplate, RenderError
from kaskad.domain.template.filters import HERE, NOWHERE, Here
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.tokens import Signer
from kaskad.domain.utm import compile_utm
from kaskad.domain.worded import worded
from kaskad.engine.look import Person
from kaskad.engine.pricing import Tariff, category_of
from kaskad.providers.base import Account
from kaskad.providers.senders import sender_for
from kaskad.store import files
from kaskad.store.db import Transaction

SAMPLE_URL = "https://example.org/"  # what stands for an address that only the event would tell
STAND_IN = "0000000000"  # for a property that only the event would tell; so long are most of them
LIKELY = 100_000  # an id as long as most are, where the length of a token is asked for
PREHEADER = 120  # characters that programs show beside the subject, at most
_HIDDEN = re.compile(r"<(div|span|p)\b[^>]*display:\s*none[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_STAND_IN = Signer([(1, b"only for the length")])


class Work(Struct, frozen=True):
    """A content and for whom; what `fill` needs, and no more."""

    content: Content
    channel: Channel
    name: str
    person: Person
    zone: str
    now: int
    base_url: str
    link_url: str
    trigger: Mapping[str, Any] = {}
    texts: tuple[Wording, ...] = ()
    language: str = ""
    variant: Variant | None = None
    utm: Utm | None = None
    cascade: str = ""
    message_class: MessageClass = MessageClass.SERVICE
    account: str = ""  # "": the first of the channel
    topic: str = ""
    brand: str = ""
    by_name: bool = False  # the approved text is wanted, where there is one
    leaves: str = f"{SAMPLE_URL}leave"  # where the link to unsubscribe leads
    files: Mapping[str, str] = {}  # by name, where links to files lead; else to an example


class Filled(Struct, frozen=True):
    """The words with plain links; `sent`: the text of an SMS with links as long as they would be."""

    words: Rendered
    language: str
    sent: str
    attached: tuple[tuple[str, str], ...] = ()  # files by their names here, and what people see
    embedded: tuple[str, ...] = ()  # pictures in the letter
    appointment: Appointment | None = None


class Attached(Struct, frozen=True):
    """A file that goes with the message; `size` in bytes."""

    name: str
    kind: str
    size: int


class Preview(Struct, frozen=True):
    """What a contact would get, with plain links in place of tracked ones.

    `parts` are those of what would be sent, with its tracked links; `price` in minor units, -1: none is told.
    """

    channel: str
    language: str
    words: Rendered
    parts: int = 0  # of an SMS
    encoding: str = ""
    account: str = ""  # which would send it
    sender: str = ""  # whom people see
    to: str = ""  # the contact's address, "" where there is none
    preheader: str = ""  # what stands beside a letter's subject
    spoken_s: int = 0  # about how long a robot takes to say it
    price: int = -1
    currency: str = ""
    price_each: str = ""  # on average, in whole units: of those priced by the thousand less than a coin
    attachments: tuple[Attached, ...] = ()
    appointment: Appointment | None = None
    warnings: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()  # properties of the event that were made up


def fill(work: Work) -> Filled:
    """Return the words of a content for one contact; raises Invalid."""
    variant = work.variant.id if work.variant else ""
    try:
        compiled = compile_content(
            work.content, work.channel, work.variant, name=work.name, texts=TextBook(work.texts),
            language=work.language,
            utm=compile_utm(
                work.utm, "cascade", cascade=work.cascade, step=work.name, channel=work.channel.value,
                variant=variant,
            ),
        )  # fmt: skip
        scope = scope_for(compiled, work.person, work.zone, work.trigger)
        scope |= {UNSUBSCRIBE: work.leaves, PREFERENCES: work.leaves}
        if FILES in scope:
            scope[FILES] |= work.files
        plain = LinkMaker(_STAND_IN, "", 0, 0, 0, 0, pixel=False)
        words = compiled.render(scope, plain, by_name=work.by_name or compiled.only_approved)
        sent = words.text
        if work.channel is Channel.SMS:
            sent = compiled.render(scope, links_as_long(work.channel, work.base_url, work.link_url)).text
        attached: tuple[tuple[str, str], ...] = ()
        embedded: tuple[str, ...] = ()
        appointment = None
        if compiled.encloses is not None:
            wanted = compiled.encloses.files(scope, work.now)
            attached, embedded = wanted.attached, wanted.embedded
            appointment = compiled.encloses.appointment(scope, work.person.zone or work.zone)
    except BadTemplate as bad:
        raise bad.refusal() from None
    except RenderError as problem:
        raise Invalid([str(problem)]) from None
    language = compiled.language or primary(work.person.language)
    return Filled(words, language, sent, attached, embedded, appointment)


def frame(
    office: Office, tx: Transaction, contact_id: int, work: Work, filled: Filled, to: str = ""
) -> Preview:
    """Return what a frame shows around the words; `to` "" is the contact's own address."""
    words, channel = filled.words, work.channel
    warnings: list[str] = []
    account = account_of(office, channel, work.account)
    if account is None:
        warnings.append(
            worded("No account sends by %(channel)s: `kaskad account add` makes one.", channel=channel.value)
        )
    place = ADDRESS_CHANNEL.get(channel.code, channel.code)
    known = [str(row[2]) for row in tx.among("look_addresses", [contact_id]) if row[1] == place]
    to = to or (known[-1] if known else "")  # the best comes last
    if not to:
        warnings.append(worded("The contact has no address on %(channel)s.", channel=channel.value))
    sender = ""
    if account is not None:
        sender = account["caller"]
        try:
            sender = sender or sender_for(account, to)
        except SendError as error:
            warnings.append(f"{error}.")
    is_sms = channel is Channel.SMS
    parts = sms.parts(filled.sent) if is_sms else 0
    price, currency, each = _price(office, account, to, work.message_class, parts or 1, words.approved)
    if words.html:
        warnings += heavy(len(words.html.encode())) + faulty(words.html)
    if words.say and (told := too_long(words.say)):
        warnings.append(f"{told[0].upper()}{told[1:]}.")
    attachments = []
    for name, shown in filled.attached:
        kept = files.find(tx, name)
        if kept is None:
            warnings.append(worded("There is no file %(name)r: save it by `kaskad file put`.", name=name))
        else:
            attachments.append(Attached(" ".join(shown.split()) or kept.title, kept.kind, kept.size))
    return Preview(
        channel.value, filled.language, words, parts, sms.encoding(filled.sent).value if is_sms else "",
        account.name if account else "", sender, to, _preheader(words), seconds(words.say), price, currency,
        each,
        tuple(attachments),
        filled.appointment, tuple(warnings),
    )  # fmt: skip


def heavy(size: int) -> list[str]:
    """Return what is wrong with a letter of so many bytes."""
    if size <= MAX_SHOWN:
        return []
    return [
        worded(
            "It is %(size)s kB of HTML: Gmail cuts a letter off behind 100 kB, and with it the way to leave.",
            size=size // 1000,
        )
    ]


def faulty(html: str) -> list[str]:
    """Return what is wrong with a letter's HTML, each as one sentence."""
    return [
        worded("%(message)s: %(remedy)s.", message=one.message, remedy=one.remedy) for one in faults(html)
    ]


def scope_for(
    compiled: CompiledContent, person: Person, zone: str, trigger: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """Return what a text may look at where there is no run."""
    here = Here(compiled.language or person.language or NOWHERE.language, person.zone or zone)
    linked = compiled.encloses.linked if compiled.encloses else ()
    return {
        "contact": person.attributes, "trigger": trigger, "run": {"id": 0, "entered_at": 0}, "steps": {},
        "opt_in": lambda channel: f"{SAMPLE_URL}{channel}", UNSUBSCRIBE: f"{SAMPLE_URL}leave",
        PREFERENCES: f"{SAMPLE_URL}choose", HERE: here,
        **({FILES: {name: f"{SAMPLE_URL}{name}" for name in linked}} if linked else {}),
    }  # fmt: skip


def completed(
    given: Mapping[str, Any], names: Sequence[str], appointment: Calendar | None = None, now: int = 0
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the event's properties with a stand-in for each that a text reads and nobody gave.

    An appointment is made up to begin a day after `now`.
    """
    trigger, made_up = dict(given), []
    moments = (appointment.starts, appointment.ends) if appointment else ()
    for hours, name in enumerate(moments, 24):
        root, _, path = name.partition(".")
        if root == "trigger" and path and "." not in path and path not in trigger:
            at = datetime.fromtimestamp(now // 1000, UTC) + timedelta(hours=hours)
            trigger[path] = at.isoformat()
            made_up.append(name)
    for name in names:
        root, _, path = name.partition(".")
        if root == "trigger" and path and "." not in path and "[" not in path and path not in trigger:
            trigger[path] = f"https://example.org/{STAND_IN}" if "url" in path else STAND_IN
            made_up.append(name)
    return trigger, tuple(made_up)


def links_as_long(channel: Channel, base_url: str, link_url: str) -> LinkMaker:
    """Return what gives links as long as a message's are: what a text costs depends on them."""
    short = link_url if wants_short(channel) else ""
    return LinkMaker(_STAND_IN, base_url, LIKELY, LIKELY, 0, 0, short_url=short)


def link_url_of(office: Office, template: str) -> str:
    """Return under what short links of a template stand, as the cascades that use it have them.

    Of those of several brands the longest: it costs most. A template that none uses has those of no brand.
    """
    world = office.engine.world
    current = (world.versions.get(cascade.version_id or 0) for cascade in world.cascades.values())
    brands = {
        version.cascade.brand
        for version in current
        if version is not None and any(text.name == template for text in version.texts.all)
    }
    return max((world.link_url(brand) for brand in sorted(brands)), key=len, default=world.link_url(""))


def account_of(office: Office, channel: Channel, name: str) -> Account | None:
    """Return the account of that name that sends on a channel, for "" the first one; None: there is none."""
    accounts = office.engine.world.accounts.by_channel.get(channel.code, [])
    return next((one for one in accounts if name in ("", one.name)), None)


def _price(
    office: Office, account: Account | None, to: str, message_class: MessageClass, parts: int,
    approved: Approved | None,
) -> tuple[int, str, str]:  # fmt: skip
    """Return what the message costs in minor units, a part of one counted as whole, -1 where nothing tells
    it; the currency; and what such messages cost each on average, in whole units of it."""
    if account is None:
        return -1, "", ""
    tariff = Tariff(account, office.engine.world.money.price_lists.get(account.id))
    category = category_of(office.engine.world.accounts.approved.get(account.id, {}), approved)
    mean = tariff.mean(to, message_class, category, parts, office.now())
    if mean is None:
        return -1, "", ""
    each = Decimal(str(mean)).scaleb(-DIGITS.get(tariff.currency, 2))
    return ceil(mean), tariff.currency, f"{each:f}"


def _preheader(words: Rendered) -> str:
    """Return what programs show beside the subject: hidden words of a letter, else its first ones."""
    if not words.html:
        return ""
    hidden = _HIDDEN.search(words.html)
    text = unescape(_TAG.sub(" ", hidden[2])) if hidden else words.text
    return " ".join(text.split())[:PREHEADER]
