"""Apprise over sockets: what it says yes to, what stays unknown, and that it repeats and reveals nothing."""

import json
import logging
from pathlib import Path

import apprise
import pytest

from kaskad.domain.terms import Channel, Reason
from kaskad.engine.dispatch import Dispatcher, Parcel
from kaskad.engine.sender import Sender
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing
from support.faults import OK, free_port, serving, until

ACCOUNTS = Path(__file__).parents[1] / "providers/accounts.json"
REFUSED = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n"
TO = "ann smith/../other?x=1&y=2#z"


def account(url, **settings):
    return Account(1, "a", "apprise", Channel.PUSH, settings, {"service_url": url})


def carried(account, *, start=Dispatcher, timeout_s=20.0, count=1, **message):
    results = []
    dispatcher = start({1: account}, lambda: 1234, results.extend, timeout_s=timeout_s)
    told = {"text": "Hello", **message}
    dispatcher.submit([
        Parcel(n, 5, 2, 1, 1, Outgoing("ref", f"{n}:5:2", Channel.PUSH, TO, 0, **told)) for n in range(count)
    ])  # fmt: skip
    until(lambda: len(results) == count, 30)
    dispatcher.close(1.0)
    return results


def at(server):
    return f"json://localhost:{server.port}/hook/{{to}}"


@pytest.mark.parametrize("start", [Dispatcher, Sender], ids=["thread", "process"])
def test_what_the_service_takes_is_accepted_once(start):
    with serving(lambda peer: peer.answer(OK)) as server:
        (result,) = carried(account(at(server)), start=start, subject="Shop")
    assert (result.reason, result.accepted) == (None, True)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    told = json.loads(body)
    assert (told["title"], told["message"]) == ("Shop", "Hello")
    assert head.startswith(b"POST /hook/ann")


def test_a_strange_address_stays_in_its_place():
    with serving(lambda peer: peer.answer(OK)) as server:
        carried(account(at(server)))
    path = server.requests[0].split(b" ")[1]
    assert path.startswith(b"/hook/") and b"x=1" not in path.partition(b"?")[2]


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_no_is_unknown_and_is_not_repeated(status):
    with serving(lambda peer: peer.answer(REFUSED % status)) as server:
        (result,) = carried(account(at(server)))
    assert (result.reason, result.accepted) == (Reason.AMBIGUOUS, None)
    assert len(server.requests) == 1 and str(status) in result.detail


def test_a_service_that_is_not_there_is_unknown():
    (result,) = carried(account(f"json://127.0.0.1:{free_port()}/{{to}}"))
    assert (result.reason, result.accepted) == (Reason.AMBIGUOUS, None)


def test_a_service_that_says_nothing_is_unknown():
    with serving(lambda peer: peer.hang()) as server:
        (result,) = carried(account(at(server)), timeout_s=0.3)
    assert (result.reason, result.accepted) == (Reason.AMBIGUOUS, None)


@pytest.mark.parametrize("url", ["nonsense://x/{to}", "json:///{to}", "{to}"])
def test_a_url_of_no_service_is_the_accounts_fault(url):
    (result,) = carried(account(url))
    assert (result.reason, result.accepted) == (Reason.AUTH, False)


@pytest.mark.parametrize("name", ["one", "two"])
def test_the_library_knows_the_urls_of_the_cases(name):
    url = json.loads(ACCOUNTS.read_text())["apprise"][name]["secrets"]["service_url"]
    assert isinstance(apprise.Apprise.instantiate(url.replace("{to}", "topic")), apprise.NotifyBase)


def test_many_go_at_once():
    with serving(lambda peer: peer.answer(OK)) as server:
        results = carried(account(at(server)), count=20)
    assert all(result.accepted for result in results) and len(server.requests) == 20


def test_neither_a_log_nor_the_reason_has_the_address(monkeypatch):
    heard = []
    monkeypatch.setattr(logging.getLogger(), "handlers", [Listening(heard)])
    with serving(lambda peer: peer.answer(REFUSED % 500)) as server:
        (result,) = carried(account(at(server)))
    assert result.reason is Reason.AMBIGUOUS and "ann smith" not in result.detail
    assert [line for line in heard if "apprise" in line or "Hello" in line] == []


class Listening(logging.Handler):
    """Hears what reaches the root of logging at all."""

    def __init__(self, heard):
        super().__init__()
        self._heard = heard

    def emit(self, record):
        self._heard.append(f"{record.name}: {record.getMessage()}")


@pytest.mark.parametrize(
    "url, word",
    [("ntfys://ntfy.example.org/topic", "{to}"), ("ntfy.example.org/{to}", "://"),
     ("json://h.example.org/{to}?retry=3", "retry"), ("json://[/{to}?retry=3", "")],
)  # fmt: skip
def test_what_can_never_work_is_refused_when_it_is_saved(url, word):
    told = provider("apprise").check(account(url))
    assert (len(told) == 1 and word in told[0]) if word else told == []
