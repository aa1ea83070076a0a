"""Access tokens over sockets: asked for once, kept while they hold, renewed, and never a lost message."""

import asyncio
import json
import threading

import msgspec
import pytest

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.carrier import Carrier
from kaskad.engine.parcel import Parcel
from kaskad.engine.transport import tokens
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Accepted, Account, Provider, Request, status_error
from support.faults import free_port, message, serving, until


class Guarded(Provider):
    """A service of two addresses: one gives tokens, the other takes messages that carry one."""

    name = "guarded"
    title = "Guarded"

    def needs_token(self, account):
        return account["open"] != "yes"

    def auth_request(self, account, now):
        return Request("POST", f"{account['base_url']}/token", {}, f"{account['secret']} {now}".encode())

    def read_auth(self, response):
        if response.status != 200:
            raise status_error(response)
        answer = response.json()
        return answer["token"], answer["life_ms"]

    def build_request(self, outgoing, account):
        return Request("POST", f"{account['base_url']}/send", {"X-Own": "1"}, outgoing.reference.encode())

    def read_response(self, response):
        if response.status == 200:
            return Accepted("m-1")
        raise SendError(Reason.AUTH, f"HTTP {response.status}")


class Service:
    """Answers both addresses; `good` are the tokens that it takes."""

    def __init__(self, life_ms=3_600_000):
        self.life_ms = life_ms
        self.given = 0
        self.good: set[str] = set()
        self.refuse_all = False
        self.answer_token = None
        self.taken: list[bytes] = []
        self._lock = threading.Lock()

    def __call__(self, peer):
        while request := peer.request():
            head, _, body = request.partition(b"\r\n\r\n")
            status, told = self.told(head, body)
            answer = json.dumps(told).encode()
            peer.socket.sendall(
                b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(answer)) + answer
            )

    def told(self, head, body):
        with self._lock:
            if head.startswith(b"POST /token"):
                self.given += 1
                if self.answer_token:
                    return self.answer_token, {}
                self.good.add(f"t-{self.given}")
                return 200, {"token": f"t-{self.given}", "life_ms": self.life_ms}
            mark = b"Authorization: Bearer "
            shown = [line[len(mark) :] for line in head.split(b"\r\n") if line.startswith(mark)]
            if self.refuse_all or not shown or shown[0].decode() not in self.good:
                return 401, {}
            self.taken.append(body)
            return 200, {}


@pytest.fixture
def guarded(monkeypatch):
    monkeypatch.setitem(PROVIDERS, "guarded", Guarded())


def account(port, **secrets):
    return Account(
        1, "g", "guarded", Channel.SMS, {"base_url": f"http://127.0.0.1:{port}"}, {"secret": "s", **secrets}
    )


def parcels(count, first=0):
    return [Parcel(first + n, 5, 0, 1, 1, message(first + n)) for n in range(count)]


def carried(*rounds, timeout_s=3.0, between=None):
    """Carry rounds of (accounts, parcels) over one carrier; return the results of each."""

    async def run():
        accounts, results, ends = {}, [], []
        carrier = Carrier(accounts, lambda: 7, results.extend, timeout_s=timeout_s)
        for one, items in rounds:
            accounts[1] = one
            carrier.take(items)
            while len(results) < len(items):
                await asyncio.sleep(0.005)
            ends.append(list(results))
            results.clear()
            if between:
                between()
        await carrier.stop(1.0)
        return ends

    return asyncio.run(run())


def test_many_messages_share_one_token_which_is_kept(guarded):
    service = Service()
    with serving(service) as server:
        one = account(server.port)
        first, second = carried((one, parcels(8)), (one, parcels(3, first=8)))
    assert {result.kind for result in first + second} == {Kind.SENT}
    assert (service.given, len(service.taken)) == (1, 11)
    sent = next(request for request in server.requests if b"/send" in request)
    assert b"\r\nX-Own: 1\r\n" in sent  # what the provider built is still there
    asked = next(request for request in server.requests if b"/token" in request)
    assert asked.endswith(
        b"\r\n\r\ns 1700000000000"
    )  # with the instant of the attempt, for those that sign it


