"""Hand-over: from a decision to send to the words, the price and a free slot of the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from kaskad.domain import sms
from kaskad.domain.cascade import Approved, Button
from kaskad.domain.channels import wants_short
from kaskad.domain.content import CompiledContent, LinkMaker, Rendered, primary
from kaskad.domain.form import REQUESTED
from kaskad.domain.run import Passages, Run, Send
from kaskad.domain.scope import run_scope, steps_scope
from kaskad.domain.speech import marked, plain
from kaskad.domain.template import RenderError
from kaskad.domain.template.filters import HERE, NOWHERE, Here
from kaskad.domain.terms import Channel, SkipReason
from kaskad.domain.version import Version
from kaskad.engine.approved import filled
from kaskad.engine.enclosures import Enclosures
from kaskad.engine.invitations import Invitations
from kaskad.engine.look import Person
from kaskad.engine.pricing import Tariff, category_of
from kaskad.engine.purse import Purse
from kaskad.engine.sign_up import secrets_of
from kaskad.engine.spending import Till
from kaskad.engine.sums import Sums
from kaskad.engine.world import World
from kaskad.providers.base import File, Invite, Outgoing
from kaskad.store.db import Row, Transaction

_CHANNELS = {channel.code: channel for channel in Channel}
_encode = msgspec.json.Encoder().encode


class _Body(Rendered, frozen=True, omit_defaults=True, gc=False):
    """What is kept of a message: what it said, where its links lead, where it went."""

    to: str = ""
    files: tuple[str, ...] = ()  # what they were called
    invited_for: int = 0  # when the appointment begins that went with it


class _TextBody(Struct, frozen=True, omit_defaults=True, gc=False):
    """The same of a message that is one text."""

    text: str = ""
    to: str = ""


class _Said(Struct, frozen=True, gc=False):
    """What one message says to its provider, and `body`, what is kept of that."""

    body: bytes
    text: str
    subject: str = ""
    html: str = ""
    say: str = ""
    script: str = ""
    buttons: tuple[Button, ...] = ()
    media: tuple[str, ...] = ()
    approved: Approved | None = None
    files: tuple[File, ...] = ()
    invite: Invite | None = None


class Written(Struct, frozen=True, gc=False):
    """A message with its words; `price` in minor units, of which `more` was not reserved before."""

    outgoing: Outgoing
    body: str
    price: int
    more: int


class Refusal(Struct, frozen=True):
    """The step cannot be sent after all; `again_at`: it may be from then on (0: no time is known)."""

    reason: SkipReason
    detail: str
    again_at: int = 0


def _by_language(world: World, version: Version, send: Send) -> dict[str, CompiledContent]:
    """Return the content in each language of the step's template; empty where there is one for all."""
    step = version.cascade.steps[send.step]
    named = step.content.template
    if send.variant is not None:
        named = step.variants[send.variant].content.template or named
    languages = version.texts.languages(named, send.channel) if named else ()
    return {
        language: world.versions.content(version, send.step, send.variant, send.channel, language)
        for language in languages
    }


