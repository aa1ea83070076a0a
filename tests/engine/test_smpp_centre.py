"""Our sessions against an SMS centre of others, npm's SMPP server: it shares no reading with us."""

import asyncio

import pytest

from engine.test_smpp import Ears, Sessions, account, running, until
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Kind, Reason
from kaskad.providers.base import Inbound
from support.node import installed, script

LONG = {"udh": "я" * 150, "sar": "a" * 200}


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("npm"), "smpp@0.5")


def played(modules, play, *, ears=None, settings=None, **options):
    """Return what `play(sessions, centre)` returns with an npm smpp server, and what the server said."""
    with script("centre.js", {"modules": str(modules), **options}) as centre:
        port = centre.next("port")["port"]

        async def run():
            sessions = Sessions(account(port, **(settings or {})), ears=ears or Ears())
            try:
                return await play(sessions)
            finally:
                await sessions.transport.close()

        return running(run()), centre


@pytest.mark.parametrize("tlvs", [False, True], ids=["text", "parameters"])
def test_it_reads_our_texts_and_we_its_receipts(modules, tlvs):
    ears = Ears()
    texts = ["Hello {world}, 5 €", "Привет, 🙂"]

    async def play(sessions):
        ends = [await sessions.send(text) for text in texts]
        await until(lambda: len(ears.told) == len(texts))
        return ends

    ends, centre = played(modules, play, ears=ears, tlvs=tlvs)
    got = [line for line in centre.said if "submit" in line]
    assert [line["text"] for line in got] == texts and [line["coding"] for line in got] == [0, 8]
    assert got[0]["source"] == [5, 0, "Shop"] and got[0]["dest"] == [1, 1, "79000000001"]
    assert [(one.provider_id, one.kind) for one in ears.told] == [
        (e.provider_id, Kind.DELIVERED) for e in ends
    ]
    assert [line["answered"] for line in centre.said if "answered" in line] == [0, 0]


@pytest.mark.parametrize("way", ["udh", "sar"])
def test_it_reads_our_parts(modules, way):
    ears = Ears()

    async def play(sessions):
        end = await sessions.send(LONG[way])
        await until(lambda: len(ears.told) == len(end.parts))
        return end

    end, centre = played(modules, play, ears=ears, settings={"long_messages": way})
    got = [line for line in centre.said if "submit" in line]
    assert "".join(line["text"] for line in got) == LONG[way] and [line["submit"] for line in got] == [
        *end.parts
    ]
    total = len(end.parts)
    for number, line in enumerate(got, 1):
        if way == "udh":
            assert line["udh"].startswith("0003") and line["udh"].endswith(f"{total:02x}{number:02x}")
        else:
            assert line["sar"][1:] == [total, number] and line["sar"][0] == got[0]["sar"][0]


def test_it_takes_a_long_text_whole_as_a_payload(modules):
    _, centre = played(modules, lambda s: s.send(LONG["udh"]), settings={"long_messages": "payload"})
    assert [line["text"] for line in centre.said if "submit" in line] == [LONG["udh"]]


def test_its_long_reply_reaches_us_whole(modules):
    ears = Ears()

    async def play(sessions):
        await sessions.send("Ответьте")
        await until(lambda: any(isinstance(one, Inbound) for one in ears.told))
        await asyncio.sleep(0.1)

    _, centre = played(modules, play, ears=ears)
    reply = next(one for one in ears.told if isinstance(one, Inbound))
    assert (reply.text, reply.address) == ("Да, я согласен получать сообщения и дальше 🙂", "+79000000001")
    assert sorted(line["part"] for line in centre.said if "part" in line and line["answered"] == 0) == [1, 2]


def test_its_throttling_and_its_refused_password_are_read(modules):
    async def play(sessions):
        return [await sessions.send() for _ in range(2)]

    (throttled, taken), _ = played(modules, play, throttle=1)
    assert isinstance(throttled, SendError) and throttled.reason is Reason.RATE_LIMITED
    assert taken.provider_id == "1"
    end, _ = played(modules, lambda s: s.send(), settings={"password": "wrong"})
    assert isinstance(end, SendError) and end.reason is Reason.AUTH