def test_a_refused_token_is_asked_for_anew_and_the_message_goes_once(guarded):
    service = Service()
    with serving(service) as server:
        one = account(server.port)
        carried((one, parcels(1)), (one, parcels(4, first=1)), between=service.good.clear)
    assert service.given == 2
    assert sorted(service.taken) == [b"ref-0", b"ref-1", b"ref-2", b"ref-3", b"ref-4"]


def test_a_service_that_refuses_every_token_is_told_as_it_says(guarded):
    service = Service()
    service.refuse_all = True
    with serving(service) as server:
        (((result,)),) = carried((account(server.port), parcels(1)))
    assert (result.reason, result.accepted, service.given) == (Reason.AUTH, False, 2)


def test_a_token_is_renewed_before_it_ends(guarded, monkeypatch):
    monkeypatch.setattr(tokens, "EARLY_S", 10.0)
    service = Service(life_ms=100)  # a tenth before its end: after 90 ms
    with serving(service) as server:
        one = account(server.port)
        carried((one, parcels(1)), (one, parcels(1)), between=lambda: threading.Event().wait(0.15))
        assert service.given == 2
        service.life_ms = 60_000
        carried((one, parcels(1)), (one, parcels(1)), between=lambda: threading.Event().wait(0.15))
        assert service.given == 3


def test_other_credentials_get_another_token(guarded):
    service = Service()
    with serving(service) as server:
        carried((account(server.port), parcels(1)), (account(server.port, secret="new"), parcels(1)))
    assert service.given == 2


def test_an_account_that_needs_no_token_asks_for_none(guarded):
    service = Service()
    with serving(service) as server:
        ((result,),) = carried((account(server.port, open="yes"), parcels(1)))
    assert (service.given, result.reason) == (0, Reason.AUTH)


@pytest.mark.parametrize("status, reason", [(401, Reason.AUTH), (503, Reason.TRANSIENT)])
def test_without_a_token_nothing_has_been_sent(guarded, status, reason):
    service = Service()
    service.answer_token = status
    with serving(service) as server:
        (results,) = carried((account(server.port), parcels(5)))
    assert {(result.reason, result.accepted) for result in results} == {(reason, False)}
    assert all(result.detail.startswith("no access token") for result in results)
    assert service.given == 1  # all five shared the answer
    assert not [request for request in server.requests if b"/send" in request]


def test_a_token_service_that_is_down_is_no_lost_message(guarded):
    ((result,),) = carried((account(free_port()), parcels(1)))
    assert (result.reason, result.accepted) == (Reason.TRANSIENT, False)


def test_a_defect_in_reading_a_token_is_no_lost_message_either(guarded, monkeypatch):
    monkeypatch.setattr(Guarded, "read_auth", lambda *_: {}["token"])
    with serving(Service()) as server:
        ((result,),) = carried((account(server.port), parcels(1)))
    assert (result.reason, result.accepted) == (Reason.OTHER, False) and "KeyError" in result.detail


def test_who_stops_while_a_token_is_awaited_has_sent_nothing(guarded):
    async def run(port):
        results = []
        carrier = Carrier({1: account(port)}, lambda: 7, results.extend)
        carrier.take(parcels(2))
        await asyncio.sleep(0.2)
        await carrier.stop(0.05)
        return results

    with serving(lambda peer: peer.request() and peer.hang()) as server:
        results = asyncio.run(run(server.port))
    assert [(result.reason, result.accepted) for result in results] == [(Reason.TRANSIENT, False)] * 2
    until(lambda: all(b"/send" not in request for request in server.requests))


def test_one_that_stops_waiting_leaves_the_token_to_the_others(guarded):
    release = threading.Event()
    service = Service()

    def slow(peer):
        release.wait(30)
        service(peer)

    async def run(port):
        http = tokens.Http()
        held = tokens.Tokens(http)
        one = account(port)
        first = asyncio.create_task(held.of(one, Guarded(), 0))
        second = asyncio.create_task(held.of(msgspec.structs.replace(one), Guarded(), 0))
        await asyncio.sleep(0.05)
        first.cancel()
        release.set()
        token = await second
        http.close()
        return token

    with serving(slow) as server:
        assert asyncio.run(run(server.port)) == "t-1"
