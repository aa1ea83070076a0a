"""Hand-over: from a decision to send to the words, the price and a free slot of the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain import sms
from kaskad.domain.content import LinkMaker, Rendered
from kaskad.domain.money import price_of
from kaskad.domain.run import Passages, Run, Send
from kaskad.domain.scope import run_scope, steps_scope
from kaskad.domain.template import RenderError
from kaskad.domain.terms import Channel, MessageState, SkipReason
from kaskad.domain.version import Version
from kaskad.engine.look import Person
from kaskad.engine.world import World
from kaskad.providers.base import Outgoing
from kaskad.store.db import Transaction

_CHANNELS = {channel.code: channel for channel in Channel}
_encode = msgspec.json.Encoder().encode


class _Body(Rendered, frozen=True, omit_defaults=True, gc=False):
    """What is kept of a message: what it said, where its links lead, where it went."""

    to: str = ""


class Written(Struct, frozen=True, gc=False):
    """A message with its words; `price` in minor units, of which `more` was not reserved before."""

    outgoing: Outgoing
    body: str
    price: int
    more: int


class Refusal(Struct, frozen=True):
    """The step cannot be sent after all."""

    reason: SkipReason
    detail: str


class Writer:
    """Writes messages of one tick."""

    def __init__(self, world: World, tx: Transaction, now: int) -> None:
        self._world, self._tx, self._now = world, tx, now
        self._reserved: dict[int, int] = {}
        self._addresses: set[tuple[int, int, str]] = set()

    def write(
        self, version: Version, run: Run, send: Send, passages: Passages, person: Person,
        properties: Mapping[str, Any], shared: bool, valid_for_ms: int, due_at: int,
    ) -> Written | Refusal:  # fmt: skip
        """Return the message ready to go, or why it cannot be written or paid.

        Its links live from `due_at`, the same for each attempt: providers refuse another text under one key.
        """
        once = (version.id, send.step, send.to)
        if shared and once in self._addresses:
            return Refusal(SkipReason.DUPLICATE_ADDRESS, "")
        links = LinkMaker(
            self._world.signer, self._world.options.base_url, run.contact_id, run.id, send.step,
            due_at + self._world.options.link_life_ms, person.tracking,
        )  # fmt: skip
        compiled = self._world.content(version, send.step, send.variant, send.channel)
        scope: dict[str, Any] = {"contact": person.attributes, "trigger": properties, "run": run_scope(run)}
        if version.uses_steps:
            scope["steps"] = steps_scope(version, passages)
        try:
            words = compiled.render(scope, links)
        except RenderError as problem:
            return Refusal(SkipReason.NO_TEMPLATE, str(problem))
        price = self._price(send, words)
        before = passages.get(send.step)
        more = max(0, price - (before.price if before else 0))  # another attempt costs no other price
        refusal = self._over_budget(version, send, passages, more)
        if refusal is not None:
            return refusal
        if shared:
            self._addresses.add(once)
        outgoing = self._outgoing(version, run, send, words, person, links, valid_for_ms)
        body = _encode(_Body(
            words.subject, words.html, words.text, words.say, words.script, words.buttons, words.media,
            words.links, send.to,
        )).decode()  # fmt: skip
        return Written(outgoing, body, price, more)

    def _outgoing(
        self, version: Version, run: Run, send: Send, words: Rendered, person: Person, links: LinkMaker,
        valid_for_ms: int,
    ) -> Outgoing:  # fmt: skip
        base_url = links.base_url
        return Outgoing(
            reference=self._world.signer.reference(run.contact_id, run.id, send.step),
            key=f"{run.contact_id}:{run.id}:{send.step}",
            channel=_CHANNELS[send.channel],
            to=send.to,
            at=self._now,
            message_class=version.cascade.message_class,
            subject=words.subject,
            html=words.html,
            text=words.text,
            say=words.say,
            script=words.script,
            keys=version.cascade.steps[send.step].keys,
            buttons=words.buttons,
            media=words.media,
            status_url=self._world.status_urls[send.account_id],
            unsubscribe_url=links.unsubscribe() if base_url else "",
            valid_for_ms=valid_for_ms,
            contact_name=str(person.attributes.get("name", "")),
            language=person.language,
        )

    def _price(self, send: Send, words: Rendered) -> int:
        price = self._world.accounts[send.account_id].price
        if price is None:
            return 0
        return price_of(price, sms.parts(words.text) if price.per == "part" else 1).minor

    def _over_budget(self, version: Version, send: Send, passages: Passages, more: int) -> Refusal | None:
        """Reserve `more` if the cascade's budget and the contact's allow it; else return why they do not."""
        budget = version.cascade.budget
        account, limit = self._world.accounts[send.account_id], budget.total or budget.per_contact
        if limit is not None and account.price is not None and account.price.currency != limit.currency:
            told = f"{account.name} takes {account.price.currency}, the budget is in {limit.currency}"
            return Refusal(SkipReason.OVER_BUDGET, told)
        if budget.per_contact is not None:
            spent = sum(p.price for p in passages.values() if p.state != MessageState.REJECTED.code)
            if spent + more > budget.per_contact.minor:
                return Refusal(SkipReason.OVER_BUDGET, "")
        if budget.total is not None:
            if version.cascade_id not in self._reserved:
                row = self._tx.one("reserved_money", id=version.cascade_id)
                self._reserved[version.cascade_id] = row[0] if row else 0
            if self._reserved[version.cascade_id] + more > budget.total.minor:
                return Refusal(SkipReason.OVER_BUDGET, "")
            self._reserved[version.cascade_id] += more
        return None


def allocate(world: World, wanted: Sequence[tuple[int, int, int]], now: int) -> set[int]:
    """Return the indexes of those (account, lane, due_at) that may go now: best lane first, then oldest."""
    counts = Counter(account_id for account_id, _, _ in wanted)
    free = {account_id: world.limits[account_id].grant(now, count) for account_id, count in counts.items()}
    if all(free[account_id] >= count for account_id, count in counts.items()):
        return set(range(len(wanted)))
    chosen = set()
    for index in sorted(range(len(wanted)), key=lambda i: wanted[i][1:]):
        account_id = wanted[index][0]
        if free[account_id] > 0:
            free[account_id] -= 1
            chosen.add(index)
    return chosen
