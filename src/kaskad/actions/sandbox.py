"""A local world to try cascades against, inside of the running server: opened, looked into, closed.

Opening it saves accounts that lead to it; closing it takes them away. It knows the contacts of this
installation: whoever is written to has a phone, on which one can be that person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kaskad.actions import accounts, at_once, brand
from kaskad.actions.office import Office
from kaskad.actions.playground import Resident
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.store import cards
from kaskad.store import settings as setting_store

log = get_logger(__name__)

SETTING = "sandbox"
THEIR_NAME = "The shop"  # how the sandbox's own sender is called
LIMITS = {
    "concurrency": 16,
    "per_second": 100,
    "burst": 100,
}  # it is on this machine; real services take less


class Kept(Struct, frozen=True):
    """What is remembered of an open sandbox: the accounts that were saved for it; of a closed one nothing."""

    accounts: tuple[str, ...] = ()


class State(Struct, frozen=True):
    """How the sandbox stands. `possible`: this process can run one."""

    open: bool
    url: str
    accounts: tuple[str, ...]
    possible: bool
    at_once: bool  # messages go at once: no hours, gaps and caps


def show(office: Office) -> State:
    """Return whether the sandbox is open, where, and which accounts lead to it."""
    kept = _kept(office)
    running = office.playground
    url = running.url if running is not None else ""
    return State(bool(kept.accounts), url, kept.accounts, running is not None, at_once.is_on(office))


def open_up(office: Office, currency: str = "", *, hurry: bool = False) -> State:
    """Open the sandbox and save its accounts, with prices in `currency`; may be called twice.

    `hurry`: let messages go at once (`at_once.py`), where no account leads elsewhere. Raises Conflict where
    this process runs none, or an account of yours has a name that it needs.
    """
    running = office.playground
    if running is None:
        raise Conflict(worded("The sandbox runs inside of `kaskad serve`: start that, then open it."))
    kept = _kept(office)
    found = running.open(office.base_url, lambda channel, address: _whose(office, channel, address))
    names = tuple(str(told["name"]) for told in found)
    other = [each.account for each in accounts.listing(office) if each.account.name not in kept.accounts]
    theirs = {account.name for account in other}
    if taken := sorted(theirs & set(names)):
        running.close()
        raise Conflict(
            worded(
                "The sandbox needs accounts named %(known)s, and you have such: delete them "
                "first, or run `kaskad sandbox` beside this installation.",
                known=", ".join(taken),
            )
        )
    sender = brand.show(office)
    for told in found:
        account = _account(told, currency or sender.currency, sender.name)
        accounts.save(office, str(told["name"]), account, sandboxed=True)
    office.write(lambda tx: setting_store.put(tx, SETTING, Kept(names)))
    if hurry and not any(map(accounts.leads_out, other)):
        at_once.begin(office)
    return show(office)


def close(office: Office) -> State:
    """Close the sandbox and delete its accounts; what was sent stays in the reports. May be called twice."""
    kept = _kept(office)
    at_once.end(office)
    for name in kept.accounts:
        try:
            accounts.delete(office, name, force=True)
        except NotFound:  # somebody has deleted it by hand
            continue
    office.write(lambda tx: setting_store.put(tx, SETTING, Kept()))
    if office.playground is not None:
        office.playground.close()
    return show(office)


def resume(office: Office) -> None:
    """Open the sandbox again after a start, where it was open before; what goes wrong is logged."""
    if office.playground is None or not _kept(office).accounts:
        return
    try:
        open_up(office)
    except Exception as error:  # the installation must run without its sandbox
        log.error("the sandbox was not opened again", error=type(error).__name__, detail=str(error))


def phone(office: Office, contact_id: int) -> str:
    """Return the address of a contact's phone; raises NotFound, and Conflict where the sandbox is closed."""
    running = office.playground
    if running is None or not running.url:
        raise Conflict(worded("The sandbox is closed: open it first."))
    found = _resident(office, contact_id)
    if found is None:
        raise NotFound(worded("There is no contact %(contact)s.", contact=contact_text(contact_id)))
    return running.phone(found)


def _kept(office: Office) -> Kept:
    with office.read() as tx:
        return setting_store.get(tx, SETTING, Kept) or Kept()


def _account(told: Mapping[str, Any], currency: str, sender: str) -> dict[str, Any]:
    """Return an account as `accounts.save` takes it: settings and secrets apart; the sender is ours."""
    secret = {one.name for one in provider(told["provider"]).settings if one.secret}
    values = {name: str(value) for name, value in told["settings"].items()}
    if sender and values.get("sender", "").startswith(THEIR_NAME):
        values["sender"] = values["sender"].replace(THEIR_NAME, sender, 1)
    price = str(told["price"])
    return {
        "provider": told["provider"],
        "settings": {name: value for name, value in values.items() if name not in secret},
        "secrets": {name: value for name, value in values.items() if name in secret},
        "price": price.replace(" KZT", f" {currency}") if currency else price,
        "limits": LIMITS,
    }


def _whose(office: Office, channel: str, address: str) -> Resident | None:
    codes = {each.value: each.code for each in Channel}
    if channel not in codes:
        return None
    with office.read() as tx:
        row = tx.one("contact_by_address", channel=codes[channel], value=address)
    return None if row is None else _resident(office, int(row[0]))


def _resident(office: Office, contact_id: int) -> Resident | None:
    with office.read() as tx:
        card = cards.card(tx, contact_id)
        known = cards.addresses(tx, contact_id) if card else []
    if card is None:
        return None
    reached = {each.channel.value: each.value for each in reversed(known)}
    name = str(card.attributes.get("name", ""))
    return Resident(contact_text(contact_id), name, card.language or "", card.zone or "", reached)
