"""The sandbox's Asterisk and Kaskad's calls: sounds, keys, machines, causes, a broken WebSocket."""

import asyncio
import os
import shutil
import time
import wave
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.transport import ari
from kaskad.engine.transport.ari import Calls
from kaskad.providers import asterisk, provider
from kaskad.providers.base import Account, Outgoing
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.line import Line
from kaskad.sandbox.person import Sim
from kaskad.sandbox.servers import asterisk as server
from support.world import ANN, profile

SOUND = "sound:custom/sale"
MACHINES = "{pick_up: {median: 1}, think: {median: 1}, machine: 1.0}"
KEYS = {"1": "confirm", "9": "opt_out"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(ari, "BACKOFF_S", (0.05,))
    monkeypatch.setattr(ari, "STRAYS_S", 0.3)
    monkeypatch.setattr(asterisk, "RING_S", 250)  # a fiftieth of it is time to answer on a busy machine, too
    monkeypatch.setattr(asterisk, "KEY_S", 30.0)  # so is this


@pytest.fixture
def pbx(start):
    sandbox = start(time_factor=50, servers=("asterisk",))
    ann = sandbox.phones[0]
    ann.by_hand = True  # the tests are Ann
    return sandbox


class Kaskad:
    """The transport with one account, and what it hears."""

    def __init__(self, sandbox, **settings):
        told = sandbox.accounts()[0]
        own = {**told["settings"], **settings}
        self.account = Account(
            1, "pbx", "asterisk", Channel.ROBOT_CALL, own, {"password": own.pop("password")}
        )
        self.transport = Calls(2.0)
        self.sandbox, self.told, self.notes = sandbox, [], []
        self.well = True

    def hear(self, account, told, raw):
        if self.well:
            self.told += told
        ended = asyncio.get_running_loop().create_future()
        ended.set_result(self.well)
        return ended

    def note(self, account, why):
        self.notes.append(why)

    async def call(self, say=SOUND, to=ANN.phone, keys=KEYS):
        reference = "AQEBAQA" if to == ANN.phone else "AQEBAQB"
        at = int(time.time() * 1000)
        outgoing = Outgoing(reference, "k", Channel.ROBOT_CALL, to, at, say=say, keys=keys, language="ru")
        try:
            return await self.transport.send(provider("asterisk"), outgoing, self.account)
        except SendError as error:
            return error

    async def until(self, what, within_s=60.0):
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < within_s, self.told
            await asyncio.sleep(0.01)

    async def does(self, deed):
        """Let Ann do something, once there is a call."""
        ann = self.sandbox.phones[0]
        await self.until(lambda: ann.calls)
        await asyncio.get_running_loop().run_in_executor(
            None, lambda: self.sandbox.call(lambda: ann.calls[-1].deeds.put_nowait(deed))
        )

    def kinds(self):
        return [one.kind for one in self.told if one.kind is not None]

    async def ended(self):
        await self.until(lambda: any(one.name == "ended" for one in self.told))
        return self.told[-1]


def played(sandbox, play, **settings):
    async def run():
        kaskad = Kaskad(sandbox, **settings)
        kaskad.transport.follow({1: kaskad.account}, kaskad)
        try:
            return kaskad, await play(kaskad)
        finally:
            await kaskad.transport.close()

    return asyncio.run(run())


async def answered(kaskad):
    end = await kaskad.call()
    assert end.kind is None and end.provider_id.startswith("kaskad.AQEBAQA."), end
    await kaskad.does("answer")
    ann = kaskad.sandbox.phones[0]
    await kaskad.until(lambda: ann.calls[-1].heard)


@pytest.mark.parametrize("amd", ["", "kaskad-amd"], ids=["application", "dialplan"])
def test_a_key_ends_the_call_and_is_told_once(pbx, amd):
    async def play(kaskad):
        await answered(kaskad)
        await kaskad.does("5")
        await kaskad.does("9")
        return await kaskad.ended()

    kaskad, _ = played(pbx, play, amd_context=amd)
    keys = [one.key for one in kaskad.told if one.kind is Kind.KEYPRESS]
    assert keys == ["9"] and {one.reference for one in kaskad.told} == {"AQEBAQA"}
    assert pbx.phones[0].calls[0].heard == ["custom/sale", "custom/sale"]
    assert kaskad.kinds()[:3] == [Kind.SENT, Kind.SENT, Kind.SENT] and Kind.FAILED not in kaskad.kinds()


def test_who_says_nothing_is_hung_up_after_the_text(pbx, monkeypatch):
    monkeypatch.setattr(asterisk, "KEY_S", 0.3)

    async def play(kaskad):
        await kaskad.call()
        await kaskad.does("answer")
        pbx.phones[0].by_hand = False  # and so hears at the sandbox's speed
        return await kaskad.ended()

    kaskad, end = played(pbx, play)
    names = [one.name for one in kaskad.told]
    assert names.index("said") < names.index("ended") and end.kind in (Kind.DELIVERED, Kind.ANSWERED)


def test_a_text_ends_whatever_was_said_before_it(pbx, monkeypatch):
    """Counted down by floating-point differences, a millisecond's billionth would be left for ever."""
    awkward_ms, text_ms = 2_300.3, 7_000.0
    assert text_ms - (awkward_ms + text_ms - awkward_ms) > 0

    class Late(Line):
        async def deed(self, span_ms):
            done = await super().deed(span_ms)
            if done == "play":
                self.talked_ms = awkward_ms
            return done

    monkeypatch.setattr(server, "Line", Late)

    async def play(kaskad):
        await kaskad.call(keys={})
        await kaskad.does("answer")
        pbx.phones[0].by_hand = False  # and so hears at the sandbox's speed
        return await kaskad.ended()

    kaskad, _ = played(pbx, play)
    assert "said" in [one.name for one in kaskad.told]


@pytest.mark.parametrize("deed, code", [("decline", "busy"), ("", "no_answer")])
def test_how_a_call_ends_that_nobody_took(pbx, deed, code, monkeypatch):
    async def play(kaskad):
        await kaskad.call()
        if deed:
            await kaskad.does(deed)
        return await kaskad.ended()

    if not deed:
        monkeypatch.setattr(asterisk, "RING_S", 25)
        pbx.phones[0].by_hand = False
        pbx.phones[0].temper = replace(pbx.phones[0].temper, sim=Sim.ABSENT)
    _, end = played(pbx, play)
    assert (end.kind, end.code) == (Kind.FAILED, code)


def test_a_number_that_nobody_has_is_told_as_one(pbx):
    async def play(kaskad):
        await kaskad.call(to="+79000000099")
        return await kaskad.ended()

    _, end = played(pbx, play)
    assert (end.code, end.reason) == ("invalid_number", Reason.INVALID_ADDRESS)


def test_a_machine_is_left_alone(start):
    machines = start(time_factor=50, servers=("asterisk",), profile=profile(call=MACHINES))

    async def play(kaskad):
        await kaskad.call()
        return await kaskad.ended()

    kaskad, end = played(machines, play)
    assert Kind.MACHINE_ANSWERED in kaskad.kinds() and Kind.DELIVERED not in kaskad.kinds()
    assert end.kind is None and not machines.phones[0].calls[0].heard


@pytest.mark.parametrize(
    "kind, reason, accepted",
    [("throttle", Reason.RATE_LIMITED, False), ("error", Reason.TRANSIENT, False),
     ("reject", Reason.CONTENT, False), ("hang", Reason.AMBIGUOUS, None)],
)  # fmt: skip
def test_what_befalls_the_request(pbx, kind, reason, accepted):
    pbx.set_faults(Fault("asterisk", kind, left=1))
    _, end = played(pbx, lambda kaskad: kaskad.call())
    assert (end.reason, end.accepted) == (reason, accepted)


def test_a_websocket_that_ends_is_opened_again_and_calls_wait_for_it(pbx):
    pbx.set_faults(Fault("asterisk", "disconnect", left=1))

    async def play(kaskad):
        await kaskad.call()
        await kaskad.until(lambda: kaskad.notes.count("") == 2)
        await kaskad.does("answer")
        await kaskad.does("1")
        return await kaskad.ended()

    kaskad, _ = played(pbx, play, amd_context="")
    assert "1" in [one.key for one in kaskad.told]


def test_a_call_that_was_taken_while_nobody_listened_is_ended(pbx):
    async def nobody():
        kaskad = Kaskad(pbx, amd_context="")
        await kaskad.call()
        await kaskad.does("answer")
        await kaskad.until(lambda: pbx.phones[0].calls[-1].status == "in-progress")
        await kaskad.transport.close()

    asyncio.run(nobody())
    _, end = played(pbx, lambda kaskad: kaskad.ended(), amd_context="")
    assert end.kind is Kind.DELIVERED and pbx.phones[0].calls[-1].status == "completed"


def test_a_call_that_was_taken_as_listening_began_is_spoken_to(pbx, monkeypatch):
    """Asterisk has it already, and tells of it only when its dialplan has judged who took it."""
    monkeypatch.setattr(ari, "STRAYS_S", 10.0)
    monkeypatch.setattr(server, "DETECTION_MS", 25_000)  # half a second here

    async def nobody():
        kaskad = Kaskad(pbx, amd_context="kaskad-amd")
        await kaskad.call()
        await kaskad.does("answer")
        await kaskad.until(lambda: pbx.phones[0].calls[-1].status == "in-progress")
        await kaskad.transport.close()

    async def play(kaskad):
        await kaskad.until(lambda: pbx.phones[0].calls[-1].heard or pbx.phones[0].calls[-1].ended_at)
        await kaskad.does("1")
        return await kaskad.ended()

    asyncio.run(nobody())
    kaskad, _ = played(pbx, play, amd_context="kaskad-amd")
    assert [one.key for one in kaskad.told if one.kind is Kind.KEYPRESS] == ["1"]


def test_a_call_goes_on_when_its_account_is_changed(pbx):
    async def play(kaskad):
        await answered(kaskad)
        kaskad.account = replace(kaskad.account, priority=5)
        kaskad.transport.follow({1: kaskad.account}, kaskad)
        await kaskad.until(lambda: kaskad.notes.count("") == 2)
        await asyncio.sleep(0.5)  # in which a call that nobody holds would be ended
        await kaskad.does("1")
        return await kaskad.ended()

    kaskad, _ = played(pbx, play, amd_context="")
    assert [one.key for one in kaskad.told if one.kind is Kind.KEYPRESS] == ["1"]


def test_who_is_replaced_does_not_fight_for_the_application(pbx):
    async def play(first):
        await first.until(lambda: first.notes == [""])
        second = Kaskad(pbx, amd_context="")
        second.transport.follow({1: second.account}, second)
        await first.until(lambda: len(first.notes) == 2)
        await asyncio.sleep(0.3)
        await second.transport.close()
        return second

    first, second = played(pbx, play, amd_context="")
    assert "another process" in first.notes[1] and second.notes == [""]


def test_a_wrong_password_is_told(pbx, monkeypatch):
    monkeypatch.setattr(ari, "WAIT_S", 1.0)

    async def run():
        kaskad = Kaskad(pbx)
        kaskad.account = Account(
            1, "pbx", "asterisk", Channel.ROBOT_CALL, kaskad.account.settings, {"password": "x"}
        )
        kaskad.transport.follow({1: kaskad.account}, kaskad)
        try:
            return kaskad, await kaskad.call()
        finally:
            await kaskad.transport.close()

    kaskad, end = asyncio.run(run())
    assert end.reason is Reason.AUTH and end.accepted is False and kaskad.notes[-1] == "HTTP 403"


def test_what_cannot_be_kept_is_offered_again(pbx, monkeypatch):
    monkeypatch.setattr(ari, "AGAIN_S", 0.05)

    async def play(kaskad):
        kaskad.well = False
        await kaskad.call()
        await asyncio.sleep(0.2)
        kaskad.well = True
        await kaskad.does("answer")
        await kaskad.does("1")
        return await kaskad.ended()

    kaskad, _ = played(pbx, play, amd_context="")
    assert kaskad.told[0].name == "ringing"


@pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("sox")), reason="espeak-ng and sox are not installed"
)
def test_a_text_is_spoken_once_into_a_file_that_asterisk_plays(pbx, tmp_path):
    folder = tmp_path / "sounds"
    text = "Ваш заказ готов. Нажмите один, чтобы подтвердить, девять, чтобы отказаться."

    async def play(kaskad):
        ends = await asyncio.gather(kaskad.call(text), kaskad.call(text, to="+79000000099"))
        assert all(not isinstance(end, SendError) for end in ends), ends
        await kaskad.does("answer")
        ann = pbx.phones[0]
        await kaskad.until(lambda: text in ann.calls[-1].heard)
        await kaskad.does("1")
        await kaskad.until(lambda: any("Спасибо" in heard for heard in ann.calls[-1].heard))

    played(pbx, play, sounds=str(folder), amd_context="")
    assert len(list(folder.glob("*.wav"))) == 2 and len(list(folder.iterdir())) == 4  # text and thanks
    for path in folder.glob("*.wav"):
        with wave.open(str(path)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
            assert sound.getnframes() > 8000


def test_spoken_texts_that_no_call_uses_any_more_are_dropped(tmp_path):
    """Each may hold somebody's name."""
    for name, used_at in (("a" * 32, 100), ("b" * 32, 300)):
        for end in ("wav", "txt"):
            (tmp_path / f"{name}.{end}").write_text("Анна, ваш заказ готов")
            os.utime(tmp_path / f"{name}.{end}", (100, 100 if end == "txt" else used_at))
    (tmp_path / "moh.wav").write_text("somebody else's")
    os.utime(tmp_path / "moh.wav", (1, 1))
    ari.drop_old(tmp_path, 200)
    assert {path.name for path in tmp_path.iterdir()} == {"b" * 32 + ".wav", "b" * 32 + ".txt", "moh.wav"}
    ari.drop_old(tmp_path / "nowhere", 200)


def test_a_voice_that_cannot_speak_is_told(pbx, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path("/nonexistent")))
    _, end = played(pbx, lambda kaskad: kaskad.call("Текст"), sounds=str(tmp_path))
    assert end.reason is Reason.AUTH and "espeak-ng" in end.detail and not list(tmp_path.iterdir())


def test_a_call_is_hung_up_though_the_first_request_met_a_lost_connection(pbx, monkeypatch):
    monkeypatch.setattr(ari, "AGAIN_S", 0.05)

    async def play(kaskad):
        lost, post = [], kaskad.transport._http.post

        async def breaking(request, timeout_s):
            if request.method == "DELETE" and "/channels/" in request.url and not lost:
                lost.append(request)
                raise SendError(Reason.TRANSIENT, "the connection was lost")
            return await post(request, timeout_s)

        monkeypatch.setattr(kaskad.transport._http, "post", breaking)
        await kaskad.call()
        await kaskad.does("answer")
        await kaskad.until(lambda: pbx.phones[0].calls[-1].listening)
        await kaskad.does("9")
        await kaskad.until(lambda: pbx.phones[0].calls[-1].status == "completed", 20)

    played(pbx, play)
