"""An appointment as a mail carries it: iCalendar (RFC 5545) with the methods of iTIP (RFC 5546).

Times are in UTC, so that no rules of a time zone travel along; the calendar shows them on its own clock.
"""

from __future__ import annotations

from datetime import UTC, datetime

from kaskad.providers.base import File, Invite, Outgoing
from kaskad.providers.mime import on_one_line

NAME = "invite.ics"
_LINE = 75  # octets without the line end, RFC 5545 3.1
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": None})


def method(invite: Invite) -> str:
    """Return the method by which the calendar takes it."""
    return "CANCEL" if invite.cancel else "REQUEST"


def calendar(invite: Invite, outgoing: Outgoing, sender: tuple[str, str], to: str) -> str:
    """Return the calendar object that asks the recipient from the sender's side."""
    name, address = sender
    lines = [
        "BEGIN:VCALENDAR",
        "PRODID:-//Kaskad//Kaskad//EN",
        "VERSION:2.0",
        "CALSCALE:GREGORIAN",
        f"METHOD:{method(invite)}",
        "BEGIN:VEVENT",
        f"UID:{invite.uid}",
        f"SEQUENCE:{invite.sequence}",
        f"DTSTAMP:{_utc(outgoing.at)}",
        f"DTSTART:{_utc(invite.starts_at)}",
        f"DTEND:{_utc(invite.ends_at)}",
        f"SUMMARY:{_text(invite.title)}",
        *([f"LOCATION:{_text(invite.place)}"] if invite.place else []),
        *([f"DESCRIPTION:{_text(invite.about)}"] if invite.about else []),
        f"STATUS:{'CANCELLED' if invite.cancel else 'CONFIRMED'}",
        "TRANSP:OPAQUE",
        f"ORGANIZER{_called(name)}:mailto:{address}",
        f"ATTENDEE{_called(outgoing.contact_name)};ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;"
        f"RSVP=FALSE:mailto:{to}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def as_file(outgoing: Outgoing, sender: tuple[str, str], to: str) -> File | None:
    """Return the appointment as a file, for services that build the mail themselves; None where none is."""
    invite = outgoing.invite
    if invite is None:
        return None
    kind = f"text/calendar; charset=utf-8; method={method(invite)}"
    return File(NAME, kind, calendar(invite, outgoing, sender, to).encode())


def _utc(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    lines = "\n".join(on_one_line(line) for line in text.replace("\r", "\n").split("\n"))
    return lines.translate(_ESCAPES)


def _called(name: str) -> str:
    """Return a name as a parameter: quoted, since it may hold a comma; quotes have no form there."""
    name = on_one_line(name).replace('"', "'")
    return f';CN="{name}"' if name else ""


def _folded(line: str) -> str:
    """Return a line in pieces of at most 75 octets, no letter torn apart."""
    if len(line.encode()) <= _LINE:
        return line
    pieces, size = [""], 0
    for letter in line:
        width = len(letter.encode())
        if size + width > _LINE:
            pieces.append(" ")
            size = 1
        pieces[-1] += letter
        size += width
    return "\r\n".join(pieces)
