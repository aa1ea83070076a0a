"""Twilio Voice: the published statuses, signatures as Twilio's client makes them, and the call's TwiML."""

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import provider, twilio_api
from kaskad.providers.base import Account, Outgoing, Request
from kaskad.providers.signatures import check_twilio
from kaskad.providers.twilio_voice import STATUSES, _instant

VOICE = provider("twilio_voice")
SETTINGS = {"account_sid": "AC1", "caller": "+15550100"}
ACCOUNT = Account(1, "calls", "twilio_voice", Channel.ROBOT_CALL, SETTINGS, {"auth_token": "12345"})
VECTORS = [
    vector
    for vector in json.loads((Path(__file__).parent / "payloads" / "signature_vectors.json").read_text())[
        "vectors"
    ]
    if vector["provider"] == "twilio"
]
REPORTS = "https://k.example.org/hooks/calls?reference=ref-1"
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_every_published_status_has_a_row():
    """`call_enum_status` of twilio-oai@d50069b4; reports also say initiated."""
    published = "queued ringing in-progress completed busy failed no-answer canceled"
    assert STATUSES.keys() == {*published.split(), "initiated"}


def test_the_signature_is_that_of_the_documentation():
    (vector,) = VECTORS
    check_twilio(vector["auth_token"], vector["url"], vector["params"].items(), vector["signature"])


@given(
    fields=st.dictionaries(words, words, max_size=5),
    token=st.text(min_size=1, max_size=10),
    url=st.sampled_from(["https://k.example.org/hooks/c?a=1&b=%20", "http://127.0.0.1:8000/hooks/c", "https://k.example.org:443/x"]),
)  # fmt: skip
def test_the_signature_is_the_one_that_twilios_client_makes(fields, token, url):
    made = RequestValidator(token).compute_signature(url, fields)
    check_twilio(token, url, fields.items(), made)
    with pytest.raises(BadSignature):
        check_twilio(token + "x", url, fields.items(), made)
    with pytest.raises(BadSignature):
        check_twilio("", url, fields.items(), made)


def twiml(outgoing, account=ACCOUNT):
    body = parse_qs(VOICE.build_request(outgoing, account).body.decode())
    return ElementTree.fromstring(body["Twiml"][0])


def call(say="Hello", **more):
    return Outgoing(
        "ref-1", "k", Channel.ROBOT_CALL, "+15550101", 0, say=say,
        status_url="https://k.example.org/hooks/calls", **more,
    )  # fmt: skip


@given(say=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_text_makes_xml_that_says_it_twice(say):
    said = [each.text or "" for each in twiml(call(say)).iter("Say")]
    wanted = "".join(sign for sign in say if sign >= " " or sign in "\n\t")
    assert len(said) == 2 and all(each == wanted for each in said)


def test_keys_are_gathered_while_the_text_is_said_and_it_is_said_once_more():
    response = twiml(call(keys={"9": "opt_out", "1": "confirm"}))
    assert [child.tag for child in response] == ["Gather", "Pause", "Gather"]
    for gather in response.iter("Gather"):
        assert (gather.get("input"), gather.get("numDigits"), gather[0].tag) == ("dtmf", "1", "Say")
        assert gather.get("action") == "https://k.example.org/hooks/calls?reference=ref-1&keys=19&language=en"


@pytest.mark.parametrize(
    "language, say, voice",
    [
        ("ru", "x", "ru-RU"),
        ("ru-RU", "x", "ru-RU"),
        ("kk", "x", "ru-RU"),
        ("en", "Ж", "en-US"),
        ("", "Ж", "ru-RU"),
        ("", "x", "en-US"),
        ("de", "x", "en-US"),
    ],
)
def test_the_voice_is_that_of_the_contact_or_of_the_letters(language, say, voice):
    assert {each.get("language") for each in twiml(call(say, language=language)).iter("Say")} == {voice}


def test_a_call_that_nobody_would_learn_of_is_not_made():
    with pytest.raises(SendError, match="base_url"):
        VOICE.build_request(Outgoing("r", "k", Channel.ROBOT_CALL, "+15550101", 0, say="x"), ACCOUNT)


def test_a_text_that_twilio_would_cut_is_refused():
    with pytest.raises(SendError) as caught:
        VOICE.build_request(call("x" * 2000), ACCOUNT)
    assert caught.value.reason is Reason.CONTENT and caught.value.accepted is False


def hook(url, **told):
    body = urlencode({"CallSid": "CA1", **told}).encode()
    signature = RequestValidator("12345").compute_signature(url, dict(parse_qsl(body.decode(), True)))
    made = Request("POST", url, {"x-twilio-signature": signature}, body)
    VOICE.verify_webhook(made, ACCOUNT, 0)
    return made


@pytest.mark.parametrize("digits", ["", "19", "5", "#"])
def test_a_key_that_means_nothing_is_no_reaction_and_another_may_follow(digits):
    told = hook("https://k.example.org/hooks/calls?reference=ref-1&keys=19&language=en", Digits=digits)
    (receipt,) = VOICE.read_webhook(told, ACCOUNT)
    assert receipt.kind is None
    (gather,) = ElementTree.fromstring(VOICE.answer_webhook(told, ACCOUNT)[1])
    assert gather.get("action") == told.url


def test_a_key_ends_the_call_with_thanks():
    told = hook("https://k.example.org/hooks/calls?reference=ref-1&keys=19&language=ru", Digits="9")
    (receipt,) = VOICE.read_webhook(told, ACCOUNT)
    assert (receipt.kind, receipt.key, receipt.reference) == (Kind.KEYPRESS, "9", "ref-1")
    say, hangup = ElementTree.fromstring(VOICE.answer_webhook(told, ACCOUNT)[1])
    assert say.get("language") == "ru-RU" and hangup.tag == "Hangup"


@pytest.mark.parametrize(
    "seconds, by, kind",
    [
        ("14", "human", Kind.DELIVERED),
        ("15", "human", Kind.ANSWERED),
        ("15", "", Kind.ANSWERED),
        ("60", "machine_end_beep", Kind.MACHINE_ANSWERED),
        ("60", "fax", Kind.MACHINE_ANSWERED),
        ("", "human", Kind.DELIVERED),
    ],
)
def test_who_listened_for_how_long_decides(seconds, by, kind):
    told = hook(REPORTS, CallStatus="completed", CallDuration=seconds, AnsweredBy=by)
    assert [each.kind for each in VOICE.read_webhook(told, ACCOUNT)] == [kind]


@given(st.lists(st.tuples(words, words), max_size=5).map(urlencode) | st.text("a=&+%20é\x00;", max_size=20))
def test_a_form_is_read_as_the_standard_library_reads_it(body):
    read = twilio_api.pairs(Request("POST", "https://k.example.org/", {}, body.encode()))
    assert list(read) == parse_qsl(body, keep_blank_values=True)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.sampled_from([0, 330, -480]))
def test_an_instant_is_read_as_the_standard_library_reads_it(moment, minutes):
    stamp = format_datetime(moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes))))
    assert _instant({"Timestamp": stamp}) == round(parsedate_to_datetime(stamp).timestamp() * 1000)
