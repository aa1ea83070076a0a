"""What goes with a text besides its words: files by rule, an appointment, pictures; as fields of a form."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from kaskad.domain.cascade import Attached, Calendar, Content
from kaskad.domain.span import format_span, parse_span
from kaskad.web.pages.i18n import N_

FILES = 10  # that go with one mail, at most
PICTURES = 10
_INSTANT = re.compile(r"(trigger|contact)\.[\w.]{1,200}")
_FILE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
CALENDAR = ("title", "starts", "ends", "lasts", "place", "about", "uid")
_NO_TITLE = N_("Say what stands in the calendar.")
_NO_START = N_("Say where the instant stands, such as trigger.starts_at.")
_NO_SPAN = N_("Write how long it lasts, such as 90m or 2h.")
_NO_FILE = N_("Choose a saved file for each row.")


class Extras(Struct, frozen=True):
    """The fields as they are shown, and what is wrong: at `attach` or `calendar`."""

    fields: Mapping[str, str] = {}
    problems: Mapping[str, str] = {}

    def rows(self) -> int:
        """Return how many rows for files there are: one more than files."""
        filled = [at for at in range(FILES) if self.fields.get(f"attach-{at}")]
        return min(max(filled, default=-1) + 2, FILES)

    def get(self, name: str) -> str:
        """Return what stands in a field."""
        return self.fields.get(name, "")

    @property
    def has_appointment(self) -> bool:
        """Say whether anything is told of an appointment."""
        return any(self.get(f"cal-{name}") for name in CALENDAR)


def shown(content: Content) -> Extras:
    """Return the fields of a content."""
    fields = {"media": "\n".join(content.media)}
    for at, one in enumerate(content.attach):
        fields |= {f"attach-{at}": one.file, f"attach-name-{at}": one.name, f"attach-if-{at}": one.condition}
    if told := content.calendar:
        lasts = format_span(told.lasts) if told.lasts else ""
        values = (told.title, told.starts, told.ends, lasts, told.place, told.about, told.uid)
        fields |= {f"cal-{name}": value for name, value in zip(CALENDAR, values, strict=True)}
        fields["cal-cancel"] = "yes" if told.cancel else ""
    return Extras(fields)


def read(told: Mapping[str, str], before: Content) -> tuple[Content, Extras]:
    """Return a content with what a form says of these, and the fields; without them nothing changes."""
    fields = {name: text.strip() for name, text in told.items()
              if name.startswith(("attach-", "cal-")) or name == "media"}  # fmt: skip
    if not fields:
        return before, shown(before)
    problems: dict[str, str] = {}
    content = before
    if "media" in fields:
        pictures = [line for each in fields["media"].splitlines() if (line := each.strip())]
        content = replace(content, media=tuple(pictures[:PICTURES]))
    if "attach-0" in fields:
        content = replace(content, attach=_attached(fields, problems))
    if "cal-title" in fields:
        content = replace(content, calendar=_calendar(fields, problems, before.calendar))
    return content, Extras(fields, problems)


def _attached(fields: Mapping[str, str], problems: dict[str, str]) -> tuple[Attached, ...]:
    found = []
    for at in range(FILES):
        file, name, rule = (fields.get(f"attach{part}-{at}", "") for part in ("", "-name", "-if"))
        if file and _FILE.fullmatch(file):
            found.append(Attached(file, name, rule))
        elif file or name or rule:
            problems["attach"] = _NO_FILE
    return tuple(found)


def _calendar(
    fields: Mapping[str, str], problems: dict[str, str], before: Calendar | None
) -> Calendar | None:
    title, starts, ends, lasts, place, about, uid = (fields.get(f"cal-{name}", "") for name in CALENDAR)
    if not any((title, starts, ends, lasts, place, about, uid)):
        return None
    span = None
    try:
        span = parse_span(lasts) if lasts else None
    except ValueError:
        problems["calendar"] = _NO_SPAN
    if not _INSTANT.fullmatch(starts) or (ends and not _INSTANT.fullmatch(ends)):
        problems["calendar"] = _NO_START
    if not title:
        problems["calendar"] = _NO_TITLE
    if "calendar" in problems:
        return before
    return Calendar(title, starts, ends, span, place, about, uid, fields.get("cal-cancel") == "yes")
