"""What is declared of contacts' attributes: types, labels, choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaskad.actions.office import Office
from kaskad.domain.attributes import SETTING, Attribute, Declared, Unfit, fit, problems_of
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.worded import worded
from kaskad.store import settings
from kaskad.store.db import Transaction

MOST = 200


def declared(tx: Transaction) -> dict[str, Attribute]:
    """Return what is declared, by name."""
    return settings.get(tx, SETTING, dict[str, Attribute]) or {}


def listing(office: Office) -> dict[str, Attribute]:
    """Return what is declared, in the order of the names."""
    with office.read() as tx:
        return dict(sorted(declared(tx).items()))


def declare(office: Office, name: str, attribute: Attribute) -> None:
    """Declare an attribute, or change what was declared; values that contacts have stay as they are.

    Raises Invalid.
    """
    problems = problems_of(attribute)
    if problems:
        raise Invalid(problems)

    def change(tx: Transaction) -> None:
        known = declared(tx)
        if name not in known and len(known) >= MOST:
            raise Invalid([worded("%(most)s attributes are declared already: drop one first.", most=MOST)])
        settings.put(tx, SETTING, {**known, name: attribute})

    office.write(change)


def drop(office: Office, name: str) -> None:
    """Forget what was declared of an attribute, which is free then; raises NotFound."""

    def change(tx: Transaction) -> None:
        known = declared(tx)
        if name not in known:
            raise NotFound(
                worded(
                    "No attribute %(name)r is declared: `kaskad attribute list` shows which are.", name=name
                )
            )
        settings.put(tx, SETTING, {each: kept for each, kept in known.items() if each != name})

    office.write(change)


def fitted(known: Declared, told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return attributes as they are kept, without those that do not fit, and of these why, by name."""
    found, unfit = dict(told), {}
    for name in told.keys() & known.keys() if known else ():
        try:
            found[name] = fit(name, known[name], told[name])
        except Unfit as error:
            del found[name]
            unfit[name] = str(error)
    return found, unfit
