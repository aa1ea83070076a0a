"""Providers' accounts: saved, shown with how they do, tried out, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kaskad.actions import at_once
from kaskad.actions.guard_counts import forgive
from kaskad.actions.office import Office
from kaskad.actions.stranded import cascades_that_need
from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.terms import Channel, Reason
from kaskad.domain.worded import worded
from kaskad.engine.account_form import AccountForm
from kaskad.engine.catalog import to_send_by
from kaskad.engine.trial import Trial, TrialMessage, send_trial
from kaskad.providers import PROVIDERS, provider
from kaskad.providers.apprise import Apprise
from kaskad.providers.base import Provider
from kaskad.providers.evidence import evidence
from kaskad.store import accounts as account_store
from kaskad.store import crm, holds
from kaskad.store import prices as price_store
from kaskad.store.accounts import Account
from kaskad.store.db import Transaction
from kaskad.store.holds import Held

HOUR_MS = 3_600_000
MOST_FAILURES = 1_000  # of the last hour; more are not counted


class Failure(Struct, frozen=True):
    """Why the service did not take a message, in our word and in its own; `detail` goes after a time."""

    at: int
    reason: Reason
    detail: str


class Doing(Struct, frozen=True):
    """How an account does now. `breaker`: closed, open, probing or held; "" where this process sends nothing.

    `trouble`: why its service cannot be set up or polled; "" where all is well. `failed` are the hand-overs
    of the last hour that were refused or lost.
    """

    queued: int
    in_flight: int
    breaker: str
    open_until: int | None
    trouble: str
    failed: int
    last_failure: Failure | None
    held: Held | None = None
    silent: bool = False  # it is asked, has taken nothing for half a minute, and did not fail often enough


class Shown(Struct, frozen=True):
    """An account, the address for its provider's webhooks, and how it does."""

    account: Account
    webhook_url: str
    doing: Doing


def providers() -> list[Provider]:
    """Return every provider that has cases, or needs none, by name."""
    return [PROVIDERS[name] for name in sorted(PROVIDERS) if evidence(name).cases or PROVIDERS[name].own]


def listing(office: Office) -> list[Shown]:
    """Return all accounts, in the order in which they are asked."""
    with office.read() as tx:
        kept = account_store.all_accounts(tx, office.vault)
        queued = account_store.queue_lengths(tx)
        held = holds.load(tx)
        failed = {account.id: _failures(tx, account.id, office.now() - HOUR_MS) for account in kept}
    return [
        _shown(office, account, queued.get(account.id, 0), *failed[account.id], held.get(account.id))
        for account in kept
    ]


def senders(office: Office) -> list[Account]:
    """Return the accounts that send letters and say whom they come from; how they do is not looked at."""
    with office.read() as tx:
        kept = account_store.all_accounts(tx, office.vault)
    return [each for each in kept if each.channel is Channel.EMAIL and "sender" in each.settings]


def get(office: Office, name: str) -> Shown:
    """Return one account; raises NotFound."""
    for shown in listing(office):
        if shown.account.name == name:
            return shown
    raise NotFound(worded("There is no account %(name)r: `kaskad account list` shows them.", name=name))


def save(office: Office, name: str, told: Mapping[str, Any], *, sandboxed: bool = False) -> Shown:
    """Keep an account under its name, new or in place of the one that has it; raises Invalid.

    `told` is what `engine.account_form` reads. Secrets that are left out stay as they are. Unless it leads to
    the sandbox or to people of your own, hours and caps hold from now on that were set aside for a try there.
    """
    with office.read() as tx:
        known = {account.name: account for account in account_store.all_accounts(tx, office.vault)}
    form = AccountForm()
    account = form.read({**told, "name": name}, known.get(name))
    if account is None:
        raise Invalid(form.problems, form.pointers)
    _refuse_another_currency(office, account, known.get(name))
    if not sandboxed and leads_out(account):
        at_once.end(office)
    office.write(lambda tx: account_store.save(tx, office.vault, account))
    office.reload()
    return get(office, name)


