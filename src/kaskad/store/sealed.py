"""All that is kept encrypted, in one place, so that it can be written anew and an old key can go."""

from __future__ import annotations

from kaskad.store import settings
from kaskad.store.db import Transaction
from kaskad.store.vault import Vault

SIGNING = "signing_key"  # the setting with the key of links and references
HASHING = "suppression_key"  # … and of the hashes of the stop-list
_ROWS = (
    ("sealed_accounts", "seal_account"), ("sealed_webhooks", "seal_webhook"), ("sealed_sites", "seal_site"),
    ("sealed_users", "seal_user"), ("sealed_searches", "seal_search"), ("sealed_pages", "seal_page"),
    ("sealed_answers", "seal_answer"),
)  # fmt: skip


def renew(tx: Transaction, vault: Vault) -> int:
    """Write all of it anew under the vault's first key; return how many secrets that are.

    Raises StoreError for one that was written under none of the vault's keys.
    """
    count = 0
    for read, write in _ROWS:
        for *key, token in tx.all(read):
            tx.run(write, token=_anew(vault, token), **dict(zip(("key", "more"), key, strict=False)))
            count += 1
    for name in (SIGNING, HASHING):
        token = settings.get(tx, name, str)
        if token is not None:
            settings.put(tx, name, _anew(vault, token))
            count += 1
    return count


def _anew(vault: Vault, token: str | bytes) -> str | bytes:
    return vault.rotate(token.encode()).decode() if isinstance(token, str) else vault.rotate(bytes(token))
