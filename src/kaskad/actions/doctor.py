"""What is wrong with an installation, and what to do about it; works with and without a server that runs."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from kaskad.actions.approved_texts import wrong_texts
from kaskad.config import FILE, Settings
from kaskad.domain.definition import to_cascade
from kaskad.domain.errors import Invalid, KaskadError
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.catalog import to_send_by
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing
from kaskad.store import accounts as account_store
from kaskad.store import backup, holds, mail_domains
from kaskad.store import cascades as cascade_store
from kaskad.store.db import Database, open_database
from kaskad.store.holds import Held
from kaskad.store.migrate import migrations
from kaskad.store.sqlite import SqliteDatabase
from kaskad.store.vault import OTHERS_MAY, Vault, key_file, open_vault

Level = Literal["ok", "warn", "problem"]
TIMEOUT_S = 5.0
AT_ONCE = 8  # accounts that are looked at at the same time
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
            yield Finding(
                "problem",
                worded("database"),
                worded("there is no %(file)s", file=file),
                worded("`kaskad init` makes one"),
            )
            return
        yield from _of_room(file)
    try:
        db = open_database(settings.database)
    except KaskadError as error:
        yield Finding("problem", worded("database"), str(error))
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
            "problem",
            worded("clock"),
            worded("it shows a time in the past"),
            worded("set it, best by NTP: timers go by it"),
        )
    elif Path("/run/systemd/timesync").exists() and not Path("/run/systemd/timesync/synchronized").exists():
        yield Finding(
            "warn", worded("clock"), worded("it is not set by NTP"), worded("look at `timedatectl`")
        )
    else:
        yield Finding("ok", worded("clock"), time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _of_key(settings: Settings) -> Iterator[Finding]:
    if settings.secret_key:
        file = Path(FILE)
        if file.exists() and file.stat().st_mode & OTHERS_MAY:
            yield Finding(
                "problem",
                worded("secret key"),
                worded("others can read %(file)s", file=file),
                worded("chmod 600 %(file)s", file=file),
            )
        else:
            yield Finding("ok", worded("secret key"), worded("from the settings"))
        return
    file = key_file(settings.database)
    if not file.exists():
        yield Finding(
            "warn",
            worded("secret key"),
            worded("there is none yet"),
            worded("`kaskad serve` makes one, or `kaskad init`"),
        )
    elif file.stat().st_mode & OTHERS_MAY:
        yield Finding(
            "problem",
            worded("secret key"),
            worded("others can read %(file)s", file=file),
            worded("chmod 600 %(file)s", file=file),
        )
    else:
        yield Finding("ok", worded("secret key"), worded("in %(file)s: keep it with the backups", file=file))


def _of_room(file: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(file.absolute().parent).free
    told = worded("%(size)s GiB free beside %(file)s", size=f"{free / (1 << 30):.1f}", file=file)
    if free < FULL:
        yield Finding("problem", worded("disk"), told, worded("make room: nothing can be stored without"))
    elif free < LOW:
        yield Finding("warn", worded("disk"), told, worded("make room soon"))
    else:
        yield Finding("ok", worded("disk"), told)


def _of_database(db: Database, file: Path | None) -> Iterator[Finding]:
    try:
        with db.read() as tx:
            done = tx.all("migrations")
    except KaskadError as error:
        yield Finding(
            "problem", worded("database"), str(error), worded("`kaskad db upgrade` makes its tables")
        )
        return
    newest, known = done[-1][0] if done else 0, len(migrations())
    if newest > known:
        yield Finding(
            "problem", worded("database"), worded("a newer Kaskad has made it"), worded("use that one")
        )
    elif newest < known:
        yield Finding(
            "warn",
            worded("database"),
            worded("%(known_newest)s migrations are missing", known_newest=known - newest),
            worded("`kaskad db upgrade`"),
        )
    else:
        yield Finding(
            "ok", worded("database"), worded("%(name)s, version %(newest)s", name=db.name, newest=newest)
        )
    if file is None or not isinstance(db, SqliteDatabase):
        return
    if file.stat().st_size > WHOLE:
        yield Finding(
            "ok",
            worded("integrity"),
            worded("not looked at: the file is large"),
            worded("`kaskad db check` looks"),
        )
    elif found := backup.check(file):
        yield Finding(
            "problem", worded("integrity"), found[0], worded("restore a backup: `kaskad db restore FILE`")
        )
    else:
        yield Finding("ok", worded("integrity"), worded("the file is whole"))


def _answer_of(url: str) -> tuple[bool, str]:
    """Return whether Kaskad answers there, and what is there in words."""
    import httpx2

    try:
        answer = httpx2.get(f"{url}/healthz", timeout=TIMEOUT_S, trust_env=False)
    except httpx2.HTTPError as error:
        return False, worded("does not answer (%(name)s)", name=type(error).__name__)
    alive = answer.status_code == 200 and b"alive" in answer.content
    return alive, worded("answers") if alive else worded(
        "answers %(status_code)s, which is not Kaskad's", status_code=answer.status_code
    )


def _of_link_domain(url: str) -> Finding:
    alive, detail = _answer_of(url)
    if alive:
        return Finding("ok", worded("link_domain"), worded("%(url)s answers", url=url))
    return Finding(
        "warn",
        worded("link_domain"),
        worded("%(url)s %(detail)s", url=url, detail=detail),
        worded("let its DNS and proxy lead to Kaskad with the Host header kept: short links lead there"),
    )


def _of_base_url(settings: Settings) -> Iterator[Finding]:
    url = settings.base_url
    alive, detail = _answer_of(url)
    if not alive:
        yield Finding(
            "warn",
            worded("base_url"),
            worded("%(url)s %(detail)s", url=url, detail=detail),
            worded("start `kaskad serve`, or look at the proxy and the name: links of messages lead there"),
        )
    elif problem := _not_public(url):
        yield Finding(
            "warn",
            worded("base_url"),
            worded("%(url)s answers, but %(problem)s", url=url, problem=problem),
            worded("people and providers cannot reach it: set base_url to a public https address"),
        )
    else:
        yield Finding("ok", worded("base_url"), worded("%(url)s answers", url=url))


def _of_accounts(db: Database, settings: Settings, txt: Lookup) -> Iterator[Finding]:
    try:
        vault = open_vault(settings.secret_key, key_file(settings.database))
        accounts = _accounts(db, vault)
    except KaskadError as error:
        yield Finding("problem", worded("accounts"), str(error))
        return
    if not accounts:
        yield Finding(
            "warn",
            worded("accounts"),
            worded("there are none"),
            worded("`kaskad account add NAME --provider …` adds one"),
        )
    yield from _of_texts(db, [account for account in accounts if account.enabled])
    with db.read() as tx:
        held = holds.load(tx)
    with ThreadPoolExecutor(AT_ONCE) as pool:  # whose service does not answer holds up no other
        looked = [pool.submit(list, _of_account(each, held.get(each.id), settings, txt)) for each in accounts]
        for found in looked:
            yield from found.result()


def _of_account(account: Account, held: Held | None, settings: Settings, txt: Lookup) -> Iterator[Finding]:
    what = worded("account %(name)s", name=account.name)
    if not account.enabled:
        yield Finding("ok", what, worded("disabled"))
        return
    if held:
        todo = worded(
            "mend what the servers refuse, then `kaskad account resume %(name)s`", name=account.name
        )
        yield Finding("problem", what, worded("held: %(why)s", why=held.why), todo)
    carrying = provider(account.provider)
    if carrying.own:
        yield Finding("ok", what, worded("people of one's own call: there is no service to reach"))
        return
    yield _reach(what, account)
    told = bool(carrying.capabilities.receipts) and carrying.poll_request(account, "") is None
    if told and (problem := _not_public(settings.base_url)):
        yield Finding(
            "warn",
            worded("%(what)s, webhooks", what=what),
            worded("its provider cannot send webhooks: %(problem)s", problem=problem),
            worded("set base_url to a public https address"),
        )
    if account.channel is Channel.EMAIL:
        yield from _of_mail(what, account, txt)


def _of_texts(db: Database, accounts: list[Account]) -> Iterator[Finding]:
    """Yield the approved texts that cascades in force name in vain: their steps are skipped."""
    with db.read() as tx:
        for row in cascade_store.all_cascades(tx):
            if row.state != cascade_store.ACTIVE or row.version_id is None:
                continue
            try:
                cascade = to_cascade(cascade_store.version(tx, row.version_id).source, name=row.slug)
            except Invalid as error:
                yield Finding(
                    "problem", worded("the text of %(name)s", name=row.slug), error.worded[0],
                    worded("nobody enters it, and its runs wait: start a release that reads it"),
                )  # fmt: skip
                continue
            for problem in wrong_texts(tx, cascade, accounts):
                yield Finding(
                    "problem", worded("approved text"), problem, worded("its step is skipped until then")
                )


def _accounts(db: Database, vault: Vault) -> list[Account]:
    with db.read() as tx:
        return [to_send_by(kept) for kept in account_store.all_accounts(tx, vault)]


def _reach(what: str, account: Account) -> Finding:
    """Return whether a connection can be made to where the account's messages go; nothing is sent."""
    try:
        host, port = _place(account)
        socket.create_connection((host, port), TIMEOUT_S).close()
    except NotImplementedError:  # a library speaks to it, and alone knows where it is
        return Finding(
            "ok", what, worded("only `kaskad send-test %(name)s TO` can try it", name=account.name)
        )
    except (OSError, KaskadError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Finding(
            "problem",
            what,
            worded("its service cannot be reached: %(why)s", why=why),
            worded("look at its settings, the network and the firewall"),
        )
    return Finding(
        "ok",
        what,
        worded(
            "%(host)s:%(port)s can be reached; `kaskad send-test %(name)s TO` tries it",
            host=host,
            port=port,
            name=account.name,
        ),
    )


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
        return worded("it is not https")
    try:
        found = socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return worded("%(host)s has no address", host=host)
    public = all(ipaddress.ip_address(str(entry[4][0]).split("%")[0]).is_global for entry in found)
    return "" if public else worded("%(host)s is a private address", host=host)


def _of_mail(what: str, account: Account, txt: Lookup) -> Iterator[Finding]:
    """Yield what the sender's domain lacks in DNS: without these mails go to spam, or nowhere."""
    domain = parseaddr(account["sender"])[1].rpartition("@")[2]
    if not domain:
        return
    wanted = [
        (
            "SPF",
            domain,
            "v=spf1",
            worded("a TXT record of %(domain)s: v=spf1 … with your mail server", domain=domain),
        ),
        (
            "DMARC",
            f"_dmarc.{domain}",
            "v=DMARC1",
            worded("a TXT record of _dmarc.%(domain)s, such as v=DMARC1; p=none", domain=domain),
        ),
    ]
    for selector in account["dkim_selector"].replace(",", " ").split():
        name = f"{selector}._domainkey.{account['dkim_domain'] or domain}"
        wanted.append(("DKIM", name, "p=", worded("a TXT record of %(name)s with the public key", name=name)))
    for name, place, begins, todo in wanted:
        records = txt(place)
        if records is None:
            yield Finding(
                "warn",
                worded("%(what)s, %(name)s", what=what, name=name),
                worded("%(place)s could not be looked up", place=place),
                worded("try again with a network"),
            )
        elif not any(begins in record for record in records):
            yield Finding(
                "problem" if name == "DKIM" else "warn",
                worded("%(what)s, %(name)s", what=what, name=name),
                worded("%(place)s has none", place=place),
                worded("add %(todo)s", todo=todo),
            )
        else:
            yield Finding(
                "ok",
                worded("%(what)s, %(name)s", what=what, name=name),
                worded("%(place)s has one", place=place),
            )
    if not account["dkim_selector"]:
        yield Finding(
            "warn",
            worded("%(what)s, DKIM", what=what),
            worded("Kaskad does not sign"),
            worded("let the mail server sign, or set dkim_domain, dkim_selector and dkim_key"),
        )


def _of_mail_domains(db: Database, settings: Settings) -> Iterator[Finding]:
    """Yield whether the domains of people's mail addresses are looked up, and what was found."""
    what = worded("mail domains")
    try:
        with db.read() as tx:
            found = mail_domains.counts(tx)
    except KaskadError:
        return  # the database was told of above
    if settings.resolver == "off":
        yield Finding(
            "ok", what, worded("%(known)s, which are not looked up: resolver is off", known=found.known)
        )
        return
    pending = found.known - found.checked
    told = worded(
        "%(checked)s looked up, %(dead)s of them take no mail, %(pending)s pending",
        checked=found.checked,
        dead=found.dead,
        pending=pending,
    )
    if found.unanswered and not found.checked:
        yield Finding("warn", what, worded("%(told)s; no name server answers", told=told),
                      worded("set resolver to one that this machine reaches, or to off"))  # fmt: skip
    elif found.unanswered:
        yield Finding(
            "ok",
            what,
            worded("%(told)s; %(unanswered)s are asked about again", told=told, unanswered=found.unanswered),
        )
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
