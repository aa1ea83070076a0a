"""Accounts keep their secrets to themselves."""

from kaskad.domain.terms import Channel
from kaskad.store.accounts import Account, all_accounts, save
from kaskad.store.db import Database
from kaskad.store.vault import Vault

VAULT = Vault(["k" * 32])
SMTP = Account(
    name="mail",
    provider="smtp",
    channel=Channel.EMAIL,
    settings={"host": "smtp.example.org"},
    secrets={"password": "swordfish"},
    limits={"concurrency": 4, "per_second": 2.5},
    prices={"price": {"minor": 3, "currency": "KZT"}},
)


def test_an_account_comes_back_as_it_was_saved(db: Database) -> None:
    with db.write() as tx:
        number = save(tx, VAULT, SMTP)
        (kept,) = all_accounts(tx, VAULT)
    assert kept.id == number
    assert kept == Account(**{**{name: getattr(SMTP, name) for name in SMTP.__struct_fields__}, "id": number})


def test_an_account_saved_again_keeps_its_id(db: Database) -> None:
    with db.write() as tx:
        first = save(tx, VAULT, SMTP)
        other = save(tx, VAULT, Account(name="sms", provider="smsc", channel=Channel.SMS))
        again = save(tx, VAULT, Account(name="mail", provider="smtp", channel=Channel.EMAIL, enabled=False))
        assert (again, other) == (first, first + 1)
        assert [account.enabled for account in all_accounts(tx, VAULT)] == [False, True]


def test_no_secret_is_kept_readable_or_printed(db: Database) -> None:
    with db.write() as tx:
        save(tx, VAULT, SMTP)
        assert not any(b"swordfish" in str(row).encode() for row in tx.all("accounts"))
        assert "swordfish" not in repr(all_accounts(tx, VAULT))


def test_accounts_of_a_channel_come_in_the_order_of_their_priority(db: Database) -> None:
    with db.write() as tx:
        for name, priority in (("backup", 2), ("first", 1), ("last", 3)):
            save(tx, VAULT, Account(name=name, provider="smsc", channel=Channel.SMS, priority=priority))
        assert [account.name for account in all_accounts(tx, VAULT)] == ["first", "backup", "last"]
