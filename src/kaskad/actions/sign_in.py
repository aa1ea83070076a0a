"""Links that sign a browser in once: printed by the commands that start a server."""

from __future__ import annotations

import secrets

from kaskad.actions.office import Office
from kaskad.engine.clock import wall_ms
from kaskad.store import keys as key_store

LIFE_MS = 24 * 3_600_000


def link(office: Office, base_url: str = "", to: str = "") -> str:
    """Return an address that signs a browser in once, within a day. `base_url` "" is the installation's.

    It leads `to` a page; "": to the overview, or where there is no owner yet to the page that makes one.
    """
    token = secrets.token_urlsafe(24)
    now = wall_ms()  # a sandbox's clock may run faster than the person who clicks
    office.write(lambda tx: key_store.add_sign_in(tx, token, now, now + LIFE_MS))
    return f"{(base_url or office.base_url).rstrip('/')}/sign-in?token={token}{f'&next={to}' if to else ''}"


def redeem(office: Office, token: str) -> bool:
    """Use a link's token up; return whether it opened anything."""
    return office.write(lambda tx: key_store.use_sign_in(tx, token, wall_ms()))
