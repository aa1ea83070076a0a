"""Seed and test contacts: column `seed` of `contacts`."""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.store.db import Transaction


def all_seeds(tx: Transaction) -> list[int]:
    """Return the seed contacts, in the order of their ids."""
    return [row[0] for row in tx.all("seeds")]


def mark(tx: Transaction, ids: Sequence[int], seed: bool) -> int:
    """Make contacts seeds, or people again; return how many were not."""
    return sum(tx.run("mark_seed", id=each, seed=int(seed)) for each in ids)
