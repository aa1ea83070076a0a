"""Stylesheets, scripts and icons: their address holds a hash of them all, so browsers keep them long."""

from __future__ import annotations

import gzip
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from msgspec import Struct

router = APIRouter(include_in_schema=False)
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FIRST = ("tokens.css", "base.css")  # what the other stylesheets build on
STYLE = "css/app.css"
KEPT = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}


class File(Struct, frozen=True):
    """One file as it is sent."""

    kind: str
    plain: bytes
    packed: bytes


class Shelf(Struct, frozen=True):
    """Every file by its name, and the hash of all."""

    version: str
    files: dict[str, File]


@cache
def shelf() -> Shelf:
    """Return all files that pages load: what lies in `static/`, all stylesheets as one."""
    home = Path(str(files("kaskad.web") / "static"))
    found = {
        str(path.relative_to(home)): path.read_bytes()
        for folder in ("js", "vendor")
        for path in sorted((home / folder).rglob("*"))
        if path.suffix in KINDS
    }
    sheets = sorted(
        (home / "css").glob("*.css"), key=lambda path: (path.name not in FIRST, _place(path.name))
    )
    found[STYLE] = b"\n".join(path.read_bytes() for path in sheets)
    version = sha256(b"\0".join(name.encode() + data for name, data in sorted(found.items()))).hexdigest()[
        :12
    ]
    kept = {
        name: File(KINDS[Path(name).suffix], data, gzip.compress(data, 6, mtime=0))
        for name, data in found.items()
    }
    return Shelf(version, kept)


def _place(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST)), name


def address(name: str) -> str:
    """Return where a browser finds a file; it changes with the files."""
    return f"/static/{shelf().version}/{name}"


def there(name: str) -> bool:
    """Say whether a file was built into this installation."""
    return name in shelf().files


@router.get("/static/{version}/{name:path}")
def send(request: Request, version: str, name: str) -> Response:
    """Return a file, packed for browsers that take it so."""
    kept = shelf()
    file = kept.files.get(name)
    if file is None:
        return Response(status_code=404)
    headers = KEPT if version == kept.version else {**KEPT, "Cache-Control": "no-store"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, 200, {**headers, "Content-Encoding": "gzip"}, file.kind)
    return Response(file.plain, 200, headers, file.kind)