def leads_out(account: Account) -> bool:
    """Say whether messages of an account leave the installation: a desk's are tasks of people of your own."""
    known = PROVIDERS.get(account.provider)
    return known is None or not known.own


def enable(office: Office, name: str, enabled: bool) -> Shown:
    """Let messages go through an account, or from now on no more: they take another. Raises NotFound."""
    get(office, name)
    office.write(lambda tx: account_store.enable(tx, name, enabled))
    office.reload()
    return get(office, name)


def set_sender(office: Office, name: str, sender: str, reply_to: str) -> Shown:
    """Say whom letters of a mail account come from, and where answers go; raises NotFound, Invalid."""
    account = get(office, name).account
    known = {setting.name for setting in provider(account.provider).settings}
    if account.channel is not Channel.EMAIL or "sender" not in known:
        raise Invalid([worded("%(name)s sends no letters.", name=name)])
    told = {"sender": sender.strip(), "reply_to": reply_to.strip()}
    problems: list[tuple[str, str]] = []
    if reply_to.strip() and "reply_to" not in known:
        problems.append((worded("%(name)s takes no other address for answers.", name=name), "/reply_to"))
    if reply_to.strip() and not _is_mail(parseaddr(reply_to)[1]):
        problems.append((worded("Write an address such as Shop <hello@example.org>."), "/reply_to"))
    changed = replace(
        account, settings={**account.settings, **{key: told[key] for key in told if key in known}}
    )
    if not _is_mail(parseaddr(sender)[1]) or provider(account.provider).check(to_send_by(changed)):
        problems.append((worded("Write an address such as Shop <hello@example.org>."), "/sender"))
    if problems:
        raise Invalid([text for text, _ in problems], [pointer for _, pointer in problems])
    office.write(lambda tx: account_store.save(tx, office.vault, changed))
    office.reload()
    return get(office, name)


def _is_mail(address: str) -> bool:
    try:
        normalise(Channel.EMAIL, address)
    except BadAddress:
        return False
    return True


def delete(office: Office, name: str, force: bool = False) -> None:
    """Let nothing go through an account any more; what went stays in the reports.

    Raises NotFound; unless `force`, Conflict where a step of an active cascade names it, or where people are
    under way whom no other enabled account could send their next steps.
    """
    account = get(office, name).account
    if not force:
        _refuse_what_is_needed(office, account)

    def gone(tx: Transaction) -> None:
        account_store.delete(tx, office.vault, name, office.now())
        price_store.delete(tx, account.id)
        crm.forget(tx, account.id)
        holds.drop(tx, account.id)

    office.write(gone)
    office.reload()


def address_at(account: Account, to: str) -> str:
    """Return an address as an account's channel knows it; services behind Apprise have their own.

    Raises BadAddress.
    """
    text = to.strip()
    if account.provider == Apprise.name and account.channel is not Channel.EMAIL:
        if not text:
            raise BadAddress(worded("Say at which address."))
        return text
    return normalise(account.channel, text)


def try_out(office: Office, name: str, message: TrialMessage) -> Trial:
    """Send one real message through an account, also a disabled one; raises NotFound, Invalid."""
    shown = get(office, name)
    account = to_send_by(shown.account)
    if provider(account.provider).own:
        raise Invalid(
            [
                worded(
                    "%(name)s sends nothing outside, so there is nothing to test: `kaskad task list` shows "
                    "it.",
                    name=name,
                )
            ]
        )
    try:
        to = address_at(shown.account, message.to)
    except BadAddress as error:
        raise Invalid([str(error)]) from None
    told = TrialMessage(to, message.subject, message.text, message.html, message.say)
    return send_trial(account, told, office.signer, office.now, shown.webhook_url)


