"""SMPP in bytes: what we write another library reads, what it writes we read; text in all its alphabets."""

import json
from pathlib import Path

import msgspec
import pytest
from aiosmpplib import NPI, TON, DeliverSm, GSM7BitCodec, PhoneNumber, SubmitSm
from aiosmpplib.protocol import SmppMessage
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain import sms
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import provider
from kaskad.providers.base import Account, Inbound, Outgoing, Receipt
from kaskad.providers.smpp import STATES, STATUSES, Segment, joined
from kaskad.providers.smpp_pdu import (
    DELIVER_SM,
    SAR_NUMBER,
    SUBMIT_SM,
    UDHI,
    Bind,
    Message,
    Pdu,
    concatenation,
    read_pdu,
    take,
)

SMPP = provider("smpp")
ACCOUNTS = json.loads((Path(__file__).parent / "accounts.json").read_text())["smpp"]
texts = st.text(st.sampled_from("aZ9 @€[]`é\nяЁ😀ç") | st.characters(exclude_categories=["Cs"]), max_size=700)
ways = st.sampled_from(["udh", "sar", "payload"])
alphabets = st.sampled_from(["gsm", "latin1"])


def account(name="one", **settings):
    told = ACCOUNTS[name]
    return Account(1, name, "smpp", Channel.SMS, {**told["settings"], **settings}, told["secrets"])


def outgoing(text, **fields):
    return Outgoing("ref", "1:1:0", Channel.SMS, "+79000000001", 0, text=text, **fields)


def judged(message, kind=SubmitSm, command=SUBMIT_SM, **options):
    """Return what aiosmpplib reads in a PDU of ours."""
    pdu = Pdu(command, 0, 7, message.octets()).octets()
    return kind.from_pdu(pdu, SmppMessage.parse_header(pdu), **options)


@pytest.mark.parametrize(
    "text, encoding, name",
    [
        ("Hello {world}, 5 €", "gsm0338", "one"),
        ("Да, 🙂", "", "one"),
        ("Grüße", "", "latin1"),
    ],
)
def test_another_library_reads_what_we_submit(text, encoding, name):
    part, = SMPP.build_parts(outgoing(text, valid_for_ms=5_400_000), account(name))  # fmt: skip
    read = judged(part, default_encoding=encoding)
    assert read.short_message == text
    assert (read.source.number, read.source.ton, read.source.npi) == ("Shop", TON.ALPHANUMERIC, NPI.UNKNOWN)
    assert (read.destination.number, read.destination.ton) == ("79000000001", TON.INTERNATIONAL)
    assert read.validity_period.total_seconds() == 5400 and read.registered_delivery == 1


@pytest.mark.parametrize("text, coding", [("ok", 3), ("Да, согласен", 8)])
def test_we_read_what_another_library_delivers(text, coding):
    source = PhoneNumber("79000000001", TON.INTERNATIONAL, NPI.ISDN)
    told = DeliverSm(
        short_message=text, source=source, destination=PhoneNumber("1234"), log_id="1", sequence_num=9,
        encoding="latin_1" if coding == 3 else "ucs2",
    )  # fmt: skip
    pdu = read_pdu(told.pdu())
    assert Message.read(pdu.body).coding == coding
    read = SMPP.read_heard(pdu, account())
    assert isinstance(read, Inbound) and (read.text, read.address) == (text, "+79000000001")


@given(st.text(st.sampled_from(sms.BASIC + sms.EXTENSION), max_size=200))
def test_gsm_octets_are_those_of_another_library_and_read_back(text):
    octets = sms.octets(text)
    assert octets == GSM7BitCodec().encode(text)[0] and sms.from_octets(octets) == text
    assert len(octets) == sms.units(text)


def test_octets_of_no_letter_are_read_too():
    assert sms.from_octets(b"a\x1b\x1b\x1bA\xff\x1b") == "a\xa0A\ufffd"


