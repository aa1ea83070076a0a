"""What goes with a mail besides its words: files where a condition holds, pictures in it, an appointment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kaskad.domain.cascade import Calendar, Content, Span
from kaskad.domain.condition import Condition, ConditionError, Event, Kept, Segment, parse, walk
from kaskad.domain.hours import add
from kaskad.domain.paths import instant_at
from kaskad.domain.template import BadTemplate, RenderError, Template, compile_text
from kaskad.domain.worded import worded

FILES = "files"  # the root under which texts find links to files: {{ files.price-list }}
MAX_WHOLE = 10_000_000  # bytes of all files of a mail: what most mail servers take once it is encoded
HOUR_MS = 3_600_000

FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_EMBEDDED = re.compile(r"""["'(\s]cid:([a-z0-9][a-z0-9_-]{0,63})["')\s]""")
_LINKED = re.compile(rf"^{FILES}[.\[]\W*([a-z0-9][a-z0-9_-]*)")


class Appointment(Struct, frozen=True):
    """An appointment as it stands for one person; times in milliseconds."""

    uid: str  # "": of the run alone
    starts_at: int
    ends_at: int
    title: str
    place: str
    about: str
    cancel: bool


class Wanted(Struct, frozen=True):
    """The files that go with one message: each by its name in the store, with what it is called there."""

    attached: tuple[tuple[str, str], ...]
    embedded: tuple[str, ...]


class Enclosing(Struct, frozen=True):
    """What a content encloses, compiled."""

    attached: tuple[tuple[str, Template | None, Condition | None], ...]
    embedded: tuple[str, ...]
    linked: tuple[str, ...]
    calendar: _CompiledCalendar | None

    @property
    def parts(self) -> list[Template]:
        """Return its templates."""
        names = [name for _, name, _ in self.attached if name is not None]
        return names + (self.calendar.parts if self.calendar else [])

    @property
    def names(self) -> set[str]:
        """Return all files that it may need."""
        return {*(file for file, _, _ in self.attached), *self.embedded, *self.linked}

    @property
    def is_empty(self) -> bool:
        return not (self.attached or self.embedded or self.linked or self.calendar)

    @property
    def encloses(self) -> bool:
        """Say whether the provider must be able to carry more than words."""
        return bool(self.attached or self.embedded or self.calendar)

    def files(self, scope: Mapping[str, Any], now: int) -> Wanted:
        """Return the files for one person; raises RenderError."""
        attached = tuple(
            (file, name.render(scope) if name else "")
            for file, name, condition in self.attached
            if condition is None or condition.test(scope, now).value
        )
        return Wanted(attached, self.embedded)

    def appointment(self, scope: Mapping[str, Any], zone: str) -> Appointment | None:
        """Return the appointment for one person, None where there is none; raises RenderError."""
        return self.calendar.render(scope, zone) if self.calendar else None


class _CompiledCalendar(Struct, frozen=True):
    told: Calendar
    title: Template
    place: Template
    about: Template
    uid: Template

    @property
    def parts(self) -> list[Template]:
        return [self.title, self.place, self.about, self.uid]

    def render(self, scope: Mapping[str, Any], zone: str) -> Appointment:
        told = self.told
        starts_at = _instant(told.starts, scope)
        if told.ends:
            ends_at = _instant(told.ends, scope)
        else:
            ends_at = add(starts_at, told.lasts or Span(ms=HOUR_MS), zone)
        if ends_at <= starts_at:
            raise RenderError(
                worded("the appointment ends before it begins: look at %(ends)s", ends=told.ends or "lasts")
            )
        texts = [" ".join(one.render(scope).split()) for one in (self.title, self.place, self.uid)]
        title, place, uid = texts
        about = self.about.render(scope).strip()
        return Appointment(uid, starts_at, ends_at, title, place, about, told.cancel)


def compile_enclosing(
    content: Content, html: Template | None, source: str, variables: frozenset[str], name: str
) -> Enclosing | None:
    """Return what a mail encloses, None where that is nothing; raises BadTemplate.

    `source` is the letter's HTML, `variables` what its texts read.
    """
    attached = []
    for one in content.attach:
        shown = compile_text(one.name, name=f"{name}.attach") if one.name else None
        attached.append((one.file, shown, _condition(one.condition, name)))
    embedded = tuple(dict.fromkeys(_EMBEDDED.findall(source))) if html else ()
    linked = tuple(sorted({found[1] for one in variables if (found := _LINKED.match(one))}))
    calendar = _calendar(content.calendar, name) if content.calendar else None
    made = Enclosing(tuple(attached), embedded, linked, calendar)
    return None if made.is_empty else made


def _condition(text: str, name: str) -> Condition | None:
    if not text:
        return None
    try:
        condition = parse(text)
    except ConditionError as error:
        raise BadTemplate(f"{name}.attach", 1, error.message, error.remedy) from None
    if any(isinstance(node, Segment | Event | Kept) for node in walk(condition.tree)):
        what = worded("`%(text)s` asks for more than contact, trigger, run and steps", text=text[:60])
        raise BadTemplate(f"{name}.attach", 1, what, worded("put such a condition into the step's own `if`"))
    return condition


def _calendar(told: Calendar, name: str) -> _CompiledCalendar:
    texts = (("title", told.title), ("place", told.place), ("about", told.about), ("uid", told.uid))
    made = [compile_text(text, name=f"{name}.calendar.{place}") for place, text in texts]
    return _CompiledCalendar(told, *made)


def _instant(path: str, scope: Mapping[str, Any]) -> int:
    at = instant_at(path, scope.get("trigger") or {}, scope.get("contact") or {})
    if at is None:
        raise RenderError(
            worded("the appointment has no instant at %(path)s: write one as 2026-06-04T08:00:00Z", path=path)
        )
    return at
