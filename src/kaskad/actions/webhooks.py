"""Outgoing webhooks: who is told of which events, tried out, given new secrets, and told again."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.inside import Inside, read_inside
from kaskad.domain.worded import worded
from kaskad.engine import announce, herald
from kaskad.engine.clock import wall_ms
from kaskad.engine.herald import Answer
from kaskad.engine.outbox import EventType
from kaskad.engine.standard_webhooks import new_secret
from kaskad.engine.transport.http import Http
from kaskad.store import webhooks as webhook_store
from kaskad.store.db import Transaction
from kaskad.store.webhooks import DELIVERED, GIVEN_UP, WAITING, Delivery, Secret, Webhook

BOTH_MS = 24 * 3_600_000  # so long does an old secret sign beside the new one
TEST = "webhook.test"
AT_ONCE = 1_000  # deliveries that are forgotten, or told again, in one transaction


class Shown(Struct, frozen=True):
    """A webhook with counts of its deliveries; `oldest_at` is when what waits longest came to be."""

    webhook: Webhook
    waiting: int
    delivered: int
    given_up: int
    oldest_at: int | None


def listing(office: Office) -> list[Shown]:
    """Return all webhooks, the oldest first."""
    with office.read() as tx:
        webhooks = webhook_store.all_webhooks(tx, office.vault)
        counts = {(row[0], row[1]): row[2:] for row in tx.all("count_deliveries")}
    nothing = (0, None)
    return [
        Shown(
            one,
            waiting=counts.get((one.id, WAITING), nothing)[0],
            delivered=counts.get((one.id, DELIVERED), nothing)[0],
            given_up=counts.get((one.id, GIVEN_UP), nothing)[0],
            oldest_at=counts.get((one.id, WAITING), nothing)[1],
        )
        for one in webhooks
    ]


def get(office: Office, webhook_id: int) -> Shown:
    """Return one webhook; raises NotFound."""
    for shown in listing(office):
        if shown.webhook.id == webhook_id:
            return shown
    raise _missing()


def add(office: Office, url: str, types: Sequence[str], description: str, enabled: bool) -> tuple[Shown, str]:
    """Let an endpoint be told of events; return it with its secret, which is shown this once."""
    _check(office, url, types)
    secret = new_secret()
    number = office.write(
        lambda tx: webhook_store.add(
            tx, office.vault, url, description, types, [Secret(secret)], enabled, wall_ms()
        )
    )
    office.reload()
    return get(office, number), secret


def change(
    office: Office, webhook_id: int, url: str, types: Sequence[str], description: str, enabled: bool
) -> Shown:
    """Change where and of what it is told; what waits goes to the new address. Raises NotFound, Invalid."""
    get(office, webhook_id)
    _check(office, url, types)
    office.write(lambda tx: webhook_store.change(tx, webhook_id, url, description, types, enabled))
    office.reload()
    return get(office, webhook_id)


def delete(office: Office, webhook_id: int) -> None:
    """Tell it nothing any more, and forget what it was told, a piece at a time; raises NotFound."""
    known = get(office, webhook_id).webhook
    if known.enabled:  # else more would come meanwhile
        told = known.url, known.description, known.types
        office.write(lambda tx: webhook_store.change(tx, webhook_id, *told, False))
        office.reload()
    while office.write(lambda tx: webhook_store.clear(tx, webhook_id, AT_ONCE)) == AT_ONCE:
        pass
    office.write(lambda tx: webhook_store.delete(tx, webhook_id))
    office.reload()


def rotate(office: Office, webhook_id: int) -> str:
    """Return a new secret; for a day messages carry the signatures of both. Raises NotFound."""
    known = get(office, webhook_id).webhook.secrets
    now, secret = wall_ms(), new_secret()
    kept = [Secret(one.text, min(one.until or now + BOTH_MS, now + BOTH_MS)) for one in known
            if one.until is None or one.until > now]  # fmt: skip
    office.write(
        lambda tx: webhook_store.put_secrets(tx, office.vault, webhook_id, [Secret(secret), *kept[:1]])
    )
    return secret


def try_out(office: Office, webhook_id: int) -> Answer:
    """Send an event of the type webhook.test now, once, and return what was answered; raises NotFound."""
    webhook = get(office, webhook_id).webhook
    now = wall_ms()
    body = announce.body_of(TEST, now, {"webhook": webhook_id})

    async def once() -> Answer:
        http = Http(inside=office.inside)
        try:
            return await herald.call(http, webhook, f"msg_test_{secrets.token_hex(8)}", body, now)
        finally:
            http.close()

    return asyncio.run(once())


def deliveries(
    office: Office, webhook_id: int, after: int, limit: int, state: int | None = None
) -> list[Delivery]:
    """Return up to `limit` of its deliveries after the one with the id `after`; raises NotFound."""
    _need(office, webhook_id)
    with office.read() as tx:
        return webhook_store.listing(tx, webhook_id, after, limit, -1 if state is None else state)


def latest(
    office: Office, webhook_id: int, before: int, limit: int, state: int | None = None
) -> list[Delivery]:
    """Return up to `limit` of its deliveries before the one with that id, the newest first."""
    with office.read() as tx:
        return webhook_store.latest(tx, webhook_id, before, limit, -1 if state is None else state)


def replay(office: Office, webhook_id: int, message_id: str = "", since: int = 0) -> int:
    """Tell again what was given up since an instant, or one message that has ended; return how many.

    What waits for a later attempt is tried now; what is tried within a minute anyway is not counted. Where it
    breaks off midway it may be asked for again. Raises NotFound where it was never to be told of the message.
    """
    _need(office, webhook_id)
    return _replay_one(office, webhook_id, message_id, since) if message_id else _replay_all(
        office, webhook_id, since
    )  # fmt: skip


def _replay_one(office: Office, webhook_id: int, message_id: str, since: int) -> int:
    asked = {"webhook_id": webhook_id, "message_id": message_id}

    def change(tx: Transaction) -> int:
        if tx.one("delivery_of", **asked) is None:
            raise NotFound(worded("%(message)s is none of its deliveries.", message=message_id))
        now = wall_ms()  # not before: an attempt that begins while this waits its turn is none that waits
        return tx.run("replay_delivery", **asked, since=since, now=now, later=now + herald.LEASE_MS)

    return office.write(change)


def _replay_all(office: Office, webhook_id: int, since: int) -> int:
    """Tell again all that is there now, a piece at a time: after an outage it may be a million.

    Each delivery is looked at once: what was told again by an earlier piece and waits anew, because its
    receiver is still away, is left to its schedule. So what waits comes before what was given up, which
    waits from then on.
    """
    with office.read() as tx:
        row = tx.one("last_delivery")
    last = row[0] if row else 0
    return sum(_replay_those(office, webhook_id, state, since, last) for state in (WAITING, GIVEN_UP))


def _replay_those(office: Office, webhook_id: int, state: int, since: int, last: int) -> int:
    """Tell again those of one state: both together would read what was never tried with each piece."""

    def change(tx: Transaction) -> int:
        now = wall_ms()
        return webhook_store.replay(tx, ids, now, now + herald.LEASE_MS)

    after, told, more = 0, 0, True
    while more:
        asked = {"after": after, "last": last, "limit": AT_ONCE}
        with office.read() as tx:
            ids = webhook_store.to_replay(tx, webhook_id, state, since, wall_ms() + herald.LEASE_MS, **asked)
        told += office.write(change) if ids else 0
        more = len(ids) == AT_ONCE
        after = ids[-1] if ids else last
    return told


def _need(office: Office, webhook_id: int) -> None:
    """Raise NotFound where there is no such webhook; `get` counts its deliveries besides."""
    with office.read() as tx:
        if all(one.id != webhook_id for one in webhook_store.all_webhooks(tx, office.vault)):
            raise _missing()


def _missing() -> NotFound:
    return NotFound(worded("There is no such webhook: `kaskad webhook list` shows them."))


def _check(office: Office, url: str, types: Sequence[str]) -> None:
    """Raise Invalid with everything that is wrong with a webhook."""
    known = {kind.value for kind in EventType}
    problems: list[str] = [
        worded(
            "There is no event type %(name)r: choose from %(known)s.",
            name=name,
            known=", ".join(sorted(known)),
        )
        for name in types
        if name not in known
    ]
    if not types:
        problems.append(worded("Name what it is to be told of: %(known)s.", known=", ".join(sorted(known))))
    if problem := _wrong_url(url, office.inside):
        problems.append(problem)
    if problems:
        raise Invalid(problems)


def _wrong_url(url: str, inside: Inside) -> str:
    """Return what is wrong with an address; a name that leads nowhere yet may be saved."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or not url.isascii():
        return worded(
            "%(url)r is no address: write such as https://crm.example.org/kaskad, without a password.",
            url=url[:200],
        )
    if any(ord(sign) <= 32 for sign in url):
        return worded("The address holds a space or a control character: write them as %%20 and the like.")
    if inside.everything:
        return ""
    try:
        found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ""
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if inside.opens(host, addresses):
        return ""
    return worded(
        "%(host)s is a private address, and whoever adds a webhook could reach your own network through it. "
        "Whoever runs the server opens it: write private_webhooks = %(named)s into kaskad.toml and start the "
        "server again; several hosts or networks are separated by commas.",
        host=host,
        named=f'"{_opening(host, addresses)}"',
    )


def _opening(host: str, addresses: Iterable[str]) -> str:
    """Return what `private_webhooks` opens a host by: its name; where that is none (127.1), its addresses."""
    try:
        read_inside(host)
    except ValueError:
        return ", ".join(addresses)
    return host
