"""Shops' pages: their public keys, where these may be used, and the line to put into a page."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha384

from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.site import KEY_PREFIX, Site, read_origin
from kaskad.domain.worded import worded
from kaskad.store import sites

VERSION = "1.js"  # of the script that new pages get
EVENTS = 50  # names that one site may send


def listing(office: Office) -> list[Site]:
    """Return the sites in the order of their names."""
    with office.read() as tx:
        return sites.all_sites(tx, office.vault)


def find(office: Office, name: str) -> Site:
    """Return one site; raises NotFound."""
    for site in listing(office):
        if site.name == name:
            return site
    raise _no_site(name)


def save(office: Office, name: str, origins: Sequence[str], events: Sequence[str], per_minute: int) -> Site:
    """Add a site with a new key, or change where one may be used and what it may tell; return it.

    Raises Invalid.
    """
    problems, read = [], []
    for origin in origins:
        try:
            read.append(read_origin(origin))
        except ValueError as error:
            problems.append(f"{error}.")
    if not origins:
        problems.append(worded("Name the site's origin, such as https://shop.example.org."))
    if len(events) > EVENTS:
        problems.append(worded("A site may send at most %(events)s kinds of events.", events=EVENTS))
    if problems:
        raise Invalid(problems)
    new = Site(
        0, name, KEY_PREFIX + secrets.token_urlsafe(18), tuple(dict.fromkeys(read)),
        secrets.token_urlsafe(32), per_minute, tuple(dict.fromkeys(events)),
    )  # fmt: skip
    kept = office.write(lambda tx: sites.put_site(tx, office.vault, new, office.now()))
    office.reload()
    return kept


def remove(office: Office, name: str) -> None:
    """Let a site's key open nothing any more; raises NotFound."""
    if not office.write(lambda tx: sites.drop_site(tx, name)):
        raise _no_site(name)
    office.reload()


def tag(office: Office, site: Site, source: str) -> str:
    """Return the line for the site's pages; `source` is the script as it is served."""
    digest = b64encode(sha384(source.encode()).digest()).decode()
    return (
        f'<script src="{office.base_url}/site/{VERSION}" data-key="{site.write_key}" '
        f'integrity="sha384-{digest}" crossorigin="anonymous" defer></script>'
    )


def _no_site(name: str) -> NotFound:
    return NotFound(worded("There is no site %(name)r: `kaskad site list` shows them.", name=name))
