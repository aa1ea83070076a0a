"""Messages written for one person each, and sent by the real sender over real sockets to local servers.

Words are rendered here, with tracked links and a signed reference for each person; `engine/sender` (a process
of its own, as in `kaskad serve`) builds the requests and mails and sends them. Accounts have no limits but
that of requests at once. No engine and no database: `kaskad bench` measures these.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import islice

from msgspec import Struct, structs

from kaskad.bench.measure import cpu_s, interpreter
from kaskad.bench.sinks import Sinks, sinks
from kaskad.domain.cascade import Content
from kaskad.domain.content import CompiledContent, LinkMaker, compile_content
from kaskad.domain.errors import Unavailable
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.tokens import Signer
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.sender import Sender
from kaskad.providers.base import Account, Limits, Outgoing

TARGETS = {Channel.EMAIL: 1_000, Channel.TELEGRAM: 4_000, Channel.SMS: 4_000}  # messages a second
BASE_URL = "https://k.example.org"
_AHEAD = 4_000  # messages that the sender may have before it has answered
_BATCH = 32  # what an engine hands over at once is about its accounts' free slots
_LIVE_UNTIL = 4_000_000_000_000
_PARAGRAPH = (
    '<tr><td style="padding:12px 24px;font-family:Arial,sans-serif;font-size:16px;line-height:24px">'
    "{{ contact.name }}, товар № %d ждёт вас в корзине. Мы сохранили цену и отложили его до конца недели: "
    'посмотрите, всё ли вам нужно. <a href="https://shop.example.org/cart/%d?from=mail">Открыть корзину</a>'
    "</td></tr>"
)
LETTER = Content(
    subject="{{ contact.name }}, ваша корзина ждёт",
    html="<!doctype html><html lang='ru'><body><table>"
    + "".join(_PARAGRAPH % (number, number) for number in range(14))
    + '</table><p><a href="{{ unsubscribe_url }}">Отписаться</a></p></body></html>',
)
NOTE = Content(text="{{ contact.name }}, ваша корзина ждёт: {{ link('https://shop.example.org/cart') }}")


class Work(Struct, frozen=True):
    """What is asked for; `dkim_key` (PEM) makes mails signed."""

    messages: int = 20_000
    mails: int = 5_000
    concurrency: int = 64
    dkim_key: str = ""


class Figure(Struct, frozen=True):
    """How one channel went. `ratio` is the speed beside its target.

    CPU is told apart: of the process that sends, and of this one, which renders. On a machine that is busy
    with other things it tells more than the speed.
    """

    channel: str
    messages: int
    seconds: float
    per_second: float
    target: int
    ratio: float
    sender_cpu_us: float  # a message
    writer_cpu_us: float
    bytes: int  # of one message's words
    refused: int
    lost: int  # accepted, and never seen by the server


class Report(Struct, frozen=True):
    figures: list[Figure]
    work: Work
    versions: dict[str, str]


def run(work: Work, say: Callable[[str], None] = lambda _: None) -> Report:
    """Do the work and return the report."""
    measured: list[Figure] = []
    with sinks() as servers:
        for account in _accounts(work, servers):
            say(f"{account.channel} …")
            count = work.mails if account.channel is Channel.EMAIL else work.messages
            measured.append(_measure(account, count))
    taken = structs.asdict(servers.taken)
    figures = [
        structs.replace(each, lost=each.messages - each.refused - taken[each.channel]) for each in measured
    ]
    shown = structs.replace(work, dkim_key="given" if work.dkim_key else "")
    return Report(figures, shown, {"kaskad": version("kaskad"), "python": interpreter()})


def _accounts(work: Work, servers: Sinks) -> Iterator[Account]:
    limits = Limits(concurrency=work.concurrency, per_second=1e6, burst=1_000_000)
    mail = {
        "host": "127.0.0.1", "port": str(servers.smtp_port), "security": "none", "list_id": "n.example.org",
        "sender": "Магазин <shop@example.org>", "bounce_domain": "b.example.org",
    }  # fmt: skip
    secrets = {"bounce_secret": "a secret of the benchmark's accounts"}
    if work.dkim_key:
        mail |= {"dkim_domain": "example.org", "dkim_selector": "s1"}
        secrets["dkim_key"] = work.dkim_key
    url = f"http://127.0.0.1:{servers.http_port}"
    yield Account(1, "mail", "smtp", Channel.EMAIL, mail, secrets, limits)
    bot = {"token": "123456:TEST-token"}
    yield Account(2, "chat", "telegram", Channel.TELEGRAM, {"base_url": url}, bot, limits)
    sms = {"login": "shop", "base_url": url}
    yield Account(3, "sms", "smsc_ru", Channel.SMS, sms, {"password": "secret"}, limits)


def _measure(account: Account, count: int) -> Figure:
    """Send `count` messages, each to another person, after a few that warm everything up."""
    collected = _Collected()
    sender = Sender({account.id: account}, lambda: time.time_ns() // 1_000_000, collected.take)
    try:
        parcels = _parcels(account, count + 2 * _BATCH)
        warm = [next(parcels) for _ in range(2 * _BATCH)]
        sender.submit(warm)
        collected.wait_for(len(warm))
        began, cpu, own = time.perf_counter(), cpu_s(sender.pid), time.process_time()
        submitted = len(warm)
        while batch := list(islice(parcels, _BATCH)):
            sender.submit(batch)
            submitted += len(batch)
            collected.wait_for(submitted - _AHEAD)
        collected.wait_for(submitted)
        seconds, used = time.perf_counter() - began, cpu_s(sender.pid) - cpu
        own = time.process_time() - own
    finally:
        sender.close(5)
    made = submitted - len(warm)
    per_second, target = made / seconds, TARGETS[account.channel]
    return Figure(
        account.channel.value, submitted, round(seconds, 3), round(per_second, 1), target,
        round(per_second / target, 2), round(used / made * 1e6, 1), round(own / made * 1e6, 1),
        _size(warm[0].outgoing), collected.refused, 0,
    )  # fmt: skip


def _parcels(account: Account, count: int) -> Iterator[Parcel]:
    """Yield messages to `count` people, rendered when they are asked for."""
    signer = Signer([(1, b"a key of a benchmark's database.")])
    content = compile_content(LETTER if account.channel is Channel.EMAIL else NOTE, account.channel)
    for number in range(1, count + 1):
        links = LinkMaker(signer, BASE_URL, number, number, 0, _LIVE_UNTIL)
        yield Parcel(number, number, 0, 1, account.id, _outgoing(account, number, content, links))


def _outgoing(account: Account, number: int, content: CompiledContent, links: LinkMaker) -> Outgoing:
    name = f"Анна {number}"
    words = content.render({"contact": {"name": name}, "trigger": {}, "run": {}}, links)
    to = {Channel.EMAIL: f"ann{number}@example.org", Channel.SMS: f"+7900{number:07}"}
    return Outgoing(
        links.signer.reference(number, number, 0, 1),
        f"{number}:{number}:0",
        account.channel,
        to.get(account.channel, str(number)),
        time.time_ns() // 1_000_000,
        MessageClass.ADVERTISING,
        subject=words.subject,
        html=words.html,
        text=words.text,
        unsubscribe_url=links.unsubscribe(),
        valid_for_ms=7_200_000,
        contact_name=name,
        language="ru",
    )


def _size(outgoing: Outgoing) -> int:
    return sum(len(part.encode()) for part in (outgoing.subject, outgoing.html, outgoing.text))


class _Collected:
    """Counts results; they come in a thread of the sender's."""

    def __init__(self) -> None:
        self._ended = threading.Condition()
        self._count = 0
        self.refused = 0

    def take(self, results: Sequence[Result]) -> None:
        with self._ended:
            self._count += len(results)
            self.refused += sum(result.reason is not None for result in results)
            self._ended.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until `count` messages have ended; raises Unavailable where nothing moves for a minute."""
        with self._ended:
            while self._count < count:
                before = self._count
                if not self._ended.wait(60) and self._count == before:
                    raise Unavailable("the local servers of the benchmark do not answer")