class Page:
    """What all messages of one step, variant, channel and account have in common, at one instant."""

    def __init__(
        self, world: World, tx: Transaction, version: Version, send: Send, now: int, short_links: list[Row]
    ) -> None:
        account = world.accounts[send.account_id]
        self._compiled = world.versions.content(version, send.step, send.variant, send.channel)
        self._languages = _by_language(world, version, send)
        self._zone = version.policy.zone
        self._account_id, self._tariff = account.id, Tariff(account, world.money.price_lists.get(account.id))
        self._fixed = self._tariff.fixed  # what each costs, whatever it says and to whom; None: that depends
        self._signer, self._base_url = world.signer, world.options.base_url
        self._reference = world.signer.references(send.step, account.id)
        self._life_ms = world.options.link_life_ms
        # The addresses of an approved text were approved with the way of long links in them.
        short = wants_short(_CHANNELS[send.channel]) and not send.by_name
        self._short_url = world.link_url(version.cascade.brand) if short else ""
        self._short_links = short_links  # (contact, run, step, link, code, expiry), for the caller to keep
        self._step, self._channel, self._now = send.step, _CHANNELS[send.channel], now
        self._class = version.cascade.message_class
        self._keys = version.cascade.steps[send.step].keys
        self._by_name = send.by_name
        self._texts = world.accounts.approved.get(send.account_id, {}) if send.by_name else {}
        self._status_url = world.accounts.status_urls[send.account_id]
        self._tx, self._world = tx, world
        self._enclosures = Enclosures(tx, world, account.id, now)

    def write(
        self, run: Run, to: str, scope: dict[str, Any], attributes: Mapping[str, Any], language: str,
        tracking: bool, valid_for_ms: int, due_at: int, open_until: int = 0, zone: str | None = None,
        again: bool = False,
    ) -> tuple[Outgoing, str, int]:  # fmt: skip
        """Return the message for one person, its body to keep and its price; raises RenderError.

        Its links live from `due_at`, the same for all attempts under one key: providers refuse another text.
        `again`: it has failed before, so that a service which knows its key would not send it.
        """
        contact_id, run_id, step = run.contact_id, run.id, self._step
        compiled = self._compiled
        if self._languages:
            compiled = self._languages.get(primary(language), compiled)
        if compiled.local or compiled.invites:
            scope = self._own_scope(compiled, scope, run, language, due_at, zone)
        links = None
        if compiled.only_text is None or self._base_url:
            ends_at = due_at + self._life_ms
            links = LinkMaker(self._signer, self._base_url, contact_id, run_id, step, ends_at, tracking,
                              self._short_url)  # fmt: skip
        if compiled.only_text is not None:
            text = compiled.only_text.render(scope)
            said = _Said(_encode(_TextBody(text, to)), text)
        else:
            assert links is not None
            said = self._say(compiled, scope, links, run, to, language, due_at, zone or self._zone)
        leaves = links.unsubscribe() if links is not None and self._base_url else ""
        reference = self._reference(contact_id, run_id)
        key = f"{contact_id}:{run_id}:{step}"
        if again or self._channel is Channel.ROBOT_CALL:  # to the service this is another one
            key = f"{key}:{due_at}"
        outgoing = Outgoing(
            reference, key, self._channel,
            to, self._now, self._class, said.subject, said.html, said.text, said.say, said.script, self._keys,
            said.buttons, said.media,
            self._status_url, leaves, valid_for_ms, str(attributes.get("name", "")), language, said.approved,
            open_until, said.files, said.invite,
        )  # fmt: skip
        price = self._fixed
        if price is None:
            price = self._price(run, to, said)
        return outgoing, said.body.decode(), price

    def _own_scope(
        self, compiled: CompiledContent, scope: dict[str, Any], run: Run, language: str, due_at: int,
        zone: str | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return what the texts may look at, with what is the person's own or this message's."""
        if compiled.local:
            own = compiled.language or language or NOWHERE.language
            scope = {**scope, HERE: Here(own, zone or self._zone, self._now)}
        if compiled.invites:
            world, message = self._world, (run.contact_id, run.id, self._step)
            invitations = Invitations(self._tx, world.accounts.by_channel, world.hash_key, message, due_at)
            scope = {**scope, "opt_in": invitations}
        return scope

    def _say(
        self, compiled: CompiledContent, scope: dict[str, Any], links: LinkMaker, run: Run, to: str,
        language: str, due_at: int, zone: str,
    ) -> _Said:  # fmt: skip
        """Return the words of a message that is more than one text, and keep its short links."""
        files: tuple[File, ...] = ()
        invite: Invite | None = None
        encloses = compiled.encloses
        if encloses is not None:
            expires_at = due_at + self._life_ms
            scope = {**scope, **self._enclosures.links(encloses, run, self._step, expires_at)}
            files, invite = self._enclosures.enclose(encloses, scope, run, zone)
        words = compiled.render(scope, links, by_name=self._by_name)
        subject, html, text, say, script, buttons, media, urls, approved = astuple(words)
        if say:
            say = self._spoken(say, language)
        if self._short_url:
            self._short_links += [
                (run.contact_id, run.id, self._step, index, links.code(index), links.expires_at)
                for index in range(len(urls))
            ]
        if approved is not None:
            known = self._texts.get((approved.name, approved.language))
            approved, told = filled(approved, known)
            body = _encode(_Body(text=told, buttons=buttons, links=urls, approved=approved, to=to))
        else:
            body = _encode(_Body(
                subject, html, text, say, script, buttons, media, urls, to=to,
                files=tuple([file.name for file in files]), invited_for=invite.starts_at if invite else 0,
            ))  # fmt: skip
        return _Said(body, text, subject, html, say, script, buttons, media, approved, files, invite)

    def _price(self, run: Run, to: str, said: _Said) -> int:
        """Return what a message costs, in minor units, where that depends on what it says and to whom."""
        parts = sms.parts(said.text) if self._channel is Channel.SMS else 1
        # Of those who enter on one day one follows the other, whom another day and step begin elsewhere.
        number = run.contact_id + 61 * (run.id // 86_400 + self._step)
        category = category_of(self._texts, said.approved)
        return self._tariff.minor(to, self._class, category, parts, number, self._now)

    def _spoken(self, say: str, language: str) -> str:
        """Return what the robot says as the account's service takes it."""
        able = self._world.accounts.capabilities[self._account_id]
        return marked(say, language) if able.ssml else plain(say)


class Question(Page):
    """Of messages that ask to confirm a sign-up: what confirms it is in the message, not in what is kept."""

    def write(
        self, run: Run, to: str, scope: dict[str, Any], attributes: Mapping[str, Any], language: str,
        tracking: bool, valid_for_ms: int, due_at: int, open_until: int = 0, zone: str | None = None,
        again: bool = False,
    ) -> tuple[Outgoing, str, int]:  # fmt: skip
        """Return what `Page.write` does, written twice; raises RenderError."""
        trigger = scope["trigger"]
        known, hidden = secrets_of(self._tx, self._world, run.contact_id, to, trigger)
        more = attributes, language, tracking, valid_for_ms, due_at, open_until, zone, again
        links = len(self._short_links)
        _, body, _ = super().write(run, to, {**scope, "trigger": trigger | hidden}, *more)
        del self._short_links[links:]
        outgoing, _, price = super().write(run, to, {**scope, "trigger": trigger | known}, *more)
        return outgoing, body, price


class Writer:
    """Writes messages of one tick."""

    def __init__(
        self, world: World, tx: Transaction, now: int, short_links: list[Row], sums: Sums,
        runs: Sequence[Run],
    ) -> None:  # fmt: skip
        self._world, self._tx, self._now = world, tx, now
        self._sums: Sums | None = sums  # None: they are locked, and a budget may be looked at
        self._runs = runs  # those of the tick: all whose sums it may still change
        self._short_links = short_links  # those of what was written are added here
        self._purse = Purse(world, now)
        spending = world.money.spending
        self._till = None if spending is None else Till(tx, spending, world.accounts, now)
        self._addresses: set[tuple[int, str, str]] = set()
        self._pages: dict[tuple[int, int, int | None, int, int, bool], Page] = {}

    def page(self, version: Version, send: Send) -> Page:
        """Return what messages like this one have in common."""
        key = (version.id, send.step, send.variant, send.channel, send.account_id, send.by_name)
        page = self._pages.get(key)
        if page is None:
            asks = version.cascade.trigger.event == REQUESTED
            made = Question if asks else Page
            page = self._pages[key] = made(self._world, self._tx, version, send, self._now, self._short_links)
        return page

    def write(
        self, version: Version, run: Run, send: Send, passages: Passages, person: Person,
        properties: Mapping[str, Any], shared: bool, valid_for_ms: int, due_at: int,
    ) -> Written | Refusal:  # fmt: skip
        """Return the message ready to go, or why it cannot be written or paid."""
        once = (run.cascade_id, version.cascade.steps[send.step].id, send.to)
        if shared and once in self._addresses:
            return Refusal(SkipReason.DUPLICATE_ADDRESS, "")
        before = passages.get(send.step)
        scope: dict[str, Any] = {"contact": person.attributes, "trigger": properties, "run": run_scope(run)}
        if version.uses_steps:
            scope["steps"] = steps_scope(version, passages)
        try:
            outgoing, body, price = self.page(version, send).write(
                run, send.to, scope, person.attributes, person.language, person.tracking, valid_for_ms,
                due_at, send.open_until, person.zone, before is not None and before.again,
            )  # fmt: skip
        except RenderError as problem:
            return Refusal(SkipReason.NO_TEMPLATE, str(problem))
        more = max(0, price - (before.price if before else 0))  # another attempt costs no other price
        refusal = self.over_budget(version, send, passages, more)
        if refusal is not None:
            return refusal
        if shared:
            self._addresses.add(once)
        return Written(outgoing, body, price, more)

    def over_budget(self, version: Version, send: Send, passages: Passages, more: int) -> Refusal | None:
        """Reserve `more` if the cascade's budget and the contact's allow it; else return why they do not."""
        budget = version.cascade.budget
        if self._sums is not None and (budget.total is not None or self._till is not None):
            # Written of what has come in: what goes out in this tick, purse and till know.
            self._sums.lock(self._tx, {run.cascade_id for run in self._runs})
            self._sums = None
        account, limit = self._world.accounts[send.account_id], budget.total or budget.per_contact
        amount: Decimal | None = Decimal(more)
        if limit is not None and account.price is not None:
            amount = self._purse.amount(account.id, self._now, more, limit.currency)
        if limit is not None and amount is None:
            paid = account.price.currency if account.price else ""
            told = f"{account.name} takes {paid}, the budget is in {limit.currency}: no rate between them"
            return Refusal(SkipReason.OVER_BUDGET, told)
        assert amount is not None
        if budget.per_contact is not None:
            spent = self._purse.of_contact(passages, budget.per_contact.currency)
            if spent is None or spent + amount > budget.per_contact.minor:
                return Refusal(SkipReason.OVER_BUDGET, "")
        if budget.total is not None:
            held = self._purse.of_cascade(self._tx, version.cascade_id, budget.total.currency)
            if held is None or held + amount > budget.total.minor:
                return Refusal(SkipReason.OVER_BUDGET, "")
        again_at = None if self._till is None else self._till.take(account, more)
        if again_at is not None:
            told = f"{account.name} has no budget left until then"
            return Refusal(SkipReason.OVER_BUDGET, told, again_at)
        if budget.total is not None:  # only what all allow is taken from any
            self._purse.take(version.cascade_id, amount, budget.total.currency)
        return None


def allocate(world: World, wanted: Sequence[tuple[int, int, int, int]], now: int) -> set[int]:
    """Return the indexes of those (account, lane, due_at, order) that may go now: best lane first, then
    oldest."""
    counts = Counter([account_id for account_id, *_ in wanted])
    limits = world.traffic.limits
    free = {account_id: limits[account_id].grant(now, count) for account_id, count in counts.items()}
    if all(free[account_id] >= count for account_id, count in counts.items()):
        return set(range(len(wanted)))
    chosen = set()
    for index in sorted(range(len(wanted)), key=lambda i: wanted[i][1:]):
        account_id = wanted[index][0]
        if free[account_id] > 0:
            free[account_id] -= 1
            chosen.add(index)
    return chosen
