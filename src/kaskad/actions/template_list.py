"""Templates at a glance: by name, with each text's state, what uses them and what they are built on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.actions.templates import PART_WORD, text_of, word_of
from kaskad.domain.definition import load
from kaskad.domain.errors import NotFound
from kaskad.domain.template.parts import named_in
from kaskad.domain.worded import worded
from kaskad.store import cascades as cascade_store
from kaskad.store import templates as store
from kaskad.store.db import Transaction
from kaskad.store.templates import PART, Kept


class Version(Struct, frozen=True):
    """One text of a template: in a language on a channel. `wrong` is what is said against it."""

    channel: str
    language: str
    fallback: bool
    saved_at: int
    wrong: tuple[str, ...] = ()


class Entry(Struct, frozen=True):
    """A template or a part with all its texts. `cascades` use it in steps, `within` these it stands."""

    name: str
    is_part: bool
    versions: tuple[Version, ...]
    cascades: Mapping[str, tuple[str, ...]] = {}
    parts: tuple[str, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def saved_at(self) -> int:
        """Return when it was last changed."""
        return max(each.saved_at for each in self.versions)


def page(office: Office, *, parts: bool, after: str, limit: int) -> list[Entry]:
    """Return templates, or parts, whose names come after one, by name."""
    with office.read() as tx:
        return _entries(tx, store.names(tx, is_part=parts, after=after, limit=limit), is_part=parts)


def names(office: Office, *, limit: int) -> list[tuple[str, bool]]:
    """Return the names of templates and of parts, with whether it is one."""
    with office.read() as tx:
        return [
            (name, is_part)
            for is_part in (False, True)
            for name in store.names(tx, is_part=is_part, after="", limit=limit)
        ]


def show(office: Office, name: str, *, part: bool) -> Entry:
    """Return one of them; raises NotFound."""
    with office.read() as tx:
        found = _entries(tx, [name], is_part=part)
    if not found:
        raise NotFound(worded("There is no template %(name)r: `kaskad template list` shows them.", name=name))
    return found[0]


def _entries(tx: Transaction, names: Sequence[str], *, is_part: bool) -> list[Entry]:
    """Return what is told of some templates, or parts; only what that takes is read."""
    by_name: dict[str, list[Kept]] = {}
    for one in store.among(tx, names):
        if (one.channel == PART) == is_part:
            by_name.setdefault(one.name, []).append(one)
    if not by_name:
        return []
    parts = tuple(store.all_parts(tx))
    used = {} if is_part else _uses(tx)
    within: dict[str, set[str]] = {}
    for one in store.with_parts(tx) if is_part else ():
        for part in _parts(one):
            within.setdefault(part, set()).add(one.name)
    return [
        Entry(
            name, is_part, tuple(_version(one, parts) for one in own), used.get(name, {}),
            tuple(sorted({part for one in own for part in _parts(one)})),
            tuple(sorted(within.get(name, ()))),
        )
        for name in names if (own := by_name.get(name))
    ]  # fmt: skip


def _version(one: Kept, parts: tuple[Kept, ...]) -> Version:
    channel = PART_WORD if one.channel == PART else word_of(one.channel)
    return Version(channel, one.language, one.fallback, one.saved_at, _wrong(one, parts))


@lru_cache(maxsize=2_000)
def _wrong(one: Kept, parts: tuple[Kept, ...]) -> tuple[str, ...]:
    """Return what is said against a text with these parts: to make its HTML takes long, and few change."""
    return text_of(one, [one, *parts]).warnings


def _parts(one: Kept) -> set[str]:
    content = one.content
    sources = (content.mjml, content.html, content.text, content.subject, content.say, content.script)
    return {name for source in sources for name in named_in(source)}


def _uses(tx: Transaction) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return by template the cascades that name it, with the steps that do."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in cascade_store.all_cascades(tx):
        if row.state == cascade_store.STOPPED:
            continue
        draft = cascade_store.draft(tx, row.id)
        texts = [version.source for version in cascade_store.versions_of(tx, row.id)[-1:]]
        for text in texts + ([draft.source] if draft else []):
            for name, steps in _named(text, row.slug).items():
                known = found.setdefault(name, {})
                known[row.slug] = tuple(dict.fromkeys([*known.get(row.slug, ()), *steps]))
    return found


@lru_cache(maxsize=500)
def _named(text: str, slug: str) -> Mapping[str, Sequence[str]]:
    """Return the templates that a definition names, with the steps that do."""
    cascade = load(text, name=slug).cascade
    found: dict[str, list[str]] = {}
    for step in cascade.steps if cascade else ():
        for content in [step.content, *(one.content for one in step.variants)]:
            if content.template:
                found.setdefault(content.template, []).append(step.id)
    return found
