"""Intake: what HTTP has taken, put into the engine's words and made durable by its next tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, structs

from kaskad.domain.consent import TRACKING
from kaskad.domain.errors import NotFound, SendError
from kaskad.domain.event import EventIn
from kaskad.domain.form import Form
from kaskad.domain.hours import is_zone
from kaskad.domain.machine import BEACON_MS
from kaskad.domain.site import Site, with_token
from kaskad.domain.subscription import Subscription
from kaskad.domain.terms import Kind
from kaskad.engine import approved, opt_in, preferences, sign_up
from kaskad.engine.aliases import Aliases
from kaskad.engine.arrival import Arrival, Unmatched
from kaskad.engine.clock import wall_ms
from kaskad.engine.confirm import Confirmation, is_word
from kaskad.engine.engine import Engine
from kaskad.engine.parcel import storable
from kaskad.engine.preferences import Choice, Preferences
from kaskad.engine.receive import JUDGE_AFTER_MS, Act, Delivery, InboundIn
from kaskad.engine.reports import Report, once, read_receipt, without_secrets
from kaskad.engine.subscriptions import Renewal
from kaskad.engine.watermark import Watermark
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.base import (
    Account,
    Changed,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Request,
    TemplateNews,
    Told,
    UpTo,
)
from kaskad.store import cards, contacts, crm, forms, merges
from kaskad.store.crm import LEARN
from kaskad.store.db import Database, Transaction

log = get_logger(__name__)

T = TypeVar("T")
Known = TypeVar("Known", Arrival, Unmatched)

_encode = msgspec.json.Encoder().encode
PAGE_LIFE_MS = 86_400_000  # so long may a page tell of the click that led to it
NOTHING: Mapping[str, str] = {}


class Visitor(Struct, frozen=True):
    """Who is on a shop's page, by an id that its server has signed, and what their browser tells."""

    external_id: str
    zone: str = ""
    language: str = ""


