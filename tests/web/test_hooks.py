"""Webhooks: who is believed, what is kept, and when it is answered."""

import contextlib
import socket
import threading
import time
from concurrent.futures import Future

from kaskad.domain.errors import BadSignature, Full, Unavailable
from kaskad.domain.terms import Kind
from support.faults import until

SIGNED = {"X-Secret": "s3cret"}


def test_a_webhook_is_verified_kept_raw_and_read(site):
    answer = site.call("POST", "/hooks/main?a=%2F1", b'[{"ref": "r1"}, {"ref": "r2"}]', SIGNED)
    assert (answer.status, answer.body) == (200, b"")
    ((what, account, receipts, headers, body, problem),) = site.intake.told
    assert (what, account, body, problem) == ("receipts", "main", b'[{"ref": "r1"}, {"ref": "r2"}]', None)
    assert [(receipt.kind, receipt.reference) for receipt in receipts] == [
        (Kind.DELIVERED, "r1"),
        (Kind.DELIVERED, "r2"),
    ]
    assert headers["x-secret"] == "s3cret"


def test_the_provider_sees_the_public_url_that_it_signed(site):
    site.call("POST", "/hooks/main?a=%2F1&b", b'[{"ref": "r"}]', SIGNED)
    assert site.intake.told[0][2][0].name == "https://go.example.org/hooks/main?a=%2F1&b"


def test_a_service_that_acts_on_words_gets_them_once_the_webhook_is_durable(site):
    answer = site.call("POST", "/hooks/main", b'[{"ref": "words"}]', SIGNED)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/xml", b"<Response/>")
    assert len(site.intake.told) == 1


def test_words_that_cannot_be_made_do_not_make_the_provider_call_again(site):
    site.intake.provider.answer_webhook = lambda *_: 1 / 0
    answer = site.call("POST", "/hooks/main", b'[{"ref": "r1"}]', SIGNED)
    assert (answer.status, answer.body) == (200, b"") and len(site.intake.told) == 1


def test_a_wrong_signature_is_refused_and_nothing_is_kept(site):
    answer = site.call("POST", "/hooks/main", b"[]", {"X-Secret": "guess"})
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert site.intake.told == []


def test_a_signature_that_cannot_even_be_read_is_refused(site):
    def fail(*_):
        raise KeyError("x-signature")

    site.intake.provider.verify_webhook = fail
    assert site.call("POST", "/hooks/main", b"[]", SIGNED).status == 401
    assert site.intake.told == []


def test_an_unknown_account_is_not_found(site):
    assert site.call("POST", "/hooks/other", b"[]", SIGNED).status == 404
    assert site.call("POST", "/hooks/", b"[]", SIGNED).status == 404
    assert site.call("GET", "/hooks/other").status == 404
    assert site.call("PUT", "/hooks/main", b"[]", SIGNED).status == 405
    assert site.intake.told == []


def test_a_service_that_looks_before_it_calls_finds_somebody(site):
    answer = site.call("GET", "/hooks/main")
    assert (answer.status, answer.body) == (200, b"")

    def challenge(hook, account):
        if hook.url != "https://go.example.org/hooks/main?challenge=7&token=s3cret":
            raise BadSignature("a stranger")
        return "text/plain", b"7"

    site.intake.provider.answer_look = challenge
    answer = site.call("GET", "/hooks/main?challenge=7&token=s3cret")
    assert (answer.status, answer.body) == (200, b"7")
    assert answer.headers["content-type"].startswith("text/plain")
    assert site.call("GET", "/hooks/main?challenge=7&token=guess").status == 401
    assert site.intake.told == []


def test_an_unreadable_webhook_is_kept_with_its_problem_and_answered_2xx(site):
    for body in (b"not json", b"[1]", b'[{"other": 1}]', b"\xff\xfe", b"", b"[" * 100_000):
        assert site.call("POST", "/hooks/main", body, SIGNED).status == 200
        _, _, receipts, _, kept, problem = site.intake.told[-1]
        assert (receipts, kept) == ([], body)
        assert problem


def test_the_answer_waits_until_the_webhook_is_durable(site):
    site.intake.held = []
    answers = []
    caller = threading.Thread(
        target=lambda: answers.append(site.call("POST", "/hooks/main", b"[]", SIGNED)), daemon=True
    )
    caller.start()
    until(lambda: site.intake.held)
    time.sleep(0.1)
    assert answers == []
    site.intake.held[0].set_result(None)
    caller.join(30)
    assert answers[0].status == 200


def test_what_could_not_be_stored_is_not_answered_2xx_so_that_it_comes_again(site):
    for error in (Full("the disk is full"), Unavailable("locked")):
        site.intake.error = error
        answer = site.call("POST", "/hooks/main", b"[]", SIGNED)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "5"


def test_a_defect_is_answered_500_without_its_details(site):
    site.intake.error = ZeroDivisionError("secret detail")
    answer = site.call("POST", "/hooks/main", b"[]", SIGNED)
    assert answer.status == 500
    assert b"secret detail" not in answer.body
    assert b"Traceback" not in answer.body


def test_five_megabytes_are_taken_and_not_a_byte_more(site):
    body = b'[{"ref": "' + b"x" * (5_000_000 - 13) + b'"}]'
    assert len(body) == 5_000_000
    assert site.call("POST", "/hooks/main", body, SIGNED).status == 200
    assert len(site.intake.told[0][4]) == 5_000_000
    told = send_raw(site, body + b" ")
    assert told.startswith(b"HTTP/1.1 413")
    assert len(site.intake.told) == 1


def test_a_body_without_a_declared_length_has_the_same_limit(site):
    head = b"POST /hooks/main HTTP/1.1\r\nHost: x\r\nX-Secret: s3cret\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with socket.create_connection(site.server.address, timeout=10) as connection:
        connection.sendall(head)
        try:
            for _ in range(100):
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert site.intake.told == []


def test_a_caller_that_leaves_in_the_middle_leaves_nothing_behind(site):
    with socket.create_connection(site.server.address, timeout=10) as connection:
        connection.sendall(
            b"POST /hooks/main HTTP/1.1\r\nHost: x\r\nX-Secret: s3cret\r\nContent-Length: 9\r\n\r\n[{"
        )
    time.sleep(0.1)
    assert site.call("POST", "/hooks/main", b"[]", SIGNED).status == 200
    assert len(site.intake.told) == 1


def test_many_waiting_webhooks_are_all_answered_when_one_commit_ends_them(site):
    site.intake.held = []
    statuses = []
    callers = [
        threading.Thread(
            target=lambda: statuses.append(site.call("POST", "/hooks/main", b"[]", SIGNED).status),
            daemon=True,
        )
        for _ in range(50)
    ]
    for caller in callers:
        caller.start()
    until(lambda: len(site.intake.held) == 50)
    finish(site.intake.held)
    for caller in callers:
        caller.join(30)
    assert statuses == [200] * 50


def finish(futures: list[Future[None]]) -> None:
    """End every second future with an answer from each of two threads, as two commits would."""
    halves = [
        threading.Thread(target=lambda part=n: [f.set_result(None) for f in futures[part::2]]) for n in (0, 1)
    ]
    for half in halves:
        half.start()


def send_raw(site, body: bytes) -> bytes:
    """Return the start of the answer to a webhook that may be refused while it is still sent."""
    head = b"POST /hooks/main HTTP/1.1\r\nHost: x\r\nX-Secret: s3cret\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    with socket.create_connection(site.server.address, timeout=10) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head + body)
        return connection.recv(100)
