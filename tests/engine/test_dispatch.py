"""Every parcel has exactly one result, from a thread and from a process, whatever the provider does."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from kaskad.domain.errors import Unavailable
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.dispatch import Dispatcher, Parcel
from kaskad.engine.sender import Sender
from kaskad.providers.base import Account, Limits, Outgoing
from support.faults import OK, Peer, free_port, message, serving, until, webhook_account

THROTTLED = b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
BROKEN = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(params=[Dispatcher, Sender], ids=["thread", "process"])
def start(request):
    """Start a dispatcher that collects its results; all are closed at the end."""
    started = []

    def make(accounts, **options):
        results = []
        dispatcher = request.param({a.id: a for a in accounts}, lambda: 1234, results.extend, **options)
        started.append(dispatcher)
        return dispatcher, results

    yield make
    for dispatcher in started:
        dispatcher.close(0.0)


def parcel(number, account_id=1, **fields):
    return Parcel(number, 5, 2, 1, account_id, message(number, **fields))


def carried(start, account, count=1, **options):
    dispatcher, results = start([account], **options)
    dispatcher.submit([parcel(number) for number in range(count)])
    until(lambda: len(results) >= count)
    dispatcher.close(1.0)
    assert sorted(result.contact_id for result in results) == list(range(count))
    return results[0] if count == 1 else results


def test_an_accepted_message_has_its_id_and_time(start):
    body = b'{"id": "m-1", "cost": {"amount": "1.44", "currency": "RUB"}}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serving(lambda peer: peer.answer(answer)) as server:
        result = carried(start, webhook_account(server.url))
    assert (result.contact_id, result.run_id, result.step) == (0, 5, 2)
    assert (result.attempt, result.account_id) == (1, 1)
    assert (result.provider_id, result.kind, result.reason, result.accepted) == ("m-1", Kind.SENT, None, True)
    assert (result.cost.minor, result.cost.currency, result.at) == (144, "RUB", 1234)


def test_what_a_provider_says_is_kept_without_the_character_that_postgresql_refuses(start):
    body = b'{"id": "m\\u0000-1", "detail": "n\\u0000o", "code": "7\\u00007"}'
    for status, told in ((b"200 OK", "m-1"), (b"400 No", "no77")):
        answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
        with serving(lambda peer, answer=answer: peer.answer(answer)) as server:
            result = carried(start, webhook_account(server.url))
        assert result.provider_id + result.detail + result.code == told


@pytest.mark.parametrize(
    "answer, reason, accepted",
    [
        (THROTTLED, Reason.RATE_LIMITED, False),
        (BROKEN, Reason.AMBIGUOUS, None),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", Reason.AUTH, False),
        (b"what?\r\n\r\n", Reason.AMBIGUOUS, None),
    ],
    ids=["429", "503", "403", "garbage"],
)
def test_refusals_and_doubt_are_told_apart(start, answer, reason, accepted):
    with serving(lambda peer: peer.answer(answer)) as server:
        result = carried(start, webhook_account(server.url))
    assert (result.reason, result.accepted) == (reason, accepted)
    assert result.retry_after_ms == (7000 if answer is THROTTLED else None)


def test_a_refused_connection_and_a_hanging_server_are_told_apart(start):
    assert carried(start, webhook_account(f"http://127.0.0.1:{free_port()}/")).accepted is False
    with serving(Peer.hang) as server:
        assert carried(start, webhook_account(server.url), timeout_s=0.3).accepted is None


def test_thousands_of_messages_have_one_result_each_and_keep_to_the_concurrency(start):
    now, most, lock = Counter(), [0], threading.Lock()

    def watch(peer):
        while peer.request():
            with lock:
                now["open"] += 1
                most[0] = max(most[0], now["open"])
            with lock:
                now["open"] -= 1
            peer.socket.sendall(OK)

    with serving(watch) as server:
        results = carried(start, webhook_account(server.url, concurrency=5), 2000)
    assert {result.reason for result in results} == {None}
    assert len(server.requests) == 2000 and server.connections <= 5 and most[0] <= 5


def test_an_account_that_hangs_does_not_hold_up_another(start):
    with serving(Peer.hang) as slow, serving(lambda peer: peer.answer(OK)) as quick:
        dispatcher, results = start([webhook_account(slow.url, 1), webhook_account(quick.url, 2)])
        dispatcher.submit([parcel(number, 1) for number in range(20)])
        dispatcher.submit([parcel(number, 2) for number in range(100, 150)])
        until(lambda: len(results) == 50)
        assert {result.account_id for result in results} == {2}
        dispatcher.close(0.1)
    ends = {result.contact_id: result for result in results if result.account_id == 1}
    assert len(ends) == 20 and len(results) == 70
    assert Counter(result.accepted for result in ends.values()) == {None: 8, False: 12}


def test_unknown_account_and_unknown_provider_are_results_too(start):
    import msgspec

    strange = msgspec.structs.replace(webhook_account("http://localhost/", 2), provider="pigeon")
    dispatcher, results = start([strange])
    dispatcher.submit([parcel(1, 2), parcel(2, 77)])
    until(lambda: len(results) == 2)
    assert {(result.reason, result.accepted) for result in results} == {(Reason.AUTH, False)}


def test_a_changed_account_counts_from_the_next_message(start):
    accounts = {}
    with serving(lambda peer: peer.answer(OK)) as first, serving(lambda peer: peer.answer(OK)) as second:
        dispatcher, results = start([])
        accounts = dispatcher._accounts if isinstance(dispatcher, Sender) else dispatcher._carrier._accounts
        for number, server in enumerate([first, second]):
            accounts[1] = webhook_account(server.url)
            dispatcher.submit([parcel(number)])
            until(lambda wanted=number + 1: len(results) == wanted)
    assert len(first.requests) == len(second.requests) == 1


def test_nothing_is_taken_after_closing(start):
    dispatcher, _ = start([webhook_account("http://localhost/")])
    dispatcher.close(0.0)
    dispatcher.close(0.0)
    with pytest.raises(Unavailable):
        dispatcher.submit([parcel(1)])


def test_closing_waits_for_what_is_under_way(start):
    go = threading.Event()

    def late(peer):
        peer.request()
        go.wait(30)
        peer.socket.sendall(OK)

    with serving(late) as server:
        dispatcher, results = start([webhook_account(server.url)])
        dispatcher.submit([parcel(1)])
        until(lambda: len(server.requests) == 1)
        threading.Timer(0.2, go.set).start()
        dispatcher.close(5.0)
    assert [result.reason for result in results] == [None]


def test_a_defect_in_a_provider_is_a_result_and_not_the_end(monkeypatch):
    from kaskad.providers.generic_webhook import GenericWebhook

    def broken(self, *arguments):
        raise KeyError("marked body")

    for method, accepted in [("build_request", False), ("read_response", None)]:
        with serving(lambda peer: peer.answer(OK)) as server, monkeypatch.context() as patch:
            patch.setattr(GenericWebhook, method, broken)
            results = []
            dispatcher = Dispatcher({1: webhook_account(server.url)}, lambda: 0, results.extend)
            dispatcher.submit([parcel(1), parcel(2)])
            until(lambda results=results: len(results) == 2)
            dispatcher.close(1.0)
        assert [result.accepted for result in results] == [accepted] * 2
        assert "marked" not in results[0].detail


def test_a_killed_sending_process_leaves_unknown_results_and_is_replaced():
    with serving(Peer.hang) as slow, serving(lambda peer: peer.answer(OK)) as quick:
        results = []
        accounts = {1: webhook_account(slow.url, 1), 2: webhook_account(quick.url, 2)}
        sender = Sender(accounts, lambda: 9, results.extend)
        sender.submit([parcel(number) for number in range(5)])
        until(lambda: slow.connections == 5)
        os.kill(sender.pid, signal.SIGKILL)
        until(lambda: len(results) == 5)
        assert {(result.reason, result.accepted) for result in results} == {(Reason.AMBIGUOUS, None)}
        sender.submit([parcel(7, 2)])
        until(lambda: len(results) == 6)
        assert results[-1].reason is None
        sender.close(1.0)


PARENT = """
import sys, time
from kaskad.domain.terms import Channel
from kaskad.engine.dispatch import Parcel
from kaskad.engine.sender import Sender
from kaskad.providers.base import Account, Limits, Outgoing

