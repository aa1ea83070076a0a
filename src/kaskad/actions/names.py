"""The names that people know things by, for the numbers that rows hold."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.office import Office
from kaskad.store.db import Transaction


class Names:
    """Names of cascades, versions, steps and accounts within one transaction."""

    def __init__(self, office: Office, tx: Transaction) -> None:
        self._office, self._tx = office, tx
        self.signer = office.signer
        self._versions: dict[int, tuple[int, str]] = {
            row[0]: (row[2], row[3]) for row in tx.all("version_numbers")
        }
        self._steps: dict[int, list[str]] = {}
        rows = tx.all("accounts")
        self.accounts: Mapping[int, str] = {row[0]: row[1] for row in rows}
        self._prices: dict[int | None, Mapping[str, object]] = {
            row[0]: msgspec.json.decode(row[8]) for row in rows
        }
        self.currencies: Mapping[int, str] = {
            row[0]: str(self._prices[row[0]].get("currency", "")) for row in rows
        }

    def price(self, account_id: int | None, minor: int) -> int | None:
        """Return what a message was to cost; None where its account has no price: that is not nothing."""
        return minor if minor or self._prices.get(account_id) else None

    def cascade(self, version_id: int) -> str:
        """Return the name of the cascade of a version."""
        return self._versions[version_id][1]

    def number(self, version_id: int) -> int:
        """Return what a cascade calls a version by."""
        return self._versions[version_id][0]

    def steps(self, version_id: int) -> list[str]:
        """Return the ids of the steps of a version, in their order."""
        if version_id not in self._steps:
            cascade = cascade_of(self._office, self._tx, version_id)
            self._steps[version_id] = [step.id for step in cascade.steps]
        return self._steps[version_id]

    def step(self, version_id: int, number: int | None) -> str | None:
        """Return the id of a step; None for what is before the first."""
        return step_name(self.steps(version_id), number)

    def variant(self, version_id: int, step: int, number: int | None) -> str | None:
        """Return the id of a step's variant."""
        if number is None:
            return None
        variants = cascade_of(self._office, self._tx, version_id).steps[step].variants
        return variants[number].id if number < len(variants) else str(number)


def step_name(steps: list[str], number: int | None) -> str | None:
    """Return the id of a step by its number; None for what is before the first."""
    if number is None or number < 0:
        return None
    return steps[number] if number < len(steps) else str(number)