@given(texts, ways, alphabets)
def test_any_text_comes_whole_in_parts_that_are_as_paid(text, way, alphabet):
    chosen = account(long_messages=way, alphabet=alphabet)
    parts = SMPP.build_parts(outgoing(text), chosen)
    kinds = {part.coding for part in parts}
    assert len(kinds) == 1 and all(len(part.text) <= 254 for part in parts)
    if alphabet == "gsm" and way != "payload":
        assert len(parts) == sms.parts(text)
        assert all(len(part.content) <= (160 if part.coding == 0 else 140) for part in parts)
    heard = [SMPP.read_heard(Pdu(DELIVER_SM, 0, 1, part.octets()), chosen) for part in parts]
    if len(parts) > 1:
        assert all(isinstance(one, Segment) for one in heard) and len({one.key for one in heard}) == 1
        assert [one.number for one in heard] == list(range(1, len(parts) + 1))
        assert all(part.esm_class == (UDHI if way == "udh" else 0) for part in parts)
        assert all((SAR_NUMBER in part.tlvs) == (way == "sar") for part in parts)
        read = joined(heard[::-1], chosen)
    else:
        read = heard[0]
        assert concatenation(parts[0]) is None
    assert read.text == "".join(sms.split(text)) or (alphabet == "latin1" and read.text == text)


@given(st.binary(max_size=300), st.integers(0, 255))
def test_whatever_a_centre_delivers_is_read_or_refused_with_value_error(body, esm_class):
    for octets in (body, b"\0\1\1790\0\1\1123\0" + bytes((esm_class,)) + body):
        for command in (DELIVER_SM, 0x103):
            try:
                read = SMPP.read_heard(Pdu(command, 0, 1, octets), account("codes"))
            except ValueError:
                continue
            assert isinstance(read, Receipt | Inbound | Segment)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=100))
def test_any_answer_is_an_id_or_a_send_error(status, body):
    try:
        assert isinstance(SMPP.read_submitted(Pdu(0x80000004, status, 1, body), account("sar")), str)
        assert status == 0
    except SendError as error:
        assert status != 0 and error.accepted is False
        assert error.reason is STATUSES.get(status, Reason.OTHER)


@given(st.lists(st.tuples(st.integers(1, 2**31 - 1), st.binary(max_size=40)), max_size=8), st.integers(1, 50))
def test_pdus_are_found_however_the_bytes_come(told, step):
    pdus = [Pdu(SUBMIT_SM, 0, number, body) for number, body in told]
    stream, buffer, found = b"".join(pdu.octets() for pdu in pdus), bytearray(), []
    for at in range(0, len(stream), step):
        buffer += stream[at : at + step]
        found += take(buffer)
    assert found == pdus and not buffer


@pytest.mark.parametrize("length", [0, 15, 70_001, 2**32 - 1])
def test_a_length_that_no_pdu_has_ends_the_session(length):
    with pytest.raises(ValueError):
        take(bytearray(length.to_bytes(4, "big") + b"\0" * 16))


def test_a_bind_reads_back_and_hides_its_password():
    bind = Bind("kaskad", "secret", "VMA")
    assert Bind.read(bind.octets()) == bind and "secret" not in repr(bind)


def test_parts_of_two_messages_differ_and_those_of_an_attempt_do_not():
    def reference(key):
        text = msgspec.structs.replace(outgoing("я" * 100), key=key)
        return SMPP.build_parts(text, account(long_messages="sar"))[0].tlvs[0x020C]

    assert reference("1:1:0") == reference("1:1:0") and len({reference(f"{n}:1:0") for n in range(100)}) > 95


@pytest.mark.parametrize(
    "wrong, about",
    [({"system_id": "sixteen letters!"}, "system_id"), ({"password": "ninechars"}, "password"),
     ({"sender": "A name too long"}, "sender"), ({"receipt_zone": "Mars"}, "receipt_zone"),
     ({"status_codes": "0x450"}, "status_codes"), ({"receipt_codes": "1=nonsense"}, "receipt_codes"),
     ({"port": "x"}, "port")],
)  # fmt: skip
def test_settings_that_cannot_work_are_told(wrong, about):
    told = account(**wrong)
    if "password" in wrong:
        told = msgspec.structs.replace(told, secrets=wrong)
    problem, = SMPP.check(told)  # fmt: skip
    assert about in problem
    assert SMPP.check(account()) == SMPP.check(account("codes")) == []


def test_a_bad_number_or_name_is_refused_before_anything_is_sent():
    with pytest.raises(SendError) as caught:
        SMPP.build_parts(msgspec.structs.replace(outgoing("x"), to="ann@example.org"), account())
    assert caught.value.reason is Reason.INVALID_ADDRESS
    with pytest.raises(SendError) as caught:
        SMPP.build_parts(outgoing("x"), account(sender="Магазин"))
    assert caught.value.reason is Reason.AUTH


def test_every_state_of_the_specification_has_its_row():
    assert set(STATES) == set(range(1, 9)) and Kind.DELIVERED in {kind for _, kind in STATES.values()}
