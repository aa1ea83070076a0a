"""Domains that take no mail make their addresses undeliverable, until they take mail again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from kaskad.domain.mailbox import MailState
from kaskad.domain.terms import Channel
from kaskad.engine import mail_domains as looking
from kaskad.engine.errands import Errands
from kaskad.engine.mail_domains import MailDomains
from kaskad.engine.transport.names import Names, place_of
from kaskad.store import cards, contacts, mail_domains
from kaskad.store.db import Database
from support.faults import until
from support.names import NameServer, name_server
from support.stage import HASH_KEY, Stage

DAY = 86_400_000


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as server:
        server.zone |= {
            ("firma.kz", "MX"): ["10 mx.firma.kz."],
            ("bare.kz", "A"): ["192.0.2.7"],
            ("six.kz", "AAAA"): ["2001:db8::7"],
            ("null.kz", "MX"): ["0 ."],
            ("web.kz", "TXT"): ['"nothing else"'],
        }
        server.failing |= {"ill.kz", "unknown-tld.failing"}
        yield server


def test_dns_says_whether_a_domain_takes_mail(names):
    asking = Names([names.place])

    async def states(*domains: str) -> list[MailState | None]:
        return [await asking.mail_state(domain) for domain in domains]

    told = asyncio.run(
        states("firma.kz", "bare.kz", "six.kz", "null.kz", "web.kz", "gone.kz", "ill.kz", "a..b")
    )
    assert told == [
        MailState.TAKES, MailState.TAKES, MailState.TAKES, MailState.REFUSES, MailState.NO_SERVER,
        MailState.NO_DOMAIN, None, None,
    ]  # fmt: skip


def test_a_closed_network_where_every_name_is_unknown_is_not_believed(names):
    del names.zone["com", "NS"]
    assert asyncio.run(Names([names.place]).mail_state("gone.kz")) is None
    assert asyncio.run(Names([names.place]).mail_state("firma.kz")) is MailState.TAKES


def test_places_of_name_servers():
    assert place_of("9.9.9.9") == ("9.9.9.9", 53) and place_of("[::1]:5353") == ("::1", 5353)
    assert place_of("::1") == ("::1", 53) and place_of("127.0.0.1:54") == ("127.0.0.1", 54)
    for wrong in ("dns.example.org", "9.9.9.9:0", "9.9.9.9:x"):
        with pytest.raises(ValueError):
            place_of(wrong)


class Looked:
    """People on a stage, and a name server that is asked about them until the end."""

    def __init__(self, db: Database, names: NameServer) -> None:
        self.stage, self.names = Stage(db), names
        self.people: dict[str, int] = {}
        self.errands = Errands()
        self.errands.start()

    def person(self, mail: str) -> None:
        told = contacts.Contact(addresses=[contacts.Address(Channel.EMAIL, mail)])
        with self.stage.db.write() as tx:
            self.people[mail] = contacts.upsert(tx, HASH_KEY, [told], self.stage.clock.now())[0]

    def conditions(self) -> dict[str, str]:
        with self.stage.db.read() as tx:
            return {mail: cards.addresses(tx, who)[0].condition for mail, who in self.people.items()}

    def domains(self) -> dict[str, MailState | None]:
        with self.stage.db.read() as tx:
            found = mail_domains.page(tx, after="", limit=100, pending=False, dead=False)
        return {each.domain: each.state for each in found}

    def settled(self) -> bool:
        with self.stage.db.read() as tx:
            found = mail_domains.page(tx, after="", limit=100, pending=False, dead=False)
            known = all(each.state is not None or each.tries for each in found)
            return known and not mail_domains.unmarked(tx)


@pytest.fixture
def looked(either: Database, names: NameServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looked]:
    monkeypatch.setattr(looking, "LOOK_S", 0.02)
    monkeypatch.setattr(looking, "CONTACTS", 3)  # several pieces
    monkeypatch.setattr(looking, "MARKS", 1)
    looked = Looked(either, names)
    yield looked
    looked.errands.stop()
    looked.stage.engine.stop()


def test_addresses_of_dead_domains_are_undeliverable_until_these_take_mail(looked):
    stage = looked.stage
    for name in ("ann@firma.kz", "bob@gone.kz", "cyd@null.kz", "dan@ill.kz", "eve@example.org"):
        looked.person(name)
    looked.person("fay@gone.kz")
    assert looked.domains() == dict.fromkeys(["firma.kz", "gone.kz", "null.kz", "ill.kz"]), "not example.org"
    stage.engine.start()
    MailDomains(looked.errands, stage.engine, stage.db, [looked.names.place]).start()
    until(looked.settled)
    assert looked.conditions() == {
        "ann@firma.kz": "good", "bob@gone.kz": "undeliverable", "cyd@null.kz": "undeliverable",
        "dan@ill.kz": "good", "eve@example.org": "good", "fay@gone.kz": "undeliverable",
    }  # fmt: skip
    looked.person("gil@gone.kz")  # at a domain that is known by now
    assert looked.conditions()["gil@gone.kz"] == "undeliverable"
    with stage.db.read() as tx:
        assert cards.addresses(tx, looked.people["bob@gone.kz"])[0].reason == "there is no such domain"
    with stage.db.write() as tx:  # it bounced before, which is told only now
        contacts.mark_invalid(tx, [(looked.people["fay@gone.kz"], Channel.EMAIL, "fay@gone.kz")], 1)

    looked.names.zone["gone.kz", "MX"] = ["10 mx.gone.kz."]
    looked.names.failing.add("null.kz")
    asked = len(looked.names.asked)
    stage.clock.at += 2 * DAY
    until(lambda: looked.domains()["gone.kz"] is MailState.TAKES and looked.settled())
    assert looked.conditions() == {
        "ann@firma.kz": "good", "bob@gone.kz": "good", "cyd@null.kz": "undeliverable", "dan@ill.kz": "good",
        "eve@example.org": "good", "fay@gone.kz": "invalid", "gil@gone.kz": "good",
    }  # fmt: skip
    assert ("firma.kz", "MX") not in looked.names.asked[asked:], "what is known is not asked again so soon"
