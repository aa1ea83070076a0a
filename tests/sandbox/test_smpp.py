"""The SMS centre of the sandbox, driven by Kaskad's own sessions and by another library's."""

import asyncio

import pytest
from aiosmpplib import ESME, PhoneNumber, SubmitSm
from aiosmpplib.broker import AbstractBroker
from aiosmpplib.hook import AbstractHook

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.transport.smpp import ShortMessages
from kaskad.providers import provider
from kaskad.providers.base import Account, Inbound, Outgoing
from kaskad.sandbox.faults import Fault
from support.world import ANN, wait_for

LONG = "Ваша посылка ждёт вас в пункте выдачи. " * 4  # three parts


def account_of(sandbox):
    told = next(one for one in sandbox.accounts() if one["provider"] == "smpp")
    settings = dict(told["settings"])
    secrets = {"password": settings.pop("password")}
    return Account(1, told["name"], "smpp", Channel.SMS, settings, secrets)


class Kaskad:
    """Sends over a session to the sandbox, and keeps what it hears."""

    def __init__(self, sandbox, timeout_s=10.0):
        self.account = account_of(sandbox)
        self.transport = ShortMessages(timeout_s)
        self.told = []

    def hear(self, account, told, raw):
        self.told += told
        ended = asyncio.get_running_loop().create_future()
        ended.set_result(True)
        return ended

    def note(self, account, why):
        assert not why, why

    async def send(self, text, to=ANN.phone):
        outgoing = Outgoing("r", text, Channel.SMS, to, 0, text=text, valid_for_ms=3_600_000)
        try:
            return await self.transport.send(provider("smpp"), outgoing, self.account)
        except SendError as error:
            return error

    async def told_of(self, count):
        for _ in range(3_000):
            if len(self.told) >= count:
                return self.told
            await asyncio.sleep(0.01)
        raise AssertionError(f"only {self.told}")


def played(sandbox, play, **options):
    async def run():
        kaskad = Kaskad(sandbox, **options)
        kaskad.transport.follow({1: kaskad.account}, kaskad)
        try:
            return await play(kaskad)
        finally:
            await kaskad.transport.close()

    return asyncio.run(run())


@pytest.fixture
def centre(start):
    return start(time_factor=100, servers=("smpp",))


def test_a_long_text_reaches_the_phone_whole_and_each_part_has_its_receipt(centre):
    async def play(kaskad):
        end = await kaskad.send(LONG)
        return end, await kaskad.told_of(3)

    end, told = played(centre, play)
    assert [sms.text for sms in centre.phones[0].texts] == [LONG] and centre.phones[0].texts[
        0
    ].other == "Shop"
    assert {one.provider_id for one in told} == set(end.parts) and len(end.parts) == 3
    assert {one.kind for one in told} == {Kind.DELIVERED}


def test_a_number_that_nobody_has_is_reported_as_one(centre):
    async def play(kaskad):
        await kaskad.send("Hello", to="+79000000099")
        return await kaskad.told_of(1)

    told, = played(centre, play)  # fmt: skip
    assert (told.kind, told.reason) == (Kind.FAILED, Reason.INVALID_ADDRESS)


def test_an_answer_comes_whole_over_the_session(centre):
    async def play(kaskad):
        await kaskad.send("Hello")
        await kaskad.told_of(1)
        ann = centre.phones[0]
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, lambda: centre.do(lambda deeds: deeds.send_sms(ann, LONG + "🙂")))
        return await kaskad.told_of(2)

    told = played(centre, play)[1]
    assert isinstance(told, Inbound) and (told.text, told.address) == (LONG + "🙂", ANN.phone)


@pytest.mark.parametrize(
    "kind, reason, accepted",
    [("throttle", Reason.RATE_LIMITED, False), ("error", Reason.TRANSIENT, False),
     ("reject", Reason.TRANSIENT, False), ("hang", Reason.AMBIGUOUS, None),
     ("disconnect", Reason.AMBIGUOUS, None)],
)  # fmt: skip
def test_what_befalls_a_submission(centre, kind, reason, accepted):
    centre.set_faults(Fault("smpp", kind, left=1))

    async def play(kaskad):
        return await kaskad.send("Hello")

    end = played(centre, play, timeout_s=0.5 if kind == "hang" else 10.0)
    assert (end.reason, end.accepted) == (reason, accepted)
    if accepted is None:  # taken, though nobody was told
        wait_for(lambda: centre.phones[0].texts)
    else:
        assert not centre.phones[0].texts


def test_receipts_come_late_twice_and_in_another_order(centre):
    centre.set_faults(
        Fault("smpp", "reorder", left=1), Fault("smpp", "duplicate", left=1), Fault("smpp", "lost", left=1)
    )

    async def play(kaskad):
        for text in "abc":
            await kaskad.send(text)
            await asyncio.sleep(0.1)
        return [one.provider_id for one in await kaskad.told_of(3)]

    first, second, third = played(centre, play)
    assert first == second != third  # the second twice, then the first, the third never


def test_reports_wait_for_who_binds_next(centre):
    async def only_sends():
        transport = ShortMessages(2.0)
        kaskad = Kaskad(centre)
        kaskad.transport = transport
        end = await kaskad.send("Hello")
        await asyncio.sleep(0.2)
        await transport.close()
        return end

    end = asyncio.run(only_sends())

    async def play(kaskad):
        return await kaskad.told_of(1)

    told, = played(centre, play)  # fmt: skip
    assert told.provider_id == end.provider_id


class Once(AbstractBroker):
    """Gives another library one message to send."""

    def __init__(self, message):
        self.message = message

    async def enqueue(self, message):
        pass

    async def dequeue(self):
        if self.message is None:
            await asyncio.sleep(60)
        given, self.message = self.message, None
        return given


class Watch(AbstractHook):
    """Keeps what another library got."""

    def __init__(self):
        self.got = []

    async def sending(self, message, pdu, client_id):
        pass

    async def received(self, message, pdu, client_id):
        self.got.append(message)

    async def send_error(self, message, error, client_id):
        self.got.append(error)


def test_another_library_sends_and_reads_its_receipt(centre):
    account = account_of(centre)
    watch = Watch()
    message = SubmitSm(
        short_message="Привет", source=PhoneNumber("Shop"), destination=PhoneNumber("79000000001"),
        registered_delivery=1, encoding="ucs2", log_id="1",
    )  # fmt: skip

    async def run():
        esme = ESME(smsc_host="127.0.0.1", smsc_port=int(account["port"]), system_id=account["system_id"],
                    password=account["password"], broker=Once(message), hook=watch)  # fmt: skip
        task = asyncio.ensure_future(esme.start())
        for _ in range(3_000):
            if any(getattr(one, "is_receipt", lambda: False)() for one in watch.got):
                break
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    receipt = next(one for one in watch.got if getattr(one, "is_receipt", lambda: False)())
    assert receipt.parse_receipt()["stat"] == "DELIVRD"
    assert [sms.text for sms in centre.phones[0].texts] == ["Привет"]


def test_a_wrong_login_is_refused_in_the_words_of_the_protocol(centre):
    account = account_of(centre)

    async def run(**changes):
        kaskad = Kaskad(centre)
        kaskad.account = Account(
            1, "gate", "smpp", Channel.SMS, {**account.settings, **changes}, {"password": "no"}
        )
        end = await kaskad.send("Hello")
        await kaskad.transport.close()
        return end

    assert asyncio.run(run()).code == "0xe" and asyncio.run(run(system_id="eve")).code == "0xf"
