"""All that is kept encrypted can be written anew under another key, and nothing is forgotten."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken

from kaskad.domain.errors import StoreError
from kaskad.domain.site import Site
from kaskad.domain.terms import Channel
from kaskad.store import sealed, searches, settings, sites, users, webhooks
from kaskad.store.accounts import Account, all_accounts, save
from kaskad.store.db import Database, Transaction
from kaskad.store.suppressions import hash_key
from kaskad.store.vault import Vault, _derived

OLD, NEW = "o" * 32, "n" * 32
BEFORE, BOTH, SINCE = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
SOURCE = Path(__file__).parents[2] / "src" / "kaskad"
KEPT = {"accounts": 1, "webhooks": 1, "sites": 1, "users": 1, "erasure_searches": 1, "crm_pages": 2,
        "idempotency_keys": 1, "settings": 2}  # fmt: skip
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
    "AND table_schema = current_schema()",
}


def fill(tx: Transaction) -> None:
    """Keep something of each kind under the old key."""
    mail = Account(name="mail", provider="smtp", channel=Channel.EMAIL, secrets={"password": "fish"})
    save(tx, BEFORE, mail)
    key, token = hash_key(tx, BEFORE), BEFORE.encrypt("x")
    assert key
    settings.put(tx, sealed.SIGNING, BEFORE.encrypt("signs").decode())
    webhooks.add(tx, BEFORE, "https://example.org", "", ["run.ended"], [webhooks.Secret("s")], True, 1)
    sites.put_site(tx, BEFORE, Site(0, "shop", "w", (), "s", 60), 1)
    users.set_totp(tx, users.add(tx, "ann@example.org", "Ann", "owner", 1), token.decode(), 0, ())
    (erasure_id,) = tx.one("put_erasure", contact_id=1, at=1, who="eva", hashes="[]", counts="{}") or (0,)
    searches.begin(tx, BEFORE, erasure_id, 1, searches.Told([1], [], [], [], []))
    for number in (1, 2):
        tx.run("put_pulled", account_id=1, number=number, lines=token)
    for name in ("answered", "under way"):
        tx.run("begin_idempotent", caller="eva", name=name, request=b"x", now=1)
    tx.run("end_idempotent", caller="eva", name="answered", status=200, body=token)


def tokens_of(tx: Any, key: str) -> tuple[Counter[str], Counter[str]]:
    """Return by table how many secrets the whole database holds, and how many of them `key` reads."""
    fernet, found, readable = Fernet(_derived(key)), Counter[str](), Counter[str]()
    for (table,) in answer(tx, TABLES[tx.dialect]):
        for cell in (cell for row in answer(tx, f"SELECT * FROM {table}") for cell in row):
            text = cell.encode() if isinstance(cell, str) else cell if isinstance(cell, bytes) else b""
            if text.strip(b'"').startswith(b"gAAAA"):
                found[table] += 1
                try:
                    readable[table] += bool(fernet.decrypt(text.strip(b'"')))
                except InvalidToken:
                    continue
    return found, readable


def answer(tx: Any, text: str) -> list[Any]:
    return list(tx._connection.execute(text if tx.dialect == "sqlite" else text.encode()))


def test_all_secrets_of_a_database_are_written_anew(db: Database) -> None:
    with db.write() as tx:
        fill(tx)
        assert tokens_of(tx, OLD) == (KEPT, KEPT), "a kind of secret is not in this test"
        key = hash_key(tx, BEFORE)
        assert sealed.renew(tx, BOTH) == sum(KEPT.values())
        assert tokens_of(tx, NEW) == (KEPT, KEPT)
        assert all_accounts(tx, SINCE)[0].secrets == {"password": "fish"}
        assert hash_key(tx, SINCE) == key, "the stop-list still knows its addresses"
        with pytest.raises(StoreError, match="another key"):
            all_accounts(tx, BEFORE)


def test_a_secret_under_a_third_key_changes_nothing(db: Database) -> None:
    with db.write() as tx:
        fill(tx)
    with pytest.raises(StoreError, match="not among those given"), db.write() as tx:
        settings.put(tx, sealed.SIGNING, Vault(["t" * 32]).encrypt("signs").decode())
        sealed.renew(tx, BOTH)
    with db.read() as tx:
        assert tokens_of(tx, OLD) == (KEPT, KEPT)


def test_whoever_encrypts_is_known_here() -> None:
    """Who adds a place that encrypts adds its table to `store/sealed.py`, and what it keeps to `fill`."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "vault.encrypt(" in path.read_text("utf-8")
    }
    assert found == {
        "actions/users.py", "engine/clerk.py", "store/accounts.py", "store/pulls.py", "store/searches.py",
        "store/sites.py", "store/suppressions.py", "store/webhooks.py", "web/api/idempotent.py",
        "web/pages/account.py", "web/service.py",
    }  # fmt: skip
