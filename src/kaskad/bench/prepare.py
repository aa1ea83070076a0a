"""What the benchmark finds in its database: people who have agreed, accounts, a cascade, a stated policy."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from kaskad.domain.policy import CAPS, WINDOWS, Days, PerClass, Policy
from kaskad.domain.terms import Channel, MessageClass
from kaskad.engine.catalog import POLICY
from kaskad.store import accounts, cascades, contacts, settings
from kaskad.store.db import Database
from kaskad.store.vault import Vault

CHANNELS = (Channel.WHATSAPP, Channel.VIBER, Channel.VK, Channel.FACEBOOK_MESSENGER)
ACCOUNTS = (1, 2, 3, 4)  # of these channels
SECRET = "a secret of the benchmark's accounts"
SIGNING = b"a key of a benchmark's database."
TIMEOUT_MS = 1_000
_BATCH = 5_000
_PROOF = '{"act":"form","text":"Yes, send me offers","language":"en","source":"https://shop.example.org/"}'


def policy() -> Policy:
    """Return the policy: every default window and cap is asked and lets all pass; no gaps, no hold-outs.

    With the real ones CASCADE-4 would take days: its steps are a second apart, at any hour.
    """
    open_always = tuple(msgspec.structs.replace(w, hours=("00:00-24:00",), days=Days.EVERY) for w in WINDOWS)
    generous = tuple(msgspec.structs.replace(cap, limit=1_000) for cap in CAPS)
    return Policy(windows=open_always, caps=generous, window_jitter_ms=0, min_gap_ms=PerClass(),
                  run_gap_ms=PerClass(), holdout=PerClass())  # fmt: skip


def vault() -> Vault:
    """Return what keeps the secrets of the benchmark's accounts."""
    return Vault(["the key of a benchmark's database, of no worth"])


def definition() -> str:
    """Return the text of CASCADE-4."""
    return (files("kaskad.bench") / "cascade4.yaml").read_text("utf-8")


def prepare(
    db: Database, vault: Vault, count: int, url: str, concurrency: int, text: str | None = None
) -> int:
    """Fill an empty database; return the id of the cascade's version. Contacts get the ids 1 to `count`.

    `text` is the cascade's definition where it is not that of CASCADE-4.
    """
    with db.write() as tx:
        settings.put(tx, POLICY, policy())
        version = cascades.save_version(tx, "cascade-4", definition() if text is None else text, 1)
        cascades.set_state(tx, version.cascade_id, "active", 1)
        ids = [accounts.save(tx, vault, _account(channel, url, concurrency)) for channel in CHANNELS]
        if tuple(ids) != ACCOUNTS:
            raise RuntimeError("accounts of an empty database must be numbered from 1")
    for first in range(1, count + 1, _BATCH):
        people = [_contact(number) for number in range(first, min(first + _BATCH, count + 1))]
        with db.write() as tx:
            made = contacts.upsert(tx, b"k" * 32, people, 1)
        if made != list(range(first, first + len(people))):
            raise RuntimeError("contacts of an empty database must be numbered from 1")
    return version.id


def _account(channel: Channel, url: str, concurrency: int) -> accounts.Account:
    return accounts.Account(
        name=f"bench-{channel}", provider="generic_webhook", channel=channel, settings={"url": url},
        secrets={"secret": SECRET}, prices={"minor": 150, "currency": "KZT"},
        limits={"concurrency": concurrency, "per_second": 1e6, "burst": 1_000_000},
    )  # fmt: skip


def _contact(number: int) -> contacts.Contact:
    consent = contacts.Consent(granted=True, at=1, purpose=MessageClass.ADVERTISING.code, proof=_PROOF)
    return contacts.Contact(
        external_id=f"c{number}", zone="Asia/Almaty", language="en", country="KZ",
        attributes={"name": f"Person {number}"}, consents=[consent],
        addresses=[contacts.Address(channel, f"{channel.code}-{number}") for channel in CHANNELS],
    )  # fmt: skip
