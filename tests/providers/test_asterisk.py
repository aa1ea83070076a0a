"""ARI in values: settings, what is spoken, and events of any form."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.providers import provider
from kaskad.providers.asterisk import MINE, Call, Step, play
from kaskad.providers.base import Account, Outgoing, Response

PBX = provider("asterisk")
ACCOUNTS = json.loads((Path(__file__).parent / "accounts.json").read_text())["asterisk"]
ID = f"{MINE}AQEBAQA.1"
TYPES = st.sampled_from(
    [
        "ChannelStateChange",
        "StasisStart",
        "PlaybackFinished",
        "ChannelDtmfReceived",
        "ChannelDestroyed",
        "Dial",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("timestamp", "args", "digit", "cause", "cause_txt", "playback")


def account(name="one", **settings):
    told = ACCOUNTS[name]
    return Account(1, name, "asterisk", Channel.ROBOT_CALL, {**told["settings"], **settings}, told["secrets"])


def outgoing(say, **fields):
    plain = {"reference": "AQEBAQA", "key": "k", "channel": Channel.ROBOT_CALL, "to": "+79000000001", "at": 1}
    return Outgoing(**{**plain, **fields}, say=say)


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
@given(TYPES, st.dictionaries(st.sampled_from(FIELDS), values), st.sampled_from(["", "1", "19"]), values)
def test_an_event_of_any_form_is_read(kind, fields, keys, state):
    target = {"id": f"{ID}.text", "target_uri": f"channel:{ID}", "state": state}
    for place in ({"channel": {"id": ID, "state": state}}, {"playback": target}, {"channel": state}):
        raw = json.dumps({"type": kind, **fields, **place}).encode()
        for calls in ({}, {ID: Call(ID, keys, "sound:thanks", 0)}):
            step = PBX.step(raw, calls, account())
            assert step is None or isinstance(step, Step)
            assert all(one.reference == "AQEBAQA" for one in (step.told if step else ()))


@given(st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_event_is_refused_with_value_error(raw):
    try:
        assert PBX.step(raw, {}, account()) is None
    except ValueError:
        assert PBX.channel_of(raw) == ""


def test_a_text_is_spoken_in_the_contacts_language_and_named_by_what_it_says():
    text, thanks = PBX.speeches(outgoing("Привет", keys={"1": "confirm"}), account())
    assert (text.voice, text.text, thanks.text[:7]) == ("ru", "Привет", "Спасибо")
    assert text.path.startswith("/var/lib/kaskad/sounds/") and text.path == f"{text.media[6:]}.wav"
    other, = PBX.speeches(outgoing("Привет", language="kk"), account())  # fmt: skip
    assert other.voice == "kk" and other.path != text.path
    (remote,) = PBX.speeches(outgoing("Hello"), account("amd"))
    assert remote.media == f"sound:http://kaskad.example.org/sounds/{Path(remote.path).name}"


@pytest.mark.parametrize(
    "say, settings, reason",
    [("Привет", {"sounds": ""}, Reason.AUTH), ("a" * 1501, {}, Reason.CONTENT),
     ("sound:a,sound:b", {}, Reason.CONTENT), ("sound:a b", {}, Reason.CONTENT)],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_before_anybody_is_called(say, settings, reason):
    with pytest.raises(SendError) as caught:
        PBX.speeches(outgoing(say), account(**settings))
    assert caught.value.reason is reason and caught.value.accepted is False


def test_a_number_can_add_nothing_to_how_it_is_dialled():
    with pytest.raises(SendError) as caught:
        PBX.build_request(outgoing("sound:a", to="+7900&PJSIP/evil"), account())
    assert caught.value.reason is Reason.INVALID_ADDRESS


@pytest.mark.parametrize(
    "wrong, about",
    [({"endpoint": "PJSIP/79000000001"}, "endpoint"), ({"voice": "ru; rm"}, "voice"), ({"app": "a b"}, "app"),
     ({"sounds": "sounds"}, "sounds"), ({"sounds_at": "/a,b"}, "sounds_at")],
)  # fmt: skip
def test_settings_that_cannot_work_are_told(wrong, about):
    problem, = PBX.check(account(**wrong))  # fmt: skip
    assert about in problem and PBX.check(account()) == PBX.check(account("amd")) == []


def test_only_calls_of_ours_that_nobody_holds_are_ended():
    channels = [
        {"id": ID, "state": "Up"}, {"id": f"{MINE}b.1", "state": "Up"}, "nonsense", {"state": "Up"},
        {"id": f"{MINE}c.1", "state": "Ringing"}, {"id": "1586730880.1", "state": "Up"},
    ]  # fmt: skip
    told = Response(200, {}, msgspec.json.encode(channels))
    (ended,) = PBX.strays(told, account(), {ID: Call(ID, "", "", 0)})
    assert ended.method == "DELETE" and f"{MINE}b.1" in ended.url
    assert "playbackId=" in play(ID, "sound:a", "text", account()).url
    assert PBX.strays(Response(500, {}, b""), account(), {}) == []