class Ingest:
    """The `Intake` of `web/intake.py` over one engine. Any thread may call it.

    `real_time` False: the engine's clock runs ahead of the world's, so instants in payloads mean nothing
    to it, and what is told counts from when it came. `errands` takes the requests that a provider expects
    after it has told something; without it nobody makes them.
    """

    def __init__(
        self, engine: Engine, db: Database, *, real_time: bool = True,
        errands: Callable[[Account, Sequence[Request]], None] | None = None,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._world = engine.world
        self._db = db
        self._real_time = real_time
        self._errands = errands

    def account(self, name: str) -> tuple[Account, Provider] | None:
        """Return an account and its provider from memory."""
        account = self._world.accounts.by_name.get(name)
        if account is None:
            return None
        try:
            return account, provider(account.provider)
        except NotFound:
            return None

    def receipts(
        self,
        account: Account,
        receipts: Sequence[Told],
        headers: Mapping[str, str],
        body: bytes | None,
        problem: str | None,
        acts: Sequence[Act] = (),
    ) -> Future[None]:
        """Keep a verified webhook raw (`body` None: that is kept already), and what it says of messages and
        of people.

        `acts` are done in the same transaction.
        """
        now = self._world.clock.now()
        visits: list[opt_in.Visit | Confirmation] = []
        arrivals: list[Arrival] = []
        unmatched: list[Unmatched] = []
        inbound: list[InboundIn] = []
        changed = [told for told in receipts if isinstance(told, Changed)]
        started: list[InboundIn] = []
        also: list[Act] = []
        for told in receipts:
            if isinstance(told, Inbound):
                if told.kind not in opt_in.CHATS:
                    inbound.append(self._inbound(account, told, now))
                elif told.kind is Kind.STARTED:
                    started.append(self._inbound(account, told, now))
                if opt_in.concerns(told):
                    visits.append(opt_in.Visit(account, told, self._at(told.at, now), self._world.hash_key))
                elif is_word(told, account):
                    visits.append(Confirmation(self._world, account, told, self._at(told.at, now)))
            elif isinstance(told, Receipt):
                found = read_receipt(self._world.signer, account, told, self._at(told.at, now))
                if isinstance(found, Arrival):
                    arrivals.append(found)
                elif found is not None:
                    unmatched.append(found)
            elif isinstance(told, UpTo):
                also.append(Watermark(account, told, self._at(told.until, now)))
        heard = approved.Heard(account, arrivals, unmatched, [*inbound, *started])
        if heard and account.id in self._world.accounts.windows:
            also.append(heard)
        if news := [told for told in receipts if isinstance(told, TemplateNews)]:
            also.append(approved.News(self._world, account, news))
        raw = [] if body is None else [(account.id, now, *without_secrets(account, headers, body), problem)]
        if named := [told for told in receipts if isinstance(told, Inbound) and told.also]:
            also.append(Aliases(named, self._world.hash_key))
        # after the visits, one of which may have bound the chat that was heard
        also = [*acts, *visits, *also, *_to_ask(account, changed)]
        future: Future[None] = self._engine.deliver(
            Delivery(None, arrivals=arrivals, unmatched=unmatched, inbound=inbound, raw=raw, acts=also)
        )
        self._answer(account, receipts, visits, future)
        return future

    def reports(self, reports: Sequence[Report]) -> Future[None]:
        """Keep webhooks that tell of messages only, as another process has verified and read them."""
        now = self._world.clock.now()
        arrivals = [_not_later(one, now) for report in reports for one in report.arrivals]
        unmatched = [_not_later(one, now) for report in reports for one in report.unmatched]
        raw = [(one.account_id, now, one.headers, one.body, None) for one in reports if one.body is not None]
        return self._engine.deliver(Delivery(Future(), arrivals=arrivals, unmatched=unmatched, raw=raw))

    def hit(
        self, message: tuple[int, int, int], link: int, method: str, ip: str, agent: str, *,
        awaited: bool = False,
    ) -> Future[None]:  # fmt: skip
        """Keep a request to a pixel or link; who made it is judged when its neighbours are known.

        `awaited`: also when the page has had its time to tell that it was shown.
        """
        now = self._world.clock.now()
        judge_at = now + (BEACON_MS + 1_000 if awaited else JUDGE_AFTER_MS)
        row = (*message, link, now, method, ip, agent, judge_at)
        return self._engine.deliver(Delivery(None, hits=[row]))

    def destination(self, contact_id: int, run_id: int, step: int, link: int) -> str | None:
        """Return where a link of the frozen message leads; None for a message that has been erased."""
        with self._db.read() as tx:
            row = tx.one("body_of", contact_id=contact_id, run_id=run_id, step=step)
            if row is None:
                contact_id, run_id = merges.kept_run(tx, (contact_id, run_id))
                row = tx.one("body_of", contact_id=contact_id, run_id=run_id, step=step)
        links = msgspec.json.decode(row[0]).get("links", []) if row else []
        return str(links[link]) if 0 <= link < len(links) else None

    def short_link(self, code: str) -> tuple[int, int, int, int] | None:
        """Return (contact_id, run_id, step, index) of a short link; None for an unknown or expired one."""
        with self._db.read() as tx:
            row = tx.one("short_link", code=code, now=self._world.clock.now())
        return (row[0], row[1], row[2], row[3]) if row else None

    def site(self, write_key: str) -> Site | None:
        """Return the shop's pages of that public key, from memory."""
        return self._world.sites.get(write_key)

    def arrival(self, url: str, message: tuple[int, int, int]) -> str:
        """Return where a click goes: with its token where the page is one of a site's."""
        hosts = self._world.site_hosts
        if not hosts or urlsplit(url).netloc.lower() not in hosts:
            return url
        token = self._world.signer.page(*message, self._world.clock.now() + PAGE_LIFE_MS)
        return with_token(url, token)

    def visited(
        self, hits: Sequence[tuple[int, int, int, int, int, str, str, str]], events: Sequence[EventIn],
        visitor: Visitor | None,
    ) -> Future[list[str | None]]:  # fmt: skip
        """Keep what a shop's page tells: that clicks have arrived, and what a visitor did."""
        rows = [(*hit, hit[4] + JUDGE_AFTER_MS) for hit in hits]
        acts: list[Act] = []
        if visitor is not None and (visitor.zone or visitor.language):
            acts.append(partial(_recent, self._world.hash_key, self._world.clock.now(), visitor))
        return self._engine.deliver(Delivery(Future(), hits=rows, events=events, acts=acts))

    def unsubscribe(
        self, contact_id: int, run_id: int, step: int, scope: str, evidence: Mapping[str, str] = NOTHING
    ) -> Future[None]:
        """Withdraw consent by the link of a message; the runs concerned end in the same transaction."""
        proof = {"event": f"link {scope}", **evidence}
        told = _encode({"scope": scope, "proof": proof}).decode()
        now = self._world.clock.now()
        arrival = Arrival(contact_id, run_id, step, Kind.UNSUBSCRIBED.value, f"link {scope}", now, told)
        return self._engine.deliver(Delivery(None, arrivals=[arrival]))

    def preferences(self, message: tuple[int, int, int]) -> Preferences | None:
        """Return what the person wants whom a message went to; None: nobody is known by it any more."""
        with self._db.read() as tx:
            return preferences.read(tx, self._world, message, self._world.clock.now())

    def choose(
        self, message: tuple[int, int, int], choice: Choice, evidence: Mapping[str, str]
    ) -> Future[None]:  # fmt: skip
        """Keep what a person has chosen; the runs that it concerns end in the same transaction."""
        act = preferences.Saving(self._world, message, choice, evidence, self._world.clock.now())
        return self._engine.deliver(Delivery(None, acts=[act]))

    def form(self, name: str) -> Form | None:
        """Return a sign-up form, or None."""
        with self._db.read() as tx:
            return forms.find(tx, name)

    def form_text(self, form: str, version: str) -> str:
        """Return words that a form has or had, by their version; "" for none."""
        with self._db.read() as tx:
            return forms.text_of(tx, form, version)

    def sign_up(self, told: sign_up.Told) -> Future[str]:
        """Ask to confirm what was typed into a form; the result is `sign_up.ASKED` or `LIMITED`."""
        act = sign_up.Asking(self._world, told, self._world.clock.now())
        return self._after(act, lambda: act.said)

    def to_confirm(self, asked: tuple[int, int]) -> Mapping[str, str] | None:
        """Return the words that a sign-up (number, instant) is about, its language and brand; None: over."""
        with self._db.read() as tx:
            found = forms.sign_up(tx, *asked)
            form = None if found is None else forms.find(tx, found.form)
        if found is None or form is None or found.requested_at + sign_up.TTL_MS <= self._world.clock.now():
            return None
        return {name: str(found.evidence.get(name, "")) for name in ("text", "language")} | {
            "brand": form.brand
        }

    def confirm(
        self, evidence: Mapping[str, str], *, asked: tuple[int, int] = (0, 0),
        by_code: tuple[str, str, str] | None = None,
    ) -> Future[str]:  # fmt: skip
        """Take a sign-up as confirmed; the result is `sign_up.DONE`, `EXPIRED` or `WRONG`."""
        act = sign_up.Confirming(self._world, self._world.clock.now(), evidence, asked=asked, by_code=by_code)
        return self._after(act, lambda: act.said)

    def untrack(self, contact_id: int, evidence: Mapping[str, str] = NOTHING) -> Future[None]:
        """Withdraw the consent to noting openings: it counts for every letter, also those already sent."""
        row = contacts.Consent(
            granted=False, at=self._world.clock.now(), purpose=TRACKING,
            proof=contacts.proof_text({"act": "refused tracking", **evidence}),
        )  # fmt: skip

        def withdraw(tx: Transaction) -> tuple[()]:
            who = merges.kept(tx, contact_id)
            card = cards.card(tx, who)
            if card is not None and card.tracking:
                contacts.add_consents(tx, [(who, row)])
            return ()

        return self._engine.deliver(Delivery(None, acts=[withdraw]))

    def chat(self, account: Account, told: Inbound, evidence: Mapping[str, str]) -> Future[str]:
        """Let a person start a chat by a link, or confirm it; the result is one of `opt_in.WORDS` or ""."""
        visit = opt_in.Visit(account, told, self._world.clock.now(), self._world.hash_key, evidence)
        return self._after(visit, lambda: visit.said)

    def renewal(self, old: Subscription, new: Subscription) -> Future[bool]:
        """Put a browser's new subscription in place of its old one; the result says if that was known."""
        act = Renewal(old, new, self._world.clock.now(), self._world.hash_key)
        return self._after(act, lambda: act.known)

    def _after(self, act: Act, result: Callable[[], T]) -> Future[T]:
        """Return the result of an act, which is there once it is durable."""
        told: Future[T] = Future()

        def ended(kept: Future[Any]) -> None:
            error = None if kept.cancelled() else kept.exception()
            if kept.cancelled():
                told.cancel()
            elif error is not None:
                told.set_exception(error)
            else:
                told.set_result(result())

        self._engine.deliver(Delivery(None, acts=[act])).add_done_callback(ended)
        return told

    def events(self, events: list[EventIn]) -> Future[list[str | None]]:
        """Keep events of CRM and site; the result tells of each why it was refused, or None."""
        return self._engine.deliver(Delivery(Future(), events=events))

    def problem(self) -> str | None:
        """Return why nothing can be taken now; None where all is well."""
        return self._engine.trouble()

    def _answer(
        self, account: Account, told: Sequence[Told], visits: Sequence[opt_in.Visit | Confirmation],
        kept: Future[None],
    ) -> None:  # fmt: skip
        """Give what the provider and the person expect now to the errands, once it is durable."""
        errands = self._errands
        if errands is None:
            return
        carrying = provider(account.provider)
        of_people = [one for one in told if isinstance(one, Receipt | Inbound)]
        requests = carrying.follow_up(of_people, account)

        def after(ended: Future[None]) -> None:
            if ended.cancelled() or ended.exception() is not None:
                return  # it will be told again
            said = [visit.say(self._world.clock.now()) for visit in visits]
            texts = [text for outgoing in said if outgoing for text in _texts(outgoing, account)]
            errands(account, [*requests, *texts])

        if requests or visits:
            kept.add_done_callback(after)

    def _inbound(self, account: Account, told: Inbound, now: int) -> InboundIn:
        event = storable(told.event) or f"{once(told.kind)} {blake2b(told.raw, digest_size=8).hexdigest()}"
        at = self._at(told.at, now)
        return InboundIn(
            told.channel, storable(told.address), told.kind.value, event, at, told.text, account.id,
            storable(told.provider_id),
        )  # fmt: skip

    def _at(self, told: int | None, now: int) -> int:
        """Return when it happened: what the payload says, unless that is yet to come."""
        return now if told is None or not self._real_time else min(told, now)


def _not_later(told: Known, now: int) -> Known:
    """Return what another process has read, whose clock may be ahead of the engine's."""
    return told if told.at <= now else structs.replace(told, at=now)


def _recent(hash_key: bytes, now: int, visitor: Visitor, tx: Transaction) -> tuple[()]:
    """Keep the zone and the language that a visitor's browser told last, where they are new."""
    row = tx.one("contact_by_external_id", external_id=visitor.external_id)
    if row is None:
        return ()
    if is_zone(visitor.zone):
        contacts.tell_zones(tx, [(row[0], visitor.zone)], now)
    (known,) = tx.among("contacts_among", [row[0]])
    if visitor.language and msgspec.json.decode(known[6]).get("site_language") != visitor.language:
        told = contacts.Contact(id=row[0], attributes={"site_language": visitor.language})
        contacts.save(tx, hash_key, [told], now, "site")
    return ()


def _to_ask(account: Account, changed: Sequence[Changed]) -> list[Act]:
    """Return what keeps the questions that a CRM is to be asked; `engine/clerk` asks them."""
    now = wall_ms()
    rows = [(account.id, LEARN, storable(one.key), _encode(one).decode(), now) for one in changed]

    def keep(tx: Transaction) -> tuple[()]:
        crm.put(tx, rows)
        return ()

    return [keep] if rows else []


def _texts(outgoing: Outgoing, account: Account) -> list[Request]:
    """Return the request of an answer to a person; none where the account could not send it."""
    try:
        return [provider(account.provider).build_request(outgoing, account)]
    except SendError as error:
        log.info("answer not sent", account=account.name, why=error.detail)
        return []
