"""Files that go with mails or are linked to: checked, saved, listed, deleted."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
from hashlib import sha256

from kaskad.actions.office import Office
from kaskad.domain.enclosing import FILE_NAME
from kaskad.domain.errors import Invalid, NotFound, Unavailable
from kaskad.domain.tokens import BadToken
from kaskad.domain.worded import worded, wording
from kaskad.store import files as store
from kaskad.store.files import Kept

MAX_SIZE = 7_000_000  # bytes: base64 and the letter around it make 10 MB, which most mail servers take
SCAN_S = 60
MAX_SHOWN = 300_000  # bytes of a picture within a preview

_CID = re.compile(r"""(["'(]\s*)cid:([a-z0-9][a-z0-9_-]{0,63})(?=\s*["')])""")

_ZIP = b"PK\x03\x04"
_OFFICE = "application/vnd.openxmlformats-officedocument."
# By the end of its name: the media type, and how such a file begins; () is a text.
KINDS: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "pdf": ("application/pdf", (b"%PDF-",)),
    "png": ("image/png", (b"\x89PNG\r\n\x1a\n",)),
    "jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "gif": ("image/gif", (b"GIF87a", b"GIF89a")),
    "webp": ("image/webp", (b"RIFF",)),
    "docx": (f"{_OFFICE}wordprocessingml.document", (_ZIP,)),
    "xlsx": (f"{_OFFICE}spreadsheetml.sheet", (_ZIP,)),
    "pptx": (f"{_OFFICE}presentationml.presentation", (_ZIP,)),
    "odt": ("application/vnd.oasis.opendocument.text", (_ZIP,)),
    "ods": ("application/vnd.oasis.opendocument.spreadsheet", (_ZIP,)),
    "csv": ("text/csv; charset=utf-8", ()),
    "txt": ("text/plain; charset=utf-8", ()),
    "ics": ("text/calendar; charset=utf-8", (b"BEGIN:VCALENDAR",)),
}


def put(office: Office, name: str, title: str, content: bytes, by: str) -> Kept:
    """Save a file in place of the one of that name; messages have the new one from now on.

    Its kind is told by the end of `title` and must be that of its content. Raises Invalid, Unavailable.
    """
    if not FILE_NAME.fullmatch(name):
        raise Invalid(
            [
                worded(
                    "%(name)r is no name for a file: small Latin letters, digits, - and _, at most 64.",
                    name=name[:40],
                )
            ]
        )
    title = " ".join("".join(sign if sign.isprintable() else " " for sign in title).split())[:200]
    kind = _kind(title, content)
    scanned = _scan(office.antivirus, content)
    digest = sha256(content).hexdigest()
    office.write(
        lambda tx: store.put(tx, name, title, kind, digest, content, office.now(), by, scanned=scanned)
    )
    return find(office, name)


def listing(office: Office) -> list[Kept]:
    """Return all files, by name."""
    with office.read() as tx:
        return store.all_files(tx)


def find(office: Office, name: str) -> Kept:
    """Return a file without its content; raises NotFound."""
    with office.read() as tx:
        kept = store.find(tx, name)
    if kept is None:
        raise NotFound(worded("There is no file %(name)r: `kaskad file list` shows them.", name=name))
    return kept


def content(office: Office, name: str) -> tuple[Kept, bytes]:
    """Return a file with its content; raises NotFound."""
    kept = find(office, name)
    with office.read() as tx:
        return kept, store.content(tx, kept.id)


def with_pictures(office: Office, html: str) -> str:
    """Return a letter for a frame on a page: saved pictures (`cid:`) stand in it, if they are small."""

    def shown(found: re.Match[str]) -> str:
        with office.read() as tx:
            kept = store.find(tx, found[2])
            if kept is None or not kept.kind.startswith("image/") or kept.size > MAX_SHOWN:
                return found[0]
            inside = base64.b64encode(store.content(tx, kept.id)).decode()
        return f"{found[1]}data:{kept.kind};base64,{inside}"

    return _CID.sub(shown, html)


def linked(office: Office, token: str) -> tuple[Kept, bytes] | None:
    """Return the file that a link in a message leads to; None for a link that is not ours or has expired."""
    try:
        file_id = office.signer.read_file(token, office.now())
    except BadToken:
        return None
    with office.read() as tx:
        kept = store.by_id(tx, file_id)
        return None if kept is None else (kept, store.content(tx, kept.id))


def drop(office: Office, name: str) -> None:
    """Delete a file; steps that need it are skipped from now on. Raises NotFound."""
    if not office.write(lambda tx: store.drop(tx, name)):
        raise NotFound(worded("There is no file %(name)r: `kaskad file list` shows them.", name=name))


def _kind(title: str, content: bytes) -> str:
    end = re.search(r"\.([A-Za-z]{3,4})$", title)
    known = KINDS.get(end[1].lower()) if end else None
    if known is None:
        raise Invalid(
            [
                worded(
                    "%(title)r is not sent: the files that are end in .%(known)s.",
                    title=title[:60],
                    known=", .".join(KINDS),
                )
            ]
        )
    if not content:
        raise Invalid([worded("%(title)r is empty.", title=title[:60])])
    if len(content) > MAX_SIZE:
        size, most = len(content) / 1e6, MAX_SIZE / 1e6
        raise Invalid(
            [
                worded(
                    "%(title)r has %(size)s MB, more than %(most)s: put it on your site, and link to it.",
                    title=title[:60],
                    size=f"{size:.1f}",
                    most=f"{most:.0f}",
                )
            ]
        )
    kind, begins = known
    if begins and not content.startswith(begins):
        raise Invalid(
            [
                worded(
                    "%(title)r does not begin as a file of that kind does: is its name right?",
                    title=title[:60],
                )
            ]
        )
    if not begins and b"\0" in content:
        raise Invalid([worded("%(title)r is no text: is its name right?", title=title[:60])])
    return kind


def _scan(command: str, content: bytes) -> bool:
    """Say whether an antivirus has passed the content; raises Invalid where it found something."""
    if not command:
        return False
    try:
        done = subprocess.run(shlex.split(command), input=content, capture_output=True, timeout=SCAN_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(
            worded(
                "The antivirus (%(command)s) did not look at the file: %(error)s",
                command=command.split()[0],
                error=wording(error),
            )
        ) from None
    if done.returncode == 1:
        told = " ".join(done.stdout.decode(errors="replace").split())[:200]
        raise Invalid(
            [
                worded(
                    "The antivirus does not let this file pass: %(told)s.",
                    told=told or worded("it says no more"),
                )
            ]
        )
    if done.returncode:
        raise Unavailable(
            worded(
                "The antivirus ended with %(returncode)s: the file is not saved.", returncode=done.returncode
            )
        )
    return True
