"""A template held against real contacts before it is sent: who lacks what, and how long an SMS becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from msgspec import Struct

from kaskad.actions.frames import completed, link_url_of, links_as_long, scope_for
from kaskad.actions.office import Office
from kaskad.actions.templates import book_of, people_of
from kaskad.domain import sms
from kaskad.domain.cascade import Content, Variant
from kaskad.domain.content import CompiledContent, TextBook, compile_content, primary
from kaskad.domain.paths import look_up
from kaskad.domain.template import MissingVariable, RenderError
from kaskad.domain.terms import Channel, MessageClass
from kaskad.engine.look import Person
from kaskad.engine.pricing import FREE_TEXT, Tariff
from kaskad.store import cascades as cascade_store
from kaskad.store.db import Transaction

EXAMPLES = 5
PIECE = 1_000


class Lack(Struct, frozen=True):
    """A variable that contacts do not have; `stopped` of them would get no message for it."""

    variable: str
    lacking: int
    stopped: int
    examples: tuple[int, ...]  # contact ids


class Longest(Struct, frozen=True):
    """The longest SMS, and whose it is."""

    contact_id: int
    parts: int
    units: int
    encoding: str


class Findings(Struct, frozen=True):
    """What became of a template with each contact. `price` is in minor units; -1: no account tells one."""

    contacts: int
    written: int
    lacks: tuple[Lack, ...]
    stand_ins: tuple[str, ...]  # properties of the event that were made up
    problems: tuple[tuple[str, int], ...]  # other reasons why there is no message, with their numbers
    languages: Mapping[str, int]
    parts: Mapping[int, int]  # of an SMS: how many contacts get so many
    longest: Longest | None
    price: int
    currency: str


def check(
    office: Office, name: str, channel: str = "", *, contacts: int = 1_000, listed: str = "",
    trigger: Mapping[str, Any] | None = None, message_class: MessageClass = MessageClass.SERVICE,
    book: tuple[Channel, TextBook, str] | None = None,
) -> Findings:  # fmt: skip
    """Return what a template would be for the first contacts there are, or those of a list.

    `book`: its texts with channel and zone, where they are not those that are saved.

    Only those count who have an address on the channel. Raises NotFound, Invalid.
    """
    with office.read() as tx:
        where, texts, zone = book or book_of(tx, name, channel)
        compiled = by_language(Content(template=name), where, name, texts)
        check = Check(
            office, compiled, where, zone, trigger or {}, message_class, link_url_of(office, name)
        )  # fmt: skip
        list_id = cascade_store.list_id(tx, listed) if listed else None
        after, left = 0, contacts
        while left > 0:
            ids = ids_after(tx, list_id, after, min(left, PIECE))
            if not ids:
                break
            check.take(tx, ids)
            after, left = ids[-1], left - len(ids)
    return check.findings()


def by_language(
    content: Content, channel: Channel, name: str, book: TextBook, variant: Variant | None = None
) -> dict[str, CompiledContent]:
    """Return a content compiled in each language that it has, "" for whoever reads none of them."""
    named = (variant.content.template if variant else "") or content.template
    languages = book.languages(named, channel.code) if named else ()
    return {
        language: compile_content(content, channel, variant, name=name, texts=book, language=language)
        for language in (*languages, "")
    }


def ids_after(tx: Transaction, list_id: int | None, after: int, limit: int) -> list[int]:
    """Return contacts of a list, or of all there are, in the order of their ids."""
    if list_id is not None:
        return cascade_store.members(tx, list_id, after=after, limit=limit)
    return [row[0] for row in tx.all("contacts_after", after=after, limit=limit)]


class Check:
    """One content held against contacts, piece by piece."""

    def __init__(
        self, office: Office, compiled: Mapping[str, CompiledContent], channel: Channel, zone: str,
        trigger: Mapping[str, Any], message_class: MessageClass, link_url: str, account: str = "",
    ) -> None:  # fmt: skip
        self._office, self._channel, self._zone, self._class = office, channel, zone, message_class
        self._by_language = compiled
        self._links = links_as_long(channel, office.base_url, link_url)
        self._fallback = compiled[""]
        names = frozenset[str]().union(*(one.variables for one in self._by_language.values()))
        self._trigger, self._made_up = completed(trigger, sorted(names))
        accounts = office.engine.world.accounts.by_channel.get(channel.code, [])
        self._account = next((one for one in accounts if account in ("", one.name)), None)
        self._tariff = None
        if self._account is not None:
            self._tariff = Tariff(self._account, office.engine.world.money.price_lists.get(self._account.id))
        self._people = self._written = 0
        self._price = 0.0
        self._lacking: Counter[str] = Counter()
        self._stopped: Counter[str] = Counter()
        self._examples: dict[str, list[int]] = {}
        self._problems: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._parts: Counter[int] = Counter()
        self._longest: Longest | None = None

    def take(self, tx: Transaction, ids: Sequence[int]) -> None:
        """Fill the template for these contacts."""
        addresses = {
            row[0]: row[2] for row in tx.among("look_addresses", ids) if row[1] == self._channel.code
        }
        for contact_id, person in people_of(tx, ids).items():
            if contact_id in addresses:
                self._fill(contact_id, person, addresses[contact_id])

    def _fill(self, contact_id: int, person: Person, to: str) -> None:
        self._people += 1
        compiled = self._by_language.get(primary(person.language), self._fallback)
        self._languages[compiled.language] += 1
        self._note_lacks(compiled, contact_id, person)
        scope = scope_for(compiled, person, self._zone, self._trigger)
        try:
            text = compiled.render(scope, self._links).text
        except MissingVariable as missing:
            self._stopped.update(missing.names)
            return
        except RenderError as problem:
            self._problems[str(problem)[:200]] += 1
            return
        self._written += 1
        self._measure(contact_id, text, to)

    def _note_lacks(self, compiled: CompiledContent, contact_id: int, person: Person) -> None:
        for name in compiled.variables:
            if name.startswith("contact.") and look_up(name, {"contact": person.attributes}) in (None, ""):
                self._lacking[name] += 1
                examples = self._examples.setdefault(name, [])
                if len(examples) < EXAMPLES:
                    examples.append(contact_id)

    def _measure(self, contact_id: int, text: str, to: str) -> None:
        count = 1
        if self._channel is Channel.SMS:
            count, units = sms.parts(text), sms.units(text)
            self._parts[count] += 1
            if self._longest is None or (count, units) > (self._longest.parts, self._longest.units):
                self._longest = Longest(contact_id, count, units, sms.encoding(text).value)
        if self._tariff is not None:
            now = self._office.now()
            self._price += self._tariff.mean(to, self._class, FREE_TEXT, count, now) or 0.0

    def findings(self) -> Findings:
        currency = self._tariff.currency if self._tariff is not None else ""
        lacks = [
            Lack(name, number, self._stopped[name], tuple(self._examples[name]))
            for name, number in self._lacking.most_common()
        ]
        lacks += [
            Lack(name, number, number, ()) for name, number in self._stopped.items()
            if name not in self._lacking
        ]  # fmt: skip
        return Findings(
            self._people, self._written, tuple(lacks), self._made_up, tuple(self._problems.most_common(10)),
            dict(self._languages), dict(sorted(self._parts.items())), self._longest,
            ceil(self._price) if currency else -1, currency,
        )  # fmt: skip
