"""Double opt-in: somebody asks by a form, the owner of the address confirms, and only then it is a consent.

What a stranger types changes nothing that is known of a person, and who asks is answered the same whatever is
known. The question goes the way of every message, by the cascade `confirm-NAME` that the form's event begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.consent import ConsentRow, Purpose, may
from kaskad.domain.form import CODE_DIGITS, CONFIRMED, PHONES, REQUESTED, TOPIC, Form, proof_of
from kaskad.domain.ids import run_text
from kaskad.domain.policy import DAY, HOUR, MINUTE
from kaskad.domain.terms import Channel, Kind, MessageClass
from kaskad.domain.tokens import HIDDEN
from kaskad.engine.arrival import Arrival
from kaskad.engine.world import World
from kaskad.store import contacts, forms, places
from kaskad.store.db import Transaction
from kaskad.store.forms import SignUp

TTL_MS = 7 * DAY  # unconfirmed for longer: forgotten
CODE_TTL_MS = HOUR
TRIES = 5
A_DAY_TO_ONE = 3  # messages that one address is asked by in a day, by all forms together
AN_HOUR_FROM_ONE = 20  # requests of one IP address
_AGAIN_MS = MINUTE  # who presses twice is asked once

_NUMBER = re.compile(r"[0-9]{1,18}")
ASKED, LIMITED, DONE, EXPIRED, WRONG = "asked", "limited", "done", "expired", "wrong"


class Told(Struct, frozen=True):
    """What was typed into a form, checked; `evidence` is what else shows who asked, where and for what."""

    form: Form
    channel: Channel
    value: str
    language: str
    name: str
    ip: str
    evidence: Mapping[str, str]


class Asking:
    """One request, within the tick's transaction; it may be called again, when a tick is repeated."""

    def __init__(self, world: World, told: Told, at: int) -> None:
        self._world, self._told, self._at = world, told, at
        self.said = ASKED

    def __call__(self, tx: Transaction) -> list[Arrival]:
        told, self.said = self._told, ASKED
        (from_one,) = tx.one("sign_ups_from", ip=told.ip, since=self._at - HOUR) or (0,)
        if told.ip and from_one >= AN_HOUR_FROM_ONE:
            self.said = LIMITED
            return []
        contact_id, made = self._contact(tx)
        sent = self._is_due(tx) and not self._has_agreed(tx, contact_id)
        evidence = {**told.evidence, **({"name": told.name} if told.name else {})}
        row = tx.one(
            "put_sign_up", contact_id=contact_id, now=self._at, channel=told.channel.code, made=int(made),
            sent=int(sent), form=told.form.name, value=told.value, ip=told.ip,
            evidence=msgspec.json.encode(evidence).decode(),
        )  # fmt: skip
        assert row is not None
        return [self._question(tx, contact_id, int(row[0]))] if sent else []

    def _contact(self, tx: Transaction) -> tuple[int, bool]:
        """Return whose address it is, and whether it was nobody's until now."""
        told = self._told
        known = tx.one("contact_by_address", channel=told.channel.code, value=told.value)
        if known is not None:
            return int(known[0]), False
        new = contacts.Contact(
            language=told.language or None, addresses=[contacts.Address(told.channel, told.value)]
        )
        return contacts.upsert(tx, self._world.hash_key, [new], self._at)[0], True

    def _is_due(self, tx: Transaction) -> bool:
        """Say whether the address may be written to now: nobody's mailbox is filled by a form."""
        count, last = tx.one("sign_ups_sent_to", value=self._told.value, since=self._at - DAY) or (0, None)
        return count < A_DAY_TO_ONE and (last is None or self._at - last >= _AGAIN_MS)

    def _has_agreed(self, tx: Transaction, contact_id: int) -> bool:
        """Say whether all that the form asks for was agreed to before."""
        form, rows = self._told.form, _rows(tx, contact_id)
        classes = [MessageClass.of(each.code) for each in form.purposes if each.is_class]
        others = [each for each in form.purposes if not each.is_class]
        return all(
            may(rows, channel, each, topic, self._at, brand=form.brand) is None and _granted(rows, each)
            for channel in form.reached_by(self._told.channel)
            for each in classes
            for topic in form.topics or ("",)
        ) and all(_holds(rows, each) for each in others)

    def _question(self, tx: Transaction, contact_id: int, number: int) -> Arrival:
        """Return the event that begins the run which asks."""
        told = self._told
        self._let_ask(tx, contact_id)
        properties = {
            "form": told.form.name, "sign_up": str(number), "to": told.value, "channel": told.channel.value,
            "language": told.language,
        }  # fmt: skip
        return _event(contact_id, REQUESTED, f"sign-up {number}", self._at, properties)

    def _let_ask(self, tx: Transaction, contact_id: int) -> None:
        """Let the one question go to who has said stop on this channel: it was asked for just now."""
        channel = self._told.channel
        refusal = may(_rows(tx, contact_id), channel, MessageClass.TRANSACTIONAL, TOPIC, self._at)
        if refusal is None:
            return
        proof = {"act": "asked to be signed up", "form": self._told.form.name, **self._told.evidence}
        contacts.add_consents(tx, [(contact_id, contacts.Consent(
            granted=True, at=self._at, purpose=Purpose.TRANSACTIONAL.code, channels=1 << channel.code,
            topic=TOPIC, expires_at=self._at + HOUR, proof=contacts.proof_text(proof),
        ))])  # fmt: skip


