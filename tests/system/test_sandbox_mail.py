"""A running installation and the sandbox's mail services: receipts, a complaint, an answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaskad.config import Settings
from kaskad.demo.play import account_of
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Kind, Outcome
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Person
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import cascades, settings
from kaskad.store.db import Transaction
from kaskad.web.service import Service, serving
from support.api import Api
from support.faults import until
from support.shop import people
from support.world import profile

SERVICES = ["sendgrid", "mailgun", "postmark", "amazon_ses", "sendpulse", "unisender_go", "unisender"]
PATIENCE_S = 30
CASCADE = """
cascade: hi
title: Hi
class: service
topic: news
trigger: {event: joined}
steps:
  - {id: letter, channel: email, subject: Hello, html: "<p>Hello</p>", wait: 6h}
"""
ANN = Person("ann", "Ann", "ann@email.example.org")


@contextmanager
def installed(folder: Path, name: str) -> Iterator[tuple[Api, Sandbox]]:
    """A running installation whose one account is the sandbox's of a service, a cascade, and Ann."""

    def change(tx: Transaction) -> None:
        settings.put(tx, "policy", Policy.unlimited())
        row = cascades.save_version(tx, "hi", CASCADE, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)

    told = Settings(database=f"sqlite:{folder / 'kaskad.db'}", listen="127.0.0.1:0")
    config = SandboxConfig(people=[ANN], servers=[name], profile=profile())
    with running(config) as sandbox, serving(told, "the tests") as service:
        service.office.write(change)
        api = Api(service)
        for account in sandbox.accounts(service.base_url):
            api.put(f"/accounts/{account.pop('name')}", account_of(account))
        service.office.reload()
        people(service, "ann")
        yield api, sandbox


def facts(service: Service, kind: Kind) -> int:
    return int(rows(service, f"SELECT count(*) FROM facts WHERE kind = {kind.value}")[0][0])


def rows(service: Service, text: str) -> list[tuple[int, ...]]:
    with service.db._lock:  # type: ignore[attr-defined]
        return list(service.db._writer.execute(text))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SERVICES)
def test_a_letter_is_delivered_and_a_complaint_ends_everything(tmp_path: Path, name: str) -> None:
    with installed(tmp_path, name) as (api, sandbox):
        sandbox.set_faults(Fault(name, "duplicate", left=1), Fault(name, "bad_signature", left=1))
        api.post("/events", {"id": "1", "name": "joined", "contact": {"external_id": "ann"}})
        ann = sandbox.phones[0]
        until(lambda: len(ann.mails) == 1, PATIENCE_S)
        until(lambda: facts(api.service, Kind.DELIVERED) == 1, PATIENCE_S)
        sandbox.do(lambda deeds: deeds.complain(ann, ann.mails[0]))
        outcomes = "SELECT outcome FROM runs"
        until(lambda: rows(api.service, outcomes) == [(Outcome.COMPLAINED.code,)], PATIENCE_S)
        until(lambda: len(sandbox.faults.happened) == 2, PATIENCE_S)
        assert len(ann.mails) == 1


@pytest.mark.parametrize("name", ["sendgrid", "mailgun", "postmark"])
def test_an_answer_ends_the_run(tmp_path: Path, name: str) -> None:
    with installed(tmp_path, name) as (api, sandbox):
        api.post("/events", {"id": "1", "name": "joined", "contact": {"external_id": "ann"}})
        ann = sandbox.phones[0]
        until(lambda: len(ann.mails) == 1, PATIENCE_S)
        sandbox.do(lambda deeds: deeds.reply_to_mail(ann, ann.mails[0], "Спасибо"))
        outcomes = "SELECT outcome FROM runs"
        until(lambda: rows(api.service, outcomes) == [(Outcome.RESPONDED.code,)], PATIENCE_S)
        assert facts(api.service, Kind.REPLIED) == 1
