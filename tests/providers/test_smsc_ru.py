"""SMSC: every status and every `err` of its tables, and money in the currency of the account."""

import asyncio
import json
from hashlib import md5, sha1
from urllib.parse import parse_qsl, urlencode

import pytest

from kaskad.domain.cascade import Money
from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.money import Price
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.carrier import Carrier
from kaskad.engine.parcel import Parcel
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing, Request
from kaskad.providers.smsc_ru import ERR, ERRORS, STATUSES, WHY
from support.faults import serving

SMSC = provider("smsc_ru")
SECRET = "a secret word"
ACCOUNT = Account(
    1, "sms", "smsc_ru", Channel.SMS, {"login": "shop"}, {"password": "p", "callback_secret": SECRET},
    price=Price(400, "KZT", "part"),
)  # fmt: skip


def read(**told):
    fields = {"id": "ref-1", "phone": "79000000001", "err": "0", **told}
    signed = f"{fields['id']}:{fields['phone']}:{fields['status']}:{SECRET}".encode()
    hook = Request("POST", "https://k.example.org/hooks/sms", {}, urlencode(
        {**fields, "md5": md5(signed).hexdigest(), "sha1": sha1(signed).hexdigest()}
    ).encode())  # fmt: skip
    SMSC.verify_webhook(hook, ACCOUNT, 0)
    (receipt,) = SMSC.read_webhook(hook, ACCOUNT)
    return receipt


def test_every_status_of_the_documentation_has_a_row():
    assert STATUSES.keys() == {-3, -2, -1, 0, 1, 2, 3, 4, 20, 22, 23, 24, 25}
    assert ERRORS.keys() == set(range(1, 10))
    assert ERR.keys() == {0, 1, 6, 11, 12, 13, 21, 200, 220, *range(240, 256)}


@pytest.mark.parametrize("status, kind", STATUSES.items())
def test_a_status_is_read_by_its_row(status, kind):
    receipt = read(status=str(status))
    assert (receipt.kind, receipt.reference, receipt.name) == (kind, "ref-1", str(status))
    assert receipt.reason == WHY.get(status, {20: Reason.OTHER, 3: Reason.TRANSIENT}.get(status))


@pytest.mark.parametrize("err, reason", ERR.items())
def test_an_undelivered_message_is_explained_by_err(err, reason):
    receipt = read(status="20", err=str(err))
    assert receipt.reason == reason
    assert receipt.kind == (None if reason is None else Kind.FAILED)


@pytest.mark.parametrize("field", ["id", "phone", "status"])
def test_what_the_digest_covers_cannot_be_changed(field):
    fields = {"id": "ref-1", "phone": "79000000001", "status": "20"}
    signed = ":".join([*fields.values(), SECRET]).encode()
    body = {**fields, "sha1": sha1(signed).hexdigest()}
    SMSC.verify_webhook(Request("POST", "/", {}, urlencode(body).encode()), ACCOUNT, 0)
    with pytest.raises(BadSignature):
        SMSC.verify_webhook(Request("POST", "/", {}, urlencode({**body, field: "1"}).encode()), ACCOUNT, 0)


def test_a_text_that_would_be_cut_is_refused_with_its_parts():
    outgoing = Outgoing("r", "k", Channel.SMS, "+79000000001", 0, text="я" * 1001)
    with pytest.raises(SendError) as caught:
        SMSC.build_request(outgoing, ACCOUNT)
    assert caught.value.reason is Reason.CONTENT and "15 parts" in caught.value.detail


def test_an_account_without_credentials_says_what_it_needs():
    with pytest.raises(SendError, match="api_key, or login and password") as caught:
        SMSC.build_request(
            Outgoing("r", "k", Channel.SMS, "+79000000001", 0), Account(1, "s", "smsc_ru", "sms")
        )
    assert caught.value.reason is Reason.AUTH


@pytest.mark.parametrize("price, cost", [(ACCOUNT.price, Money(435, "KZT")), (None, None)])
def test_what_it_took_is_in_the_currency_of_the_accounts_price(price, cost):
    """The answer names no currency: SMSC.kz charges tenge, SMSC.ru roubles."""
    answer = json.dumps({"id": "ref-1", "cnt": 1, "cost": "4.35", "balance": "9"}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
    with serving(lambda peer: peer.answer(head + answer)) as server:
        settings = {"login": "shop", "base_url": server.url.removesuffix("/send")}
        account = Account(1, "sms", "smsc_ru", Channel.SMS, settings, {"password": "p&=?"}, price=price)
        outgoing = Outgoing(
            "ref-1", "k", Channel.SMS, "+79000000001", 0, text="Ж & ?", valid_for_ms=5_400_000
        )
        results = []

        async def carry():
            carrier = Carrier({1: account}, lambda: 5, results.extend)
            carrier.take([Parcel(1, 1, 0, 1, 1, outgoing)])
            while not results:
                await asyncio.sleep(0.01)
            await carrier.stop(5)

        asyncio.run(carry())
    (result,) = results
    assert (result.reason, result.kind, result.cost, result.provider_id) == (None, Kind.SENT, cost, "ref-1")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /sys/send.php HTTP/1.1\r\n")
    assert dict(parse_qsl(body.decode())) == {
        "login": "shop", "psw": "p&=?", "phones": "+79000000001", "mes": "Ж & ?", "charset": "utf-8",
        "fmt": "3", "cost": "3", "id": "ref-1", "valid": "01:30",
    }  # fmt: skip