account = Account(
    1, "a", "generic_webhook", Channel.SMS, {"url": sys.argv[1]}, {"secret": "s"},
    limits=Limits(concurrency=2),
)
sender = Sender({1: account}, lambda: 0, print)
sender.submit([
    Parcel(n, 1, 0, 1, 1, Outgoing(f"r{n}", f"k{n}", Channel.SMS, "+15550100", 0, text="x"))
    for n in range(50)
])
print(sender.pid, flush=True)
time.sleep(60)
"""


def test_the_sending_process_stops_at_once_when_its_parent_is_killed(tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    with serving(Peer.hang) as server:
        command = [sys.executable, str(program), server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
            child = int(parent.stdout.readline())
            until(lambda: server.connections == 2)
            parent.kill()
        until(lambda: not alive(child))
    assert server.connections == 2


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_neither_body_nor_address_nor_secret_is_logged_or_reported(start, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for fault in (THROTTLED, BROKEN, b"what?\r\n\r\n", OK):
        with serving(lambda peer, fault=fault: peer.answer(fault)) as server:
            result = carried(start, webhook_account(server.url + "/marked-path"))
            assert "marked" not in repr(result) and "15550100" not in repr(result)
    assert "marked" not in repr(parcel(1)) and "15550100" not in repr(parcel(1))
    assert "marked" not in repr(webhook_account("http://localhost/marked"))
    written = caplog.text + "".join(capfd.readouterr())
    assert "marked" not in written and "15550100" not in written


def post(url, **limits):
    return Account(
        1, "post", "postmark", Channel.EMAIL, {"sender": "shop@example.org", "base_url": url},
        {"server_token": "t"}, Limits(**{"concurrency": 50, "per_second": 1e6, "burst": 1000, **limits}),
    )  # fmt: skip


def letter(number, to=None):
    told = {"channel": Channel.EMAIL, "to": to or f"p{number}@example.org", "subject": "Hi", "text": "Hi"}
    return Parcel(number, 5, 2, 1, 1, Outgoing(reference=f"r{number}", key=f"k{number}", at=1, **told))


def letters(start, url, parcels, **options):
    dispatcher, results = start([post(url)], **options)
    dispatcher.submit(parcels)
    until(lambda: len(results) >= len(parcels))
    dispatcher.close(1.0)
    assert sorted(one.contact_id for one in results) == sorted(one.contact_id for one in parcels)
    return {one.contact_id: one for one in results}


def answering(fates):
    """Answer a batch with each message's fate by who it is to; a letter alone likewise."""

    def answer(peer):
        while request := peer.request():
            body = json.loads(request.partition(b"\r\n\r\n")[2])
            told = [fates(mail) for mail in body] if isinstance(body, list) else fates(body)
            words = json.dumps(told).encode()
            peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(words) + words)

    return answer


