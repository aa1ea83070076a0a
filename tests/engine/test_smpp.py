"""Sessions with SMS centres: what is certain of each message, whatever the centre does; what it tells."""

import asyncio
import ssl
import time

import pytest

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.process import new_loop
from kaskad.engine.transport import smpp as transport
from kaskad.engine.transport.smpp import ShortMessages
from kaskad.providers import provider
from kaskad.providers.base import Account, Inbound, Outgoing
from kaskad.providers.smpp_pdu import BIND_TRANSCEIVER, BIND_TRANSMITTER
from support.certificates import certificate
from support.faults import free_port
from support.smsc import receipt, says, smsc

SMPP = provider("smpp")
LONG = "я" * 150  # three parts


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, value in (("BACKOFF_S", (0.05,)), ("STEADY_S", 0.0), ("WAIT_S", 10.0), ("HOLD_S", 0.2)):
        monkeypatch.setattr(transport, name, value)
    monkeypatch.setattr(transport, "PAUSES_MS", (40, 80, 160))


@pytest.fixture
def centre():
    with smsc() as running:
        yield running


def account(port, **settings):
    password = settings.pop("password", "secret")
    own = {"host": "127.0.0.1", "port": str(port), "system_id": "kaskad", "sender": "Shop", **settings}
    return Account(1, "gate", "smpp", Channel.SMS, own, {"password": password})


def outgoing(text="Hello"):
    return Outgoing("r", "1:1:0", Channel.SMS, "+79000000001", 0, text=text)


class Ears:
    """Keeps what is heard; says that it is durable, or not, when the test lets it."""

    def __init__(self, well=True):
        self.told, self.notes, self.well = [], [], well

    def hear(self, account, told, raw):
        self.told += told
        ended = asyncio.get_running_loop().create_future()
        if self.well is not None:
            ended.set_result(self.well)
        return ended

    def note(self, account, why):
        self.notes.append(why)


class Sessions:
    """The transport with one account, on the loop of the test."""

    def __init__(self, account, ears=None, timeout_s=2.0, tls=None):
        self.account, self.ears = account, ears
        self.transport = ShortMessages(timeout_s, tls=tls)
        if ears is not None:
            self.transport.follow({1: account}, ears)

    async def send(self, text="Hello"):
        try:
            return await self.transport.send(SMPP, outgoing(text), self.account)
        except SendError as error:
            return error


