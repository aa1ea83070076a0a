"""What a person is answered from the inbox: kept in the thread, and sent by an ordinary run, in one commit.

The message goes the way of all: by the cascade `reply-CHANNEL` that the reply's event begins, with its last
look.
"""

from __future__ import annotations

import msgspec

from kaskad.domain import keywords
from kaskad.domain.consent import ConsentRow, Purpose, may
from kaskad.domain.policy import DAY
from kaskad.domain.terms import Channel, Kind, MessageClass
from kaskad.engine.arrival import Arrival
from kaskad.store import contacts, threads
from kaskad.store.db import Transaction
from kaskad.store.threads import Text

TOPIC = "replies"
KEY = "reply"  # what the keys of these runs begin with
_ANSWERED_WITHIN_MS = DAY  # so long is a text a request to be answered, whatever was refused before it


def event_of(channel: Channel) -> str:
    """Return the event that begins a reply."""
    return f"inbox_reply_{channel.value}"


class Replying:
    """One reply, within the tick's transaction; it may be called again, and the same reply is kept once."""

    def __init__(self, contact_id: int, text: Text, subject: str) -> None:
        self._contact_id, self._text, self._subject = contact_id, text, subject

    def __call__(self, tx: Transaction) -> list[Arrival]:
        text, channel = self._text, Channel.of(self._text.channel)
        heard = threads.texts(tx, self._contact_id, 50)
        if not threads.answer(tx, self._contact_id, text):
            return []
        self._let_answer(tx, channel, heard)
        properties = {"reply": text.event, "text": text.said, "subject": self._subject, "by": text.author}
        told = msgspec.json.encode({"name": event_of(channel), "properties": properties}).decode()
        return [Arrival(self._contact_id, 0, -1, Kind.EVENT.value, text.event, text.at, told)]

    def _let_answer(self, tx: Transaction, channel: Channel, heard: list[Text]) -> None:
        """Let the answer go to who refused messages on this channel, then wrote on it: that asks for one.

        A text that is itself a stop asks for nothing.
        """
        asked = next((each for each in heard if not each.author and each.channel == channel.code), None)
        if asked is None or keywords.is_stop(asked.said) or asked.at + _ANSWERED_WITHIN_MS <= self._text.at:
            return
        rows = [
            ConsentRow(bool(row[1]), row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8])
            for row in tx.among("look_consents", [self._contact_id])
        ]
        if may(rows, channel, MessageClass.TRANSACTIONAL, TOPIC, self._text.at) is None:
            return
        proof = contacts.proof_text({"act": "wrote to us", "event": asked.event})
        contacts.add_consents(tx, [(self._contact_id, contacts.Consent(
            granted=True, at=self._text.at, purpose=Purpose.TRANSACTIONAL.code, channels=1 << channel.code,
            topic=TOPIC, expires_at=asked.at + _ANSWERED_WITHIN_MS, proof=proof,
        ))])  # fmt: skip