def test_messages_of_one_tick_go_in_one_request_and_each_has_its_own_result(start):
    def fate(mail):
        if "p7@" in mail["To"]:
            return {"ErrorCode": 300, "Message": "Invalid 'To' address: 'p7'."}
        return {"ErrorCode": 0, "Message": "OK", "MessageID": f"id of {mail['Metadata']['kaskad']}"}

    with serving(answering(fate)) as server:
        results = letters(start, server.url, [letter(number) for number in range(20)])
    assert len(server.requests) < 20
    assert results[7].reason is Reason.INVALID_ADDRESS and results[7].accepted is False
    assert all(results[n].provider_id == f"id of r{n}" for n in range(20) if n != 7)


def test_a_message_that_cannot_be_built_keeps_no_other_of_its_batch_back(start):
    with serving(answering(lambda _: {"ErrorCode": 0, "Message": "OK", "MessageID": "m"})) as server:
        results = letters(start, server.url, [letter(n, "a@b\r\nc" if n == 3 else None) for n in range(6)])
    assert results[3].reason is not None and results[3].accepted is False
    assert [results[n].reason for n in (0, 1, 2, 4, 5)] == [None] * 5


def test_when_the_answer_to_a_batch_is_lost_all_of_it_is_unknown(start):
    with serving(Peer.hang) as server:
        results = letters(start, server.url, [letter(number) for number in range(5)], timeout_s=0.3)
    assert {one.accepted for one in results.values()} == {None}