def running(work):
    """Run a test's coroutine on the loop that the product uses."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


async def until(what, within_s=15.0):
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within_s, "it does not happen"
        await asyncio.sleep(0.01)


def played(centre, play, **options):
    """Return what `play(sessions)` returns; the sessions are closed in order afterwards."""

    async def run():
        sessions = Sessions(account(centre.port), **options)
        try:
            return await play(sessions)
        finally:
            await sessions.transport.close()

    return running(run())


def test_messages_share_one_session_which_ends_with_a_word(centre):
    async def play(sessions):
        return await asyncio.gather(*[sessions.send(str(number)) for number in range(50)])

    ends = played(centre, play, ears=Ears())
    assert {end.provider_id for end in ends} == {f"m{n}" for n in range(1, 51)}
    (command, bind), = centre.binds  # fmt: skip
    assert (command, bind.system_id, bind.password) == (BIND_TRANSCEIVER, "kaskad", "secret")
    assert centre.unbound == 1


def test_who_does_not_listen_binds_as_a_transmitter_and_leaves_reports_to_others(centre):
    async def play(sessions):
        end = await sessions.send()
        centre.report(receipt("m1"))
        await until(lambda: centre.answered)
        return end

    assert played(centre, play).provider_id == "m1"
    assert centre.binds[0][0] == BIND_TRANSMITTER and centre.answered == [(1, 0x64)]


@pytest.mark.parametrize("status, reason", [(0x0B, Reason.INVALID_ADDRESS), (0x0A, Reason.AUTH)])
def test_a_refusal_proves_that_nothing_was_taken(centre, status, reason):
    centre.answer = lambda message: status
    end = played(centre, lambda sessions: sessions.send())
    assert (end.reason, end.accepted, end.code) == (reason, False, f"{status:#x}")


def test_throttling_asks_for_longer_pauses_and_ends_with_an_acceptance(centre):
    async def play(sessions):
        centre.answer = lambda message: 0x58
        pauses = []
        for _ in range(4):
            end = await sessions.send()
            assert end.reason is Reason.RATE_LIMITED and end.accepted is False
            pauses.append(end.retry_after_ms)
            await asyncio.sleep(end.retry_after_ms / 1000 + 0.01)
        centre.answer = lambda message: "ok"
        await sessions.send()
        centre.answer = lambda message: 0x58
        return pauses, (await sessions.send()).retry_after_ms

    assert played(centre, play) == ([40, 80, 160, 160], 40)


def test_many_that_are_too_much_at_once_are_one_pause(centre):
    centre.answer = lambda message: 0x58

    async def play(sessions):
        return await asyncio.gather(*[sessions.send() for _ in range(20)])

    assert all(1 <= end.retry_after_ms <= 40 for end in played(centre, play))


def test_no_answer_and_a_lost_session_are_unknown_and_what_never_left_is_not(centre, monkeypatch):
    centre.answer = lambda message: None

    async def play(sessions):
        silent = await sessions.send()
        held = asyncio.ensure_future(sessions.send())
        await until(lambda: len(centre.got) == 2)
        centre.cut()
        return silent, await held

    silent, lost = played(centre, play, timeout_s=0.3)
    for end in (silent, lost):
        assert (end.reason, end.accepted) == (Reason.AMBIGUOUS, None)

    async def nobody():
        sessions = Sessions(account(free_port()))
        try:
            return await sessions.send()
        finally:
            await sessions.transport.close()

    monkeypatch.setattr(transport, "WAIT_S", 0.5)
    end = running(nobody())
    assert (end.reason, end.accepted) == (Reason.TRANSIENT, False)


def test_a_session_that_was_cut_is_opened_again(centre):
    ears = Ears()

    async def play(sessions):
        await sessions.send()
        centre.cut()
        await until(lambda: len(centre.binds) == 2)
        return await sessions.send()

    assert played(centre, play, ears=ears).provider_id == "m2"
    assert len(centre.binds) == 2 and set(ears.notes) == {""}


def test_a_centre_that_takes_its_leave_is_left_and_bound_anew(centre):
    async def play(sessions):
        await sessions.send()
        centre.leave()
        await until(lambda: len(centre.binds) == 2)
        return await sessions.send()

    assert played(centre, play, ears=Ears()).provider_id == "m2"


def test_a_wrong_password_is_told_and_stops_the_account(centre):
    centre.bind_status = 0x0E
    ears = Ears()
    end = played(centre, lambda sessions: sessions.send(), ears=ears)
    assert (end.reason, end.accepted) == (Reason.AUTH, False) and "refused the bind" in ears.notes[-1]


def test_a_centre_that_is_silent_is_asked_and_then_left(centre, monkeypatch):
    monkeypatch.setattr(transport, "ENQUIRE_S", 0.1)

    async def play(sessions):
        await sessions.send()
        await asyncio.sleep(0.5)
        kept = len(centre.binds)
        monkeypatch.setattr(transport, "ANSWER_S", 0.1)
        centre.silent = True
        await until(lambda: len(centre.binds) > 1)
        return kept

    assert played(centre, play, ears=Ears()) == 1


def test_a_long_text_goes_in_parts_with_an_id_each(centre):
    end = played(centre, lambda sessions: sessions.send(LONG))
    assert (end.provider_id, end.parts) == ("m1", ("m1", "m2", "m3"))


@pytest.mark.parametrize(
    "answers, reason, accepted",
    [
        (["m1", 0x08], Reason.AMBIGUOUS, None),  # the beginning has gone: all of it again would double it
        (["m1", None], Reason.AMBIGUOUS, None),
        (["m1", 0x0B], Reason.INVALID_ADDRESS, False),
        ([0x08], Reason.TRANSIENT, False),
        (["m1", 0x58, 0x58, 0x58, 0x58], Reason.AMBIGUOUS, None),
    ],
)  # fmt: skip
def test_what_a_part_that_is_refused_means(centre, answers, reason, accepted):
    left = list(answers)
    centre.answer = lambda message: left.pop(0)
    patience = 0.3 if None in answers else 10.0
    end = played(centre, lambda sessions: sessions.send(LONG), timeout_s=patience)
    assert (end.reason, end.accepted) == (reason, accepted) and not left


def test_a_later_part_that_is_too_much_waits_for_its_turn(centre):
    left = ["m1", 0x58, "m2", 0x58, 0x58, "m3"]
    centre.answer = lambda message: left.pop(0)
    assert played(centre, lambda sessions: sessions.send(LONG)).parts == ("m1", "m2", "m3")


def test_a_report_is_answered_once_it_is_durable_and_not_before(centre):
    ears = Ears(well=None)

    async def play(sessions):
        await until(lambda: centre.sessions)
        centre.report(receipt("m1"), 5)
        await until(lambda: ears.told)
        await asyncio.sleep(0.1)
        assert not centre.answered
        ears.well = True
        centre.report(receipt("m2"), 6)
        await until(lambda: centre.answered)
        ears.well = False
        centre.report(receipt("m3"), 7)
        await until(lambda: len(centre.answered) == 2)

    played(centre, play, ears=ears)
    assert [one.provider_id for one in ears.told] == ["m1", "m2", "m3"]
    assert centre.answered == [(6, 0), (7, 0x64)]


def test_parts_of_a_reply_are_joined_and_answered_together(centre, monkeypatch):
    monkeypatch.setattr(transport, "HOLD_S", 60.0)
    ears = Ears()

    async def play(sessions):
        await until(lambda: centre.sessions)
        centre.report(says("двух частях", header=b"\5\0\3\7\2\2"), 2)
        await asyncio.sleep(0.05)
        assert not ears.told and not centre.answered
        centre.report(says("Ответ в ", header=b"\5\0\3\7\2\1"), 1)
        await until(lambda: len(centre.answered) == 2)
        monkeypatch.setattr(transport, "HOLD_S", 0.2)
        centre.report(says("Только начало ", header=b"\5\0\3\x08\2\1"), 3)
        await until(lambda: len(centre.answered) == 3)

    played(centre, play, ears=ears)
    assert [one.text for one in ears.told] == ["Ответ в двух частях", "Только начало "]
    assert all(isinstance(one, Inbound) and one.kind is Kind.REPLIED for one in ears.told)


def test_what_cannot_be_read_is_kept_and_answered(centre):
    ears = Ears()

    async def play(sessions):
        await until(lambda: centre.sessions)
        broken = receipt("m1")
        centre.report(type(broken)(source=broken.source, dest=broken.dest, esm_class=4, text=b"?"), 4)
        await until(lambda: centre.answered)

    played(centre, play, ears=ears)
    assert (ears.told[0].kind, ears.told[0].name) == (None, "unreadable") and centre.answered == [(4, 0)]


def test_an_account_that_changes_gets_a_session_of_its_own_and_one_that_goes_leaves(centre):
    ears = Ears()

    async def play(sessions):
        await sessions.send()
        changed = account(centre.port, system_type="VMA")
        sessions.transport.follow({1: changed}, ears)
        await until(lambda: len(centre.binds) == 2 and len(centre.sessions) == 1)
        sessions.transport.follow({}, ears)
        await until(lambda: not centre.sessions)

    played(centre, play, ears=ears)
    assert centre.binds[1][1].system_type == "VMA" and centre.unbound == 2


def test_a_centre_is_spoken_to_over_tls_with_a_certificate_that_is_checked(tmp_path):
    server_tls, client_tls = certificate(tmp_path)
    with smsc(tls=server_tls) as centre:

        async def run(tls):
            sessions = Sessions(account(centre.port, security="tls"), tls=tls)
            try:
                return await sessions.send()
            finally:
                await sessions.transport.close()

        assert running(run(client_tls)).provider_id == "m1"
        end = running(run(ssl.create_default_context()))
        assert (end.reason, end.accepted) == (Reason.TRANSIENT, False) and "Cert" in end.detail
