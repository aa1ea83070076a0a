"""STOP and START by text: what is kept, and the one text that answers."""

import json
from itertools import count
from typing import Any

import pytest

from kaskad.domain.consent import ConsentRow, may
from kaskad.domain.policy import Confirmations, Wording
from kaskad.domain.terms import Channel, Kind, MessageClass, SkipReason
from kaskad.engine.ingest import Ingest
from kaskad.engine.optout import LOOK
from kaskad.providers.base import Account, Inbound, Request
from kaskad.store.db import Database
from support.scenarios import limited
from support.stage import Stage

PHONE = "+77010000001"
SAID = Confirmations(
    opt_out=(Wording("en", "You get no more messages."), Wording("ru", "Больше не пишем.")),
    opt_in=(Wording("en", "Welcome back."),),
)
MINUTE = 60_000


class Phone:
    """A person with a phone, who writes to the account of SMS."""

    def __init__(self, db: Database, language: str | None = None) -> None:
        self.stage = Stage(db, policy=limited(confirmations=SAID))
        own = {"url": "https://provider.example.org/", "idempotent": "no"}
        self.stage.account(Channel.SMS, "sms", settings=own, secrets={"secret": "s" * 32})
        self.ann = self.stage.person("ann", addresses={Channel.SMS: PHONE}, language=language)
        self.answers: list[str] = []
        self.ingest = Ingest(self.stage.engine, db, errands=self._take)
        self._events = count(1)

    def _take(self, account: Account, requests: Any) -> None:
        request: Request
        for request in requests:
            told = json.loads(request.body)
            assert (account.name, told["to"]) == ("sms", PHONE)
            self.answers.append(told["text"])

    def says(self, *texts: str, event: str = "", ago: int = 0) -> None:
        """Send texts, all of which one webhook brings."""
        self.stage.clock.at += 1_000
        at = self.stage.clock.now() - ago
        told = [
            Inbound(channel=Channel.SMS, address=PHONE, kind=Kind.REPLIED, text=text, at=at,
                    event=event or f"in{next(self._events)}")
            for text in texts
        ]  # fmt: skip
        account = self.stage.world.accounts.by_name["sms"]
        kept = self.ingest.receipts(account, told, {}, b"{}", None)
        self.stage.works()
        assert kept.done()

    def may(self, channel: Channel = Channel.SMS) -> SkipReason | None:
        rows = self.stage.rows_among("look_consents", [self.ann])
        known = [ConsentRow(bool(row[1]), *row[2:7], bool(row[7])) for row in rows]
        return may(known, channel, MessageClass.ADVERTISING, "", self.stage.clock.now())

    def proofs(self) -> list[dict[str, Any]]:
        rows = self.stage.rows("card_consents", contact_id=self.ann)
        return [json.loads(detail) for *_, detail, _ in rows if detail]


@pytest.mark.parametrize("word", ["START", "старт!", "Unstop"])
def test_start_takes_a_stop_back_for_its_channel_only(either: Database, word: str) -> None:
    phone = Phone(either)
    phone.says("STOP")
    assert phone.may() is phone.may(Channel.ROBOT_CALL) is SkipReason.NO_CONSENT
    phone.says(word)
    assert phone.may() is None
    assert phone.may(Channel.ROBOT_CALL) is SkipReason.NO_CONSENT, "only the channel that it came by"
    assert any(proof.get("act") == "START" and proof["text"] == word for proof in phone.proofs())


def test_a_start_that_is_told_again_after_a_later_stop_changes_nothing(either: Database) -> None:
    phone = Phone(either)
    phone.says("START", event="once")
    phone.says("STOP")
    phone.says("START", event="once")
    assert phone.may() is SkipReason.NO_CONSENT


def test_start_in_a_sentence_is_no_consent(either: Database) -> None:
    phone = Phone(either)
    phone.says("STOP")
    phone.says("when does it start?")
    assert phone.may() is SkipReason.NO_CONSENT


def test_a_stop_in_other_words_counts_first_and_is_marked_for_a_person(either: Database) -> None:
    phone = Phone(either)
    phone.says("Пожалуйста, больше не пишите мне")
    assert phone.may() is SkipReason.NO_CONSENT
    assert [proof["look"] for proof in phone.proofs() if "look" in proof] == [LOOK]


def test_the_bare_word_needs_nobody_to_look(either: Database) -> None:
    phone = Phone(either)
    phone.says("Stop, please!")
    assert phone.may() is SkipReason.NO_CONSENT
    assert not any("look" in proof for proof in phone.proofs())


def test_one_text_confirms_however_often_stop_is_said(either: Database) -> None:
    phone = Phone(either)
    phone.says("STOP", "stop", "Стоп")
    phone.says("STOP")
    phone.stage.clock.at += 3_600_000
    phone.says("отписаться")
    assert phone.answers == ["You get no more messages."]


def test_each_change_of_mind_has_its_one_text(either: Database) -> None:
    phone = Phone(either)
    for word in ("STOP", "START", "START"):
        phone.says(word)
    phone.stage.clock.at += 3_600_000
    phone.says("STOP")
    assert phone.answers == ["You get no more messages.", "Welcome back.", "You get no more messages."]


@pytest.mark.parametrize(
    ("language", "word", "text"),
    [
        ("ru", "STOP", "Больше не пишем."),
        ("kk", "STOP", "You get no more messages."),
        (None, "Стоп", "Больше не пишем."),
        (None, "stop", "You get no more messages."),
    ],
)
def test_it_is_in_the_contacts_language_else_in_that_of_the_word(db, language, word, text) -> None:
    phone = Phone(db, language=language)
    phone.says(word)
    assert phone.answers == [text]


def test_nothing_confirms_late_or_where_the_policy_has_no_text(db: Database) -> None:
    late = Phone(db)
    late.says("STOP", ago=6 * MINUTE)
    assert late.answers == [] and late.may() is SkipReason.NO_CONSENT
    late.says("START")
    late.stage.world.policy = limited()
    late.stage.clock.at += 3_600_000
    late.says("STOP")
    assert late.answers == ["Welcome back."]


def test_a_stranger_is_told_nothing(db: Database) -> None:
    phone = Phone(db)
    account = phone.stage.world.accounts.by_name["sms"]
    told = Inbound(channel=Channel.SMS, address="+77010000009", kind=Kind.REPLIED, text="STOP", event="x")
    phone.ingest.receipts(account, [told], {}, b"{}", None)
    phone.stage.works()
    assert phone.answers == []
