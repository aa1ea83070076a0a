"""A small SMS centre that answers as a test says, over a real socket: also what a good one never does."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kaskad.providers.smpp_pdu import (
    DELIVER_SM,
    ENQUIRE_LINK,
    OK,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    Address,
    Bind,
    Message,
    Pdu,
    of_c_string,
    take,
)

BINDS = (1, 2, 9)
Answer = int | str | None  # a status, an id, or nothing at all


class Smsc:
    """What a centre got and what it says. `answer` is asked about each submission, in the centre's thread."""

    def __init__(self) -> None:
        self.port = 0
        self.binds: list[tuple[int, Bind]] = []
        self.got: list[Message] = []
        self.answered: list[tuple[int, int]] = []  # sequence number and status of answers to our reports
        self.unbound = 0
        self.silent = False  # no answer to enquire_link
        self.bind_status = OK
        self.sessions: list[_Session] = []
        self.answer: Callable[[Message], Answer] = lambda message: f"m{len(self.got)}"

    def report(self, message: Message, number: int = 1) -> None:
        """Send a deliver_sm over the last session that stands."""
        self._do(lambda: self.sessions[-1].write(Pdu(DELIVER_SM, OK, number, message.octets())))

    def cut(self) -> None:
        """End all connections without a word."""
        self._do(lambda: [session.transport.abort() for session in self.sessions])

    def leave(self) -> None:
        """Take leave, as a centre that restarts."""
        self._do(lambda: self.sessions[-1].write(Pdu(UNBIND, OK, 99)))

    def _do(self, act: Callable[[], object]) -> None:
        done = threading.Event()

        def run() -> None:
            act()
            done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(30)


class _Session(asyncio.Protocol):
    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc
        self.buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.smsc.sessions:
            self.smsc.sessions.remove(self)

    def write(self, pdu: Pdu) -> None:
        self.transport.write(pdu.octets())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        for pdu in take(self.buffer):
            self._take(pdu)

    def _take(self, pdu: Pdu) -> None:
        smsc, again = self.smsc, pdu.command | RESPONSE
        if pdu.command in BINDS:
            smsc.binds.append((pdu.command, Bind.read(pdu.body)))
            self.write(Pdu(again, smsc.bind_status, pdu.sequence, of_c_string("smsc")))
            if smsc.bind_status == OK:
                smsc.sessions.append(self)
        elif pdu.command == SUBMIT_SM:
            smsc.got.append(Message.read(pdu.body))
            answer = smsc.answer(smsc.got[-1])
            if isinstance(answer, str):
                self.write(Pdu(again, OK, pdu.sequence, of_c_string(answer)))
            elif answer is not None:
                self.write(Pdu(again, answer, pdu.sequence))
        elif pdu.command == ENQUIRE_LINK and not smsc.silent:
            self.write(Pdu(again, OK, pdu.sequence))
        elif pdu.command == UNBIND:
            smsc.unbound += 1
            self.write(Pdu(again, OK, pdu.sequence))
            self.transport.close()
        elif pdu.command == DELIVER_SM | RESPONSE:
            smsc.answered.append((pdu.sequence, pdu.status))


@contextmanager
def smsc(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Smsc]:
    """A running centre, on a port of its own."""
    centre, ready, stop = Smsc(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        centre.loop = asyncio.get_running_loop()
        server = await centre.loop.create_server(lambda: _Session(centre), "127.0.0.1", port, ssl=tls)
        centre.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        for session in list(centre.sessions):
            session.transport.abort()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield centre
    finally:
        centre.loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def receipt(identity: str, stat: str = "DELIVRD", to: str = "79000000001") -> Message:
    """A delivery receipt in the words of Appendix B."""
    text = f"id:{identity} sub:001 dlvrd:001 submit date:2601011030 done date:2601011031 stat:{stat} err:000"
    return Message(source=Address(1, 1, to), dest=Address(5, 0, "Shop"), esm_class=4, text=text.encode())


def says(text: str, *, header: bytes = b"", number: str = "79000000001") -> Message:
    """A message from a person, or a part of one."""
    return Message(source=Address(1, 1, number), dest=Address(3, 0, "1234"), coding=8,
                   esm_class=0x40 if header else 0, text=header + text.encode("utf-16-be"))  # fmt: skip
