"""What is wrong with an installation, and what to do about it; works with and without a server that runs."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from kaskad.actions.approved_texts import wrong_texts
from kaskad.config import FILE, Settings
from kaskad.domain.definition import to_cascade
from kaskad.domain.errors import KaskadError
from kaskad.domain.terms import Channel
from kaskad.engine.catalog import to_send_by
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing
from kaskad.store import accounts as account_store
from kaskad.store import backup, holds, mail_domains
from kaskad.store import cascades as cascade_store
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import migrations
from kaskad.store.sqlite import SqliteDatabase
from kaskad.store.vault import OTHERS_MAY, Vault, key_file, open_vault

Level = Literal["ok", "warn", "problem"]
TIMEOUT_S = 5.0
FULL, LOW = 200 << 20, 1 << 30  # bytes of room on the disk
WHOLE = 1 << 30  # a file up to this size is looked through; a larger one takes minutes
EARLIEST = 1_767_225_600  # 2026-01-01: a clock before it is wrong


class Finding(Struct, frozen=True):
    """One thing that was looked at; `todo` says what to do about it."""

    level: Level
    what: str
    detail: str
    todo: str = ""


Lookup = Callable[[str], list[str] | None]  # name -> its TXT records; None: nobody could say


def examine(settings: Settings, file: Path | None, txt: Lookup | None = None) -> Iterator[Finding]:
    """Yield findings as they are made; `file` is the SQLite file, None on PostgreSQL."""
    yield from _of_clock()
    yield from _of_key(settings)
    if file is not None:
        if not file.exists():
            yield Finding("problem", "database", f"there is no {file}", "`kaskad init` makes one")
            return
        yield from _of_room(file)
    try:
        db = open_database(settings.database)
    except KaskadError as error:
        yield Finding("problem", "database", str(error))
        return
    try:
        yield from _of_database(db, file)
        yield from _of_base_url(settings)
        if settings.link_url:
            yield _of_link_domain(settings.link_url)
        yield from _of_accounts(db, settings, txt or _txt)
        yield from _of_mail_domains(db, settings)
    finally:
        db.close()


def _of_clock() -> Iterator[Finding]:
    if time.time() < EARLIEST:
        yield Finding(
            "problem", "clock", "it shows a time in the past", "set it, best by NTP: timers go by it"
        )
    elif Path("/run/systemd/timesync").exists() and not Path("/run/systemd/timesync/synchronized").exists():
        yield Finding("warn", "clock", "it is not set by NTP", "look at `timedatectl`")
    else:
        yield Finding("ok", "clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _of_key(settings: Settings) -> Iterator[Finding]:
    if settings.secret_key:
        file = Path(FILE)
        if file.exists() and file.stat().st_mode & OTHERS_MAY:
            yield Finding("problem", "secret key", f"others can read {file}", f"chmod 600 {file}")
        else:
            yield Finding("ok", "secret key", "from the settings")
        return
    file = key_file(settings.database)
    if not file.exists():
        yield Finding("warn", "secret key", "there is none yet", "`kaskad serve` makes one, or `kaskad init`")
    elif file.stat().st_mode & OTHERS_MAY:
        yield Finding("problem", "secret key", f"others can read {file}", f"chmod 600 {file}")
    else:
        yield Finding("ok", "secret key", f"in {file}: keep it with the backups")


def _of_room(file: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(file.absolute().parent).free
    told = f"{free / (1 << 30):.1f} GiB free beside {file}"
    if free < FULL:
        yield Finding("problem", "disk", told, "make room: nothing can be stored without")
    elif free < LOW:
        yield Finding("warn", "disk", told, "make room soon")
    else:
        yield Finding("ok", "disk", told)


def _of_database(db: Database, file: Path | None) -> Iterator[Finding]:
    try:
        with db.read() as tx:
            done = tx.all("migrations")
    except KaskadError as error:
        yield Finding("problem", "database", str(error), "`kaskad db upgrade` makes its tables")
        return
    newest, known = done[-1][0] if done else 0, len(migrations())
    if newest > known:
        yield Finding("problem", "database", "a newer Kaskad has made it", "use that one")
    elif newest < known:
        yield Finding("warn", "database", f"{known - newest} migrations are missing", "`kaskad db upgrade`")
    else:
        yield Finding("ok", "database", f"{db.name}, version {newest}")
    if file is None or not isinstance(db, SqliteDatabase):
        return
    if file.stat().st_size > WHOLE:
        yield Finding("ok", "integrity", "not looked at: the file is large", "`kaskad db check` looks")
    elif found := backup.check(file):
        yield Finding("problem", "integrity", found[0], "restore a backup: `kaskad db restore FILE`")
    else:
        yield Finding("ok", "integrity", "the file is whole")


def _answer_of(url: str) -> tuple[bool, str]:
    """Return whether Kaskad answers there, and what is there in words."""
    import httpx2

    try:
        answer = httpx2.get(f"{url}/healthz", timeout=TIMEOUT_S, trust_env=False)
    except httpx2.HTTPError as error:
        return False, f"does not answer ({type(error).__name__})"
    alive = answer.status_code == 200 and b"alive" in answer.content
    return alive, "answers" if alive else f"answers {answer.status_code}, which is not Kaskad's"


def _of_link_domain(url: str) -> Finding:
    alive, detail = _answer_of(url)
    if alive:
        return Finding("ok", "link_domain", f"{url} answers")
    return Finding(
        "warn",
        "link_domain",
        f"{url} {detail}",
        "let its DNS and proxy lead to Kaskad with the Host header kept: short links lead there",
    )


def _of_base_url(settings: Settings) -> Iterator[Finding]:
    url = settings.base_url
    alive, detail = _answer_of(url)
    if not alive:
        yield Finding(
            "warn",
            "base_url",
            f"{url} {detail}",
            "start `kaskad serve`, or look at the proxy and the name: links of messages lead there",
        )
    elif problem := _not_public(url):
        yield Finding(
            "warn",
            "base_url",
            f"{url} answers, but {problem}",
            "people and providers cannot reach it: set base_url to a public https address",
        )
    else:
        yield Finding("ok", "base_url", f"{url} answers")


def _of_accounts(db: Database, settings: Settings, txt: Lookup) -> Iterator[Finding]:
    try:
        vault = open_vault(settings.secret_key, key_file(settings.database))
        accounts = _accounts(db, vault)
    except KaskadError as error:
        yield Finding("problem", "accounts", str(error))
        return
    if not accounts:
        yield Finding("warn", "accounts", "there are none", "`kaskad account add NAME --provider …` adds one")
    yield from _of_texts(db, [account for account in accounts if account.enabled])
    with db.read() as tx:
        held = holds.load(tx)
    for account in accounts:
        what = f"account {account.name}"
        if not account.enabled:
            yield Finding("ok", what, "disabled")
            continue
        if account.id in held:
            todo = f"mend what the servers refuse, then `kaskad account resume {account.name}`"
            yield Finding("problem", what, f"held: {held[account.id].why}", todo)
        yield _reach(what, account)
        carrying = provider(account.provider)
        told = bool(carrying.capabilities.receipts) and carrying.poll_request(account, "") is None
        if told and (problem := _not_public(settings.base_url)):
            yield Finding(
                "warn",
                f"{what}, webhooks",
                f"its provider cannot send webhooks: {problem}",
                "set base_url to a public https address",
            )
        if account.channel is Channel.EMAIL:
            yield from _of_mail(what, account, txt)


def _of_texts(db: Database, accounts: list[Account]) -> Iterator[Finding]:
    """Yield the approved texts that cascades in force name in vain: their steps are skipped."""
    with db.read() as tx:
        for row in cascade_store.all_cascades(tx):
            if row.state != cascade_store.ACTIVE or row.version_id is None:
                continue
            cascade = to_cascade(cascade_store.version(tx, row.version_id).source, name=row.slug)
            for problem in wrong_texts(tx, cascade, accounts):
                yield Finding("problem", "approved text", problem, "its step is skipped until then")


def _accounts(db: Database, vault: Vault) -> list[Account]:
    with db.read() as tx:
        return [to_send_by(kept) for kept in account_store.all_accounts(tx, vault)]


def _reach(what: str, account: Account) -> Finding:
    """Return whether a connection can be made to where the account's messages go; nothing is sent."""
    try:
        host, port = _place(account)
        socket.create_connection((host, port), TIMEOUT_S).close()
    except (OSError, KaskadError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Finding(
            "problem",
            what,
            f"its service cannot be reached: {why}",
            "look at its settings, the network and the firewall",
        )
    return Finding("ok", what, f"{host}:{port} can be reached; `kaskad send-test {account.name} TO` tries it")


def _place(account: Account) -> tuple[str, int]:
    """Return the host and port that the account's messages go to."""
    carrying = provider(account.provider)
    if account["host"]:
        return account["host"], int(account["port"] or 25)
    if account["base_url"]:
        return _of_url(account["base_url"])
    nobody = Outgoing(
        reference="x",
        key="x",
        channel=account.channel,
        to="79000000000",
        at=0,
        text="x",
        say="x",
        status_url="https://example.org/",
    )
    return _of_url(carrying.build_request(nobody, account).url)


def _of_url(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _not_public(url: str) -> str:
    """Return why the outside world cannot use an address of ours, or ""."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return "it is not https"
    try:
        found = socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return f"{host} has no address"
    public = all(ipaddress.ip_address(str(entry[4][0]).split("%")[0]).is_global for entry in found)
    return "" if public else f"{host} is a private address"


def _of_mail(what: str, account: Account, txt: Lookup) -> Iterator[Finding]:
    """Yield what the sender's domain lacks in DNS: without these mails go to spam, or nowhere."""
    domain = parseaddr(account["sender"])[1].rpartition("@")[2]
    if not domain:
        return
    wanted = [
        ("SPF", domain, "v=spf1", f"a TXT record of {domain}: v=spf1 … with your mail server"),
        (
            "DMARC",
            f"_dmarc.{domain}",
            "v=DMARC1",
            f"a TXT record of _dmarc.{domain}, such as v=DMARC1; p=none",
        ),
    ]
    for selector in account["dkim_selector"].replace(",", " ").split():
        name = f"{selector}._domainkey.{account['dkim_domain'] or domain}"
        wanted.append(("DKIM", name, "p=", f"a TXT record of {name} with the public key"))
    for name, place, begins, todo in wanted:
        records = txt(place)
        if records is None:
            yield Finding(
                "warn", f"{what}, {name}", f"{place} could not be looked up", "try again with a network"
            )
        elif not any(begins in record for record in records):
            yield Finding(
                "problem" if name == "DKIM" else "warn", f"{what}, {name}", f"{place} has none", f"add {todo}"
            )
        else:
            yield Finding("ok", f"{what}, {name}", f"{place} has one")
    if not account["dkim_selector"]:
        yield Finding(
            "warn",
            f"{what}, DKIM",
            "Kaskad does not sign",
            "let the mail server sign, or set dkim_domain, dkim_selector and dkim_key",
        )


def _of_mail_domains(db: Database, settings: Settings) -> Iterator[Finding]:
    """Yield whether the domains of people's mail addresses are looked up, and what was found."""
    what = "mail domains"
    try:
        with db.read() as tx:
            found = mail_domains.counts(tx)
    except KaskadError:
        return  # the database was told of above
    if settings.resolver == "off":
        yield Finding("ok", what, f"{found.known}, which are not looked up: resolver is off")
        return
    pending = found.known - found.checked
    told = f"{found.checked} looked up, {found.dead} of them take no mail, {pending} pending"
    if found.unanswered and not found.checked:
        yield Finding("warn", what, f"{told}; no name server answers",
                      "set resolver to one that this machine reaches, or to off")  # fmt: skip
    elif found.unanswered:
        yield Finding("ok", what, f"{told}; {found.unanswered} are asked about again")
    else:
        yield Finding("ok", what, told)


def _txt(name: str) -> list[str] | None:
    """Return the TXT records of a name; None where no server could say."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=TIMEOUT_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException:
        return None
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
