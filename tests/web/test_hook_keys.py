"""Webhooks that name the certificate they are signed with: fetched, once, before they are believed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from kaskad.domain.errors import BadSignature
from kaskad.engine.transport import keys
from kaskad.providers.base import Request
from support.faults import serving

BODY = b'[{"ref": "r1"}]'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nthe key"
FAILURE = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def named(site):
    """Let webhooks name where their key is: the address in X-Key."""

    def key_request(hook, account):
        if "evil" in hook.headers["x-key"]:
            raise BadSignature("not the service's")
        return Request("GET", hook.headers["x-key"])

    def verify_webhook(hook, account, now):
        if hook.key != b"the key":
            raise BadSignature("another key")

    site.intake.provider.key_request = key_request
    site.intake.provider.verify_webhook = verify_webhook
    return lambda url: site.call("POST", "/hooks/main", BODY, {"X-Key": url}).status


def test_the_key_is_fetched_once_and_kept(named, site):
    with serving(lambda peer: peer.answer(ANSWER)) as server, ThreadPoolExecutor(4) as threads:
        assert list(threads.map(named, [server.url] * 4)) == [200] * 4
        assert named(server.url) == 200
    assert len(server.requests) == 1 and server.requests[0].startswith(b"GET /send HTTP/1.1\r\n")
    assert len(site.intake.told) == 5


def test_a_key_that_cannot_be_had_makes_the_service_call_again(named, site, monkeypatch):
    answers = [FAILURE, ANSWER]
    with serving(lambda peer: peer.answer(answers.pop(0))) as server:
        assert named(server.url) == 503
        assert named(server.url) == 503  # not asked for again at once
        assert len(server.requests) == 1
        monkeypatch.setattr(keys, "RETRY_S", 0.0)
    with serving(lambda peer: peer.answer(answers.pop(0) if len(answers) > 1 else ANSWER)) as server:
        answers[:] = [FAILURE, ANSWER]
        assert [named(server.url), named(server.url)] == [503, 200]
    assert len(site.intake.told) == 1


def test_another_key_and_an_address_that_is_not_the_services_are_no_proof(named, site):
    other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"
    with serving(lambda peer: peer.answer(other)) as server:
        assert named(server.url) == 401
        assert named("http://evil.example.org/") == 401
        assert site.call("POST", "/hooks/main", BODY, {}).status == 401  # names none
    assert len(server.requests) == 1 and site.intake.told == []


def test_no_more_addresses_are_kept_than_memory_bears(named, monkeypatch):
    monkeypatch.setattr(keys, "MOST", 2)
    with serving(lambda peer: peer.answer(ANSWER)) as server:
        for number in (1, 2, 3, 1):
            assert named(f"{server.url}/{number}") == 200
    assert len(server.requests) == 4