def resume(office: Office, name: str, *, by: str = "") -> Shown:
    """Let an account send again that was held; raises NotFound, and Conflict for one that is not held.

    Where a guardrail holds it, `by` has looked: it watches anew from here.
    """
    shown = get(office, name)
    forgive(office, account_id=shown.account.id, by=by)
    if not office.write(lambda tx: holds.drop(tx, shown.account.id)):
        raise Conflict(
            worded("%(name)r is not held: `kaskad account show %(name)s` tells how it does.", name=name)
        )
    office.reload()
    return get(office, name)


def _failures(tx: Transaction, account_id: int, since: int) -> tuple[int, Failure | None]:
    """Return how many hand-overs were refused or lost since an instant, and the last of all times."""
    row = tx.one("count_failures", account_id=account_id, since=since, most=MOST_FAILURES)
    last = tx.one("last_failure", account_id=account_id)
    return int(row[0]) if row else 0, Failure(last[0], Reason.of(last[1]), last[2]) if last else None


def _shown(
    office: Office, account: Account, queued: int, failed: int, last: Failure | None, held: Held | None
) -> Shown:
    world = office.engine.world
    url = f"{office.base_url}/hooks/{account.name}" if office.base_url else ""
    limits = world.traffic.limits.get(account.id)
    breaker, open_until = "", None
    if limits is not None and world.options.moves:
        open_until = limits.breaker.open_until
        breaker = "closed" if open_until is None else "probing" if limits.breaker.probing else "open"
    if held is not None:
        breaker, open_until = "held", None
    trouble = world.traffic.troubles.get(account.name, "")
    under_way, silent = world.traffic.under_way[account.id], False
    if limits and account.id in world.accounts.desks:
        under_way = limits.in_flight
    elif limits:
        silent = limits.silent(office.now())
    doing = Doing(queued, under_way, breaker, open_until, trouble, failed, last, held, silent)
    return Shown(account, url, doing)


def _refuse_another_currency(office: Office, account: Account, known: Account | None) -> None:
    """Raise Invalid where an account's price would no longer be in the currency of its price list."""
    with office.read() as tx:
        kept = price_store.all_lists(tx).get(known.id) if known else None
    currency = account.prices.get("currency")
    if kept is not None and currency != kept.currency:
        raise Invalid(
            [worded("Account %(name)r has a price list in %(currency)s: give its price in that too, or take "
                    "the list away first with `kaskad account prices clear %(name)s`.",
                    name=account.name, currency=kept.currency)],
            ["/price"],
        )  # fmt: skip


def _refuse_what_is_needed(office: Office, account: Account) -> None:
    """Raise Conflict for an account that cascades could not do without."""
    name, channel = account.name, account.channel.value
    if naming := _steps_that_name(office, name):
        raise Conflict(
            worded(
                "%(name)r carries %(steps)s: let these steps name another account first, or none.",
                name=name,
                steps=", ".join(naming),
            )
        )
    with office.read() as tx:
        needing = cascades_that_need(tx, office.engine.world, account)
    if needing:
        raise Conflict(
            worded(
                "People are under way in %(cascades)s whose %(channel)s steps no enabled account but "
                "%(name)r can send. Add or enable another %(channel)s account, or wait until these runs have "
                "ended; --force (over the API ?force=true) deletes it all the same.",
                cascades=", ".join(map(repr, needing)),
                channel=channel,
                name=name,
            )
        )


def _steps_that_name(office: Office, name: str) -> list[str]:
    """Return the steps of current versions that only this account carries, in words."""
    world = office.engine.world
    found: list[str] = []
    for cascade in list(world.cascades.values()):
        version = world.versions.get(cascade.version_id or 0)
        if version is not None and cascade.state in ("active", "paused"):
            steps = [step.id for step in version.cascade.steps if step.account == name]
            found += [
                worded("step %(step)r of cascade %(slug)r", step=step, slug=cascade.slug) for step in steps
            ]
    return found
