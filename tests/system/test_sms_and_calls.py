"""SMS and calls end to end: a running installation and services of the sandbox, over sockets, both ways."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kaskad.config import Settings
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome
from kaskad.engine.account_file import read_accounts
from kaskad.sandbox.profile import read_profile
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import accounts, cascades, contacts, settings, suppressions
from kaskad.store.db import Transaction
from kaskad.web.service import Service, serving
from support.api import Api
from support.faults import free_port, until
from support.world import ANN

FACTOR = 120
PEOPLE = """
mail: {{open: {{median: 1}}, click: {{median: 1}}}}
chat: {{react: {{median: 1}}}}
sms: {{deliver: {{median: 1}}, react: {{median: 1}}}}
call: {{pick_up: {{median: 1}}, think: {{median: 1}}, {call}}}
"""
SMS = "{id: sms, channel: sms, text: Ваш заказ готов, wait: 6h}"
SAID = (
    "Здравствуйте! Говорит магазин, это запись. Ваш заказ собран и ждёт вас до завтрашнего вечера. "
    "Нажмите 1, чтобы подтвердить, 9, чтобы мы больше не звонили."
)
CALL = f'{{id: call, channel: robot_call, wait: 6h, say: "{SAID}", keys: {{1: confirm, 9: opt_out}}}}'
PLAIN_CALL = '{id: call, channel: robot_call, wait: 6h, say: "Здравствуйте! Ваш заказ собран."}'
CASCADE = """
cascade: hi
title: Hi
class: service
topic: orders
trigger: {{event: joined, key: id}}
reentry: parallel_by_key
steps:
  - {step}
"""


class House:
    """One installation, its sandbox, and Ann."""

    def __init__(self, service: Service, sandbox: Sandbox, ann: int) -> None:
        self.service, self.sandbox, self.ann, self.api = service, sandbox, ann, Api(service)

    def joins(self, number: str = "1") -> None:
        event = {
            "id": number,
            "name": "joined",
            "contact": {"external_id": "ann"},
            "properties": {"id": number},
        }
        self.api.post("/events", event)

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        with self.service.db._lock:  # type: ignore[attr-defined]
            return list(self.service.db._writer.execute(text))  # type: ignore[attr-defined]

    def facts(self) -> list[Kind]:
        return [Kind(row[0]) for row in self.rows("SELECT kind FROM facts")]

    def outcome(self) -> int | None:
        found = self.rows("SELECT outcome FROM runs")
        return None if not found or found[0][0] is None else int(found[0][0])

    def cost(self) -> int | None:
        ((cost,),) = self.rows("SELECT cost FROM messages")
        return None if cost is None else int(cost)


@contextmanager
def house(
    folder: Path,
    server: str,
    step: str,
    *,
    call: str = "no_answer: 1",
    price: str = "",
    public: bool = True,
    factor: float = FACTOR,
) -> Iterator[House]:
    """Everything running, `factor` times as fast; `public` False: the services cannot reach Kaskad."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    config = SandboxConfig(
        people=(ANN,),
        time_factor=factor,
        servers=(server,),
        kaskad_url=url if public else "",
        profile=read_profile(PEOPLE.format(call=call), "test"),
    )
    listening = Settings(database=f"sqlite:{folder / 'kaskad.db'}", listen=f"127.0.0.1:{port}")
    with running(config) as sandbox:
        told = [{**account, **({"price": price} if price else {})} for account in sandbox.accounts()]
        given = read_accounts(msgspec.json.encode({"accounts": told}).decode(), "sandbox", {})
        with serving(listening, "the tests", time_factor=factor) as service:

            def change(tx: Transaction) -> list[int]:
                settings.put(tx, "policy", Policy.unlimited())
                row = cascades.save_version(tx, "hi", CASCADE.format(step=step), 1)
                cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
                for account in given:
                    accounts.save(tx, service.vault, account)
                addresses = [contacts.Address(one, ANN.phone) for one in (Channel.SMS, Channel.ROBOT_CALL)]
                ann = contacts.Contact(external_id="ann", addresses=addresses)
                return contacts.upsert(tx, suppressions.hash_key(tx, service.vault), [ann], 1)

            (ann,) = service.office.write(change)
            service.office.reload()
            yield House(service, sandbox, ann)


def test_an_sms_of_twilio_is_delivered_paid_and_answered_with_stop(tmp_path: Path) -> None:
    with house(tmp_path, "twilio_sms", SMS, price="0.05 USD per part") as one:
        one.joins()
        until(lambda: Kind.DELIVERED in one.facts())
        phone = one.sandbox.phones[0]
        assert [sms.text for sms in phone.texts] == ["Ваш заказ готов"]
        until(lambda: one.cost() == 1, 20)  # 5 by the account's price; Twilio says 0.0079 later
        one.sandbox.do(lambda deeds: deeds.send_sms(phone, "СТОП"))
        until(lambda: one.rows("SELECT granted, channels FROM consents") != [])
        assert one.rows("SELECT granted FROM consents") == [(0,)]
        one.joins("2")
        until(lambda: len(one.rows("SELECT id FROM runs WHERE outcome IS NOT NULL")) >= 1)
        assert len([sms for sms in phone.texts if not sms.mine]) == 1  # she is not written to again


def test_a_call_of_voximplant_is_confirmed_by_a_key(tmp_path: Path) -> None:
    with house(tmp_path, "voximplant", CALL, call="presses: 1", price="9 RUB") as one:
        one.joins()
        until(lambda: one.outcome() == Outcome.RESPONDED.code)
        assert {Kind.KEYPRESS, Kind.CLICKED} <= set(one.facts())
        until(lambda: one.cost() == 120)
        (call,) = one.sandbox.phones[0].calls
        assert call.keys == "1"


def test_a_machine_is_hung_up_on_by_twilio_and_paid_for_all_the_same(tmp_path: Path) -> None:
    # Kaskad hangs up while the text is read: as fast as elsewhere it would have a tenth of a second for it.
    with house(tmp_path, "twilio", CALL, call="machine: 1", price="9 KZT", factor=30) as one:
        one.joins()
        until(lambda: Kind.MACHINE_ANSWERED in one.facts())
        (call,) = one.sandbox.phones[0].calls
        until(lambda: call.status == "completed")
        assert len(call.heard) == 1  # the text would have been said twice
        until(lambda: one.cost() == 3750, 20)  # told only when it is asked for
        assert Kind.ANSWERED not in one.facts()


@pytest.mark.parametrize(
    ("server", "step", "kind"),
    [("exolve_voice", PLAIN_CALL, Kind.ANSWERED), ("exolve", SMS, Kind.DELIVERED)],
    ids=["voice", "sms"],
)
def test_without_a_public_address_exolve_is_asked(tmp_path: Path, server: str, step: str, kind: Kind) -> None:
    with house(tmp_path, server, step, call="presses: 0", public=False) as one:
        one.joins()
        until(lambda: kind in one.facts())


def test_a_stop_that_only_twilio_has_heard_counts_from_its_refusal_on(tmp_path: Path) -> None:
    with house(tmp_path, "twilio_sms", SMS, public=False) as one:
        one.joins()
        phone = one.sandbox.phones[0]
        until(lambda: bool(phone.texts))
        one.sandbox.do(lambda deeds: deeds.send_sms(phone, "stop"))
        assert one.rows("SELECT granted FROM consents") == []
        one.joins("2")
        until(lambda: one.rows("SELECT granted FROM consents") == [(0,)])
        assert one.rows(f"SELECT state FROM messages WHERE state = {MessageState.REJECTED.code}") != []