class Confirming:
    """The owner of an address says yes, by the link or by the code; doing it again changes nothing."""

    def __init__(
        self, world: World, at: int, evidence: Mapping[str, str], *, asked: tuple[int, int] = (0, 0),
        by_code: tuple[str, str, str] | None = None,
    ) -> None:  # fmt: skip
        self._world, self._at, self._evidence = world, at, evidence
        self._request, self._by_code = asked, by_code  # (sign-up, its instant); (form, address, code)
        self.said = EXPIRED

    def __call__(self, tx: Transaction) -> list[Arrival]:
        self.said = EXPIRED
        asked = self._asked(tx)
        if self._by_code is not None and not self._is_right(tx, asked, self._by_code[2]):
            self.said = WRONG
            return []
        form = None if asked is None else forms.find(tx, asked.form)
        if asked is None or form is None or asked.requested_at + self._ttl_ms(asked) <= self._at:
            return []
        self.said = DONE
        if not tx.run("confirm_sign_up", id=asked.id, now=self._at):
            return []
        self._agree(tx, form, asked)
        properties = {
            "form": form.name, "sign_up": str(asked.id), "channel": asked.channel.value,
            "topics": list(form.topics), "language": str(asked.evidence.get("language", "")),
        }  # fmt: skip
        return [_event(asked.contact_id, CONFIRMED, f"signed up {asked.id}", self._at, properties)]

    def _asked(self, tx: Transaction) -> SignUp | None:
        if self._by_code is None:
            return forms.sign_up(tx, *self._request)
        form, value, _ = self._by_code
        return forms.last_of(tx, form, value)

    def _ttl_ms(self, asked: SignUp) -> int:
        by_code = self._by_code is not None and asked.confirmed_at is None
        return CODE_TTL_MS if by_code else TTL_MS

    def _is_right(self, tx: Transaction, asked: SignUp | None, code: str) -> bool:
        """Say whether it is the code; who has none is told the same, whether or not that number has asked."""
        if asked is None or asked.tries >= TRIES:
            return False
        if self._world.signer.is_code(code, asked.id, asked.requested_at, CODE_DIGITS):
            return True
        tx.run("miss_sign_up", id=asked.id)
        return False

    def _agree(self, tx: Transaction, form: Form, asked: SignUp) -> None:
        """Keep the consent with all that proves it, and the name where none was known."""
        evidence = dict(asked.evidence)
        name = evidence.pop("name", "")
        message = tx.one("asking_message", contact_id=asked.contact_id, key=str(asked.id))
        proof = proof_of(form, {
            **evidence, "act": "ticked the box, then confirmed", "address": asked.value,
            "requested_at": asked.requested_at, "confirmed_at": self._at,
            "sent_at": message[2] if message else None,
            "message": f"{run_text(asked.contact_id, message[0])}/{message[1]}" if message else None,
            **{f"confirmed_{key}": value for key, value in self._evidence.items()},
        })  # fmt: skip
        text = contacts.proof_text(proof)
        ends_at = self._at + form.valid_days * DAY if form.valid_days else None
        channels = sum(1 << each.code for each in form.reached_by(asked.channel))
        given = [
            contacts.Consent(
                granted=True, at=self._at, purpose=purpose.code, channels=channels if purpose.is_class else 0,
                topic=topic, expires_at=ends_at, proof=text, brand=form.brand,
            )
            for purpose in form.purposes
            for topic in ((form.topics or ("",)) if purpose.is_class else ("",))
        ]  # fmt: skip
        contacts.add_consents(tx, [(asked.contact_id, each) for each in given])
        places.confirm(tx, [(asked.contact_id, asked.channel, asked.value)], self._at)
        if name and asked.made:
            told = contacts.Contact(id=asked.contact_id, attributes={"name": name})
            contacts.save(tx, self._world.hash_key, [told], self._at, f"form {form.name}")


def secrets_of(
    tx: Transaction, world: World, contact_id: int, to: str, trigger: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a question says besides its event, and the same with the secrets left out, to be kept.

    Whoever reads them can confirm in the owner's place: they are in no event, no run and no kept message, and
    go to the address alone that asked. Empty for any other.
    """
    number = str(trigger.get("sign_up", ""))
    asked = forms.sent_to(tx, int(number), contact_id, to) if _NUMBER.fullmatch(number) else None
    if asked is None:
        return {}, {}
    page = f"{world.options.base_url}/c/"
    known = {"confirm_url": page + world.signer.confirm(asked.id, asked.requested_at)}
    hidden = {"confirm_url": page + HIDDEN}
    if asked.channel in PHONES:
        known["code"] = world.signer.code(asked.id, asked.requested_at, CODE_DIGITS)
        hidden["code"] = HIDDEN * CODE_DIGITS
    return known, hidden


def _rows(tx: Transaction, contact_id: int) -> list[ConsentRow]:
    return [
        ConsentRow(bool(row[1]), row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8])
        for row in tx.among("look_consents", [contact_id])
    ]


def _granted(rows: list[ConsentRow], message_class: MessageClass) -> bool:
    """Say whether somebody has agreed at all: a service message needs that of nobody."""
    return message_class is MessageClass.ADVERTISING or any(row.granted for row in rows)


def _holds(rows: list[ConsentRow], purpose: Purpose) -> bool:
    told = [(row.at, row.granted) for row in rows if row.purpose == purpose.code]
    return bool(told) and max(told)[1]


def _event(contact_id: int, name: str, key: str, at: int, properties: Mapping[str, Any]) -> Arrival:
    told = msgspec.json.encode({"name": name, "properties": properties}).decode()
    return Arrival(contact_id, 0, -1, Kind.EVENT.value, key, at, told)
