"""Tables `forms` and `sign_ups`: what people can agree to on a page, and who has asked to be signed up."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.form import Form, version_of
from kaskad.domain.terms import Channel
from kaskad.store.db import Row, Transaction

_form = msgspec.json.Decoder(Form).decode
_evidence = msgspec.json.Decoder(dict[str, Any]).decode


class SignUp(Struct, frozen=True):
    """One request to be signed up."""

    id: int
    contact_id: int
    requested_at: int
    confirmed_at: int | None
    channel: Channel
    made: bool
    tries: int
    form: str
    value: str
    evidence: dict[str, Any]


def put(tx: Transaction, form: Form, now: int) -> None:
    """Keep a form in place of the one of its name, whose words pages may still show."""
    before = find(tx, form.name)
    tx.run("put_form", name=form.name, definition=msgspec.json.encode(form).decode(), now=now)
    for one in (*form.texts, *(before.texts if before is not None else ())):
        version = version_of(one.text)
        tx.run("put_form_text", version=version, text=one.text)
        tx.run("put_form_wording", form=form.name, version=version)


def text_of(tx: Transaction, form: str, version: str) -> str:
    """Return the words of a version that this form has had; "" where it never had them."""
    row = tx.one("form_text", form=form, version=version)
    return "" if row is None else str(row[0])


def find(tx: Transaction, name: str) -> Form | None:
    """Return a form, or None."""
    row = tx.one("form", name=name)
    return None if row is None else _form(row[0])


def listing(tx: Transaction) -> list[Form]:
    """Return the forms, by name."""
    return [_form(row[0]) for row in tx.all("forms")]


def counts(tx: Transaction) -> dict[str, tuple[int, int]]:
    """Return for each form how many requests of the last days are known, and how many of them confirmed."""
    return {row[0]: (row[1], row[2]) for row in tx.all("form_counts")}


def drop(tx: Transaction, name: str) -> bool:
    """Forget a form; return whether there was one."""
    return bool(tx.run("drop_form", name=name))


def sign_up(tx: Transaction, number: int, requested_at: int) -> SignUp | None:
    """Return a request by its number and instant, or None."""
    return _read(tx.one("sign_up", id=number, requested_at=requested_at))


def sent_to(tx: Transaction, number: int, contact_id: int, value: str) -> SignUp | None:
    """Return the request by which this very address was asked; None for any other."""
    return _read(tx.one("sign_up_sent_to", id=number, contact_id=contact_id, value=value))


def last_of(tx: Transaction, form: str, value: str) -> SignUp | None:
    """Return the newest request of an address by a form that something was sent for."""
    return _read(tx.one("last_sign_up", form=form, value=value))


def _read(row: Row | None) -> SignUp | None:
    if row is None:
        return None
    return SignUp(
        row[0], row[1], row[2], row[3], Channel.of(row[4]), bool(row[5]), row[6], row[7], row[8],
        _evidence(row[9]),
    )  # fmt: skip
