"""The real transport against the sandbox: accounts as it gives them, letters carried, webhooks believed."""

from __future__ import annotations

import asyncio

import httpx2
import msgspec

from kaskad.engine.account_file import read_accounts
from kaskad.engine.carrier import Carrier
from kaskad.engine.parcel import Parcel, Result
from kaskad.providers import provider
from kaskad.providers.base import Account, Inbound, Outgoing, Receipt, Request
from kaskad.sandbox.serve import Sandbox
from support.world import Arrival, Receiver


def account_of(sandbox: Sandbox, name: str, **settings: str) -> Account:
    """Return one of the sandbox's accounts as the engine has it, with other settings where given."""
    told = [account for account in sandbox.accounts() if account["provider"] == name]
    (account,) = read_accounts(msgspec.json.encode({"accounts": told}).decode(), "sandbox", {})
    secret = {one.name for one in provider(name).settings if one.secret}
    secrets = {key: value for key, value in settings.items() if key in secret}
    plain = {key: value for key, value in settings.items() if key not in secret}
    return Account(
        1, account.name, name, account.channel, {**account.settings, **plain}, {**account.secrets, **secrets}
    )


def carry(sandbox: Sandbox, account: Account, *letters: Outgoing, timeout_s: float = 10.0) -> list[Result]:
    """Return how each message ended, carried by the real transport; the clock is the sandbox's."""
    results: list[Result] = []

    async def go() -> None:
        clock = sandbox.world.pace.now
        carrier = Carrier({1: account}, clock, results.extend, timeout_s=timeout_s)
        timed = [msgspec.structs.replace(letter, at=clock()) for letter in letters]
        carrier.take([Parcel(1, 1, step, 1, 1, letter) for step, letter in enumerate(timed)])
        while len(results) < len(letters):
            await asyncio.sleep(0.01)
        await carrier.stop(5)

    asyncio.run(go())
    return sorted(results, key=lambda result: result.step)


def hook_of(receiver: Receiver, account: Account, arrival: Arrival) -> Request:
    """Return a webhook as the engine hands it to the provider, with the key that it names."""
    hook = Request("POST", receiver.url + arrival.path, arrival.headers, arrival.body)
    wanted = provider(account.provider).key_request(hook, account)
    if wanted is not None:
        key = httpx2.get(wanted.url, trust_env=False).raise_for_status().content
        hook = msgspec.structs.replace(hook, key=key)
    return hook


def heard(sandbox: Sandbox, receiver: Receiver, account: Account) -> list[Receipt | Inbound]:
    """Return what has been told so far; raises BadSignature for what is not the service's."""
    carrying = provider(account.provider)
    told: list[Receipt | Inbound] = []
    for arrival in receiver.at(f"/hooks/{account.name}"):
        hook = hook_of(receiver, account, arrival)
        if not arrival.believed:  # some signatures are too old soon, where time runs fast
            carrying.verify_webhook(hook, account, sandbox.world.pace.now())
            arrival.believed = True
        read = carrying.read_webhook(hook, account)
        told += read
        for request in carrying.follow_up(read, account):
            httpx2.get(request.url, trust_env=False).raise_for_status()
    return told
