"""Kaskad's calls to a far end of others: provider and transport, ARI, and by SIP to a SIPp that is called."""

from collections.abc import Callable

import pytest

from kaskad.domain.terms import Kind, Reason
from kaskad.sandbox import servers
from sandbox.test_asterisk import Kaskad, played
from support.sip import SipAsterisk, Trunk
from support.sipp import (
    ANSWERS,
    HANGS_UP,
    IS_CANCELLED,
    IS_HUNG_UP_ON,
    RINGS,
    ends,
    presses,
    sipp,
    waits,
)
from support.world import ANN


@pytest.fixture
def called(start, tmp_path, monkeypatch) -> Callable[..., tuple[list, object]]:
    """Let Kaskad call somebody who does these deeds; return what it hears, the end of the call last."""
    monkeypatch.setattr(servers, "SERVERS", (SipAsterisk,))

    def call(*deeds, time_factor=1):
        async def play(kaskad: Kaskad):
            await kaskad.until(lambda: kaskad.notes == [""])
            await kaskad.call()
            return await kaskad.ended()

        with sipp(tmp_path, ANN.phone, *deeds) as peer:
            pbx = start(time_factor=time_factor, servers=("asterisk",), keys=(Trunk(peer.port),))
            pbx.phones[0].by_hand = True  # nobody is simulated
            kaskad, end = played(pbx, play, amd_context="")
            assert peer.complaint() == ""
        assert {one.reference for one in kaskad.told} == {"AQEBAQA"}
        return kaskad.told, end

    return call


def names(told):
    return [one.name for one in told]


def test_a_key_comes_by_info_and_kaskad_hangs_up(called):
    told, end = called(RINGS, ANSWERS, presses("9"), IS_HUNG_UP_ON)
    assert names(told) == ["ringing", "up", "answered", "key", "ended"]
    assert [(one.kind, one.key) for one in told if one.key] == [(Kind.KEYPRESS, "9")]
    assert end.kind is Kind.DELIVERED


def test_a_key_without_a_meaning_does_not_end_the_call(called):
    told, _ = called(ANSWERS, presses("5", "1"), IS_HUNG_UP_ON)
    assert [(one.kind, one.key) for one in told if one.key] == [(None, "5"), (Kind.KEYPRESS, "1")]


def test_who_hangs_up_soon_was_reached_and_no_more(called):
    told, end = called(RINGS, ANSWERS, HANGS_UP)
    assert names(told) == ["ringing", "up", "answered", "ended"]
    assert end.kind is Kind.DELIVERED and end.detail == "Normal Clearing"


def test_who_listens_and_then_hangs_up_has_heard_it(called):
    _, end = called(RINGS, ANSWERS, waits(2_000), HANGS_UP, time_factor=10)
    assert end.kind is Kind.ANSWERED


@pytest.mark.parametrize(
    "status, code, reason",
    [
        ("486 Busy Here", "busy", Reason.OTHER),
        ("600 Busy Everywhere", "busy", Reason.OTHER),
        ("603 Decline", "rejected", Reason.OTHER),
        ("480 Temporarily Unavailable", "no_answer", Reason.OTHER),
        ("503 Service Unavailable", "unreachable", Reason.TRANSIENT),
        ("504 Server Time-out", "unreachable", Reason.TRANSIENT),
    ],
)
def test_who_does_not_take_the_call_is_told_by_the_cause(called, status, code, reason):
    told, end = called(RINGS, ends(status))
    assert names(told) == ["ringing", "ended"]
    assert (end.kind, end.code, end.reason) == (Kind.FAILED, code, reason)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "484 Address Incomplete", "604 Nowhere"])
def test_a_number_that_nobody_has_never_rings(called, status):
    told, end = called(ends(status))
    assert names(told) == ["ended"]
    assert (end.kind, end.code, end.reason) == (Kind.FAILED, "invalid_number", Reason.INVALID_ADDRESS)


def test_who_lets_it_ring_is_cancelled(called):
    told, end = called(RINGS, IS_CANCELLED, time_factor=10)
    assert names(told) == ["ringing", "ended"]
    assert (end.kind, end.code) == (Kind.FAILED, "no_answer")
