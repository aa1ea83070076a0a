"""SMSC.ru: what it answers, and what it tells the client's handler."""

from collections.abc import Callable
from hashlib import md5
from typing import Any

import httpx2
import pytest

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.smsc import Keys
from support.world import ANN, Receiver, profile, wait_for

KEYS = Keys()
LOGIN = {"login": KEYS.login, "psw": KEYS.password, "fmt": "3", "charset": "utf-8"}


def post(sandbox: Sandbox, path: str = "send", **given: str) -> Any:
    return httpx2.post(f"{sandbox.http_url}/smsc/sys/{path}.php", data={**LOGIN, **given}).json()


def signed(text: str) -> str:
    return md5(f"{text}:{KEYS.secret}".encode()).hexdigest()


def test_a_text_is_counted_priced_delivered_and_reported(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(time_factor=100)
    text = "Ваш заказ готов. " * 5
    answer = post(sandbox, phones=ANN.phone, mes=text, id="77", cost="3", sender="Shop")
    assert answer == {"id": 77, "cnt": 2, "cost": "30.00", "balance": "999970.00"}
    told = wait_for(lambda: receiver.at("/hooks/sms"))[0].form
    assert (told["id"], told["phone"], told["status"], told["err"]) == ("77", "79000000001", "1", "0")
    assert told["md5"] == signed("77:79000000001:1")
    sms = sandbox.phones[0].texts[0]
    assert (sms.text, sms.other, sms.parts) == (text, "Shop", 2)
    status = post(sandbox, "status", id="77", phone="79000000001", all="2")
    assert (status["status"], status["err"], status["cost"]) == (1, 0, "30.00")
    assert post(sandbox, "balance") == {"balance": "999970.00", "currency": "KZT"}


def test_an_answer_reaches_the_handler_with_the_message_that_it_answers(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(time_factor=100)
    post(sandbox, phones=ANN.phone, mes="Hello", id="5", sender="Shop")
    wait_for(lambda: receiver.at("/hooks/sms"))
    ann = sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.send_sms(ann, "СТОП"))
    told = wait_for(lambda: receiver.at("/hooks/sms")[1:])[0].form
    assert (told["phone"], told["mes"], told["to"], told["sms_id"]) == ("79000000001", "СТОП", "Shop", "5")
    assert told["md5"] == signed("79000000001:СТОП:Shop")
    assert (sandbox.counts()["sms"].stopped, sandbox.counts()["sms"].reacted) == (1, 0)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"psw": "wrong"}, 2),
        ({"mes": ""}, 1),
        ({"mes": "x" * 1001}, 1),
        ({"phones": "+7900"}, 7),
    ],
)
def test_errors_are_those_of_the_table(
    start: Callable[..., Sandbox], given: dict[str, str], code: int
) -> None:
    told = post(start(), **{"phones": ANN.phone, "mes": "x", **given})
    assert told["error_code"] == code and told["error"]


def test_the_same_again_within_a_minute_is_refused_and_a_price_can_be_asked(
    start: Callable[..., Sandbox],
) -> None:
    sandbox = start()
    assert post(sandbox, phones=ANN.phone, mes="x", cost="1") == {"cost": "15.00", "cnt": 1}
    assert "id" in post(sandbox, phones=ANN.phone, mes="x")
    assert post(sandbox, phones=ANN.phone, mes="x")["error_code"] == 9
    assert "id" in post(sandbox, phones=ANN.phone, mes="y")


def test_a_key_and_the_hash_of_the_password_open_too(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    hashed = md5(KEYS.password.encode()).hexdigest()
    assert post(sandbox, "balance", psw=hashed)["balance"]
    answer = httpx2.get(f"{sandbox.http_url}/smsc/sys/balance.php", params={"apikey": KEYS.key})
    assert answer.text == "1000000.00"


def test_a_number_of_nobody_is_unavailable(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    post(start(time_factor=100), phones="+79000000999", mes="x")
    told = wait_for(lambda: receiver.at("/hooks/sms"))[0].form
    assert (told["status"], told["err"]) == ("25", "1")


def test_an_absent_phone_lets_the_message_expire(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    absent = profile(sms="{deliver: {median: 1}, react: {median: 1}, absent: 1}")
    post(start(time_factor=1_000_000, profile=absent), phones=ANN.phone, mes="x")
    told = wait_for(lambda: receiver.at("/hooks/sms"))[0].form
    assert (told["status"], told["err"]) == ("3", "6")


def test_receipts_come_twice_forged_or_never_on_demand(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(time_factor=100)
    sandbox.set_faults(Fault("sms", "lost", left=1))
    post(sandbox, phones=ANN.phone, mes="1", id="1")
    wait_for(lambda: sandbox.faults.happened.get("sms.lost"))
    sandbox.set_faults(Fault("sms", "duplicate", left=1))
    post(sandbox, phones=ANN.phone, mes="2", id="2")
    wait_for(lambda: len(receiver.arrivals) == 2)
    sandbox.set_faults(Fault("sms", "bad_signature", left=1))
    post(sandbox, phones=ANN.phone, mes="3", id="3")
    wait_for(lambda: len(receiver.arrivals) == 4)
    good = [one.form["md5"] == signed(f"{one.form['id']}:79000000001:1") for one in receiver.arrivals]
    assert [one.form["id"] for one in receiver.arrivals] == ["2", "2", "3", "3"]
    assert good == [True, True, False, True]


def test_receipts_come_in_another_order_on_demand(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start(time_factor=100)
    sandbox.set_faults(Fault("sms", "reorder", left=1))
    post(sandbox, phones=ANN.phone, mes="1", id="1")
    wait_for(lambda: sandbox.faults.happened)
    post(sandbox, phones=ANN.phone, mes="2", id="2")
    wait_for(lambda: len(receiver.arrivals) == 2)
    assert [one.form["id"] for one in receiver.arrivals] == ["2", "1"]


def test_a_receipt_that_is_not_taken_is_sent_again(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    refusals = iter([503])
    receiver.answers["/hooks/sms"] = lambda _: (next(refusals, 200), "")
    post(start(time_factor=100), phones=ANN.phone, mes="1", id="1")
    wait_for(lambda: len(receiver.arrivals) == 2)
    assert receiver.arrivals[0].body == receiver.arrivals[1].body


def test_sending_fails_on_demand(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    url = f"{sandbox.http_url}/smsc/sys/send.php"
    faults = f"{sandbox.http_url}/control/faults"
    set_ = httpx2.post(faults, json=[
        {"service": "sms", "kind": "throttle", "left": 1}, {"service": "sms", "kind": "error", "left": 1},
        {"service": "sms", "kind": "reject", "left": 1},
        {"service": "sms", "kind": "hang", "left": 1},
    ])  # fmt: skip
    assert len(set_.json()["active"]) == 4
    form = {**LOGIN, "phones": ANN.phone, "mes": "x"}
    assert httpx2.post(url, data=form).json()["error_code"] == 9
    assert httpx2.post(url, data=form).status_code == 500
    assert httpx2.post(url, data=form).json()["error_code"] == 6
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(url, data=form, timeout=0.3)
    wait_for(lambda: sandbox.phones[0].texts)  # it was taken all the same
    assert httpx2.get(faults).json()["active"] == []
    wrong = httpx2.post(faults, json={"service": "fax", "kind": "burn"})
    assert wrong.status_code == 400 and len(wrong.json()["problems"]) == 2
