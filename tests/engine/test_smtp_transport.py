"""The mail transport against aiosmtpd, and against servers that break off."""

import asyncio
import contextlib
import socket
import threading
import time
from inspect import signature

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.engine.process import new_loop
from kaskad.engine.transport import smtp as transport
from kaskad.engine.transport.smtp import Mailer
from kaskad.engine.world import Options
from kaskad.providers.base import Account
from kaskad.providers.smtp import Mail
from support.certificates import certificate
from support.faults import free_port

MAIL = Mail("shop@example.org", "ann@example.org", b"Subject: x\r\n\r\n.dot\r\nbody\r\n")


class Inbox:
    """A server's handler that keeps mails and refuses whom it is told to."""

    def __init__(self):
        self.mails = []
        self.sessions = set()
        self.connected = 0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("gone"):
            return "550 5.1.1 no such person"
        if address.startswith("busy"):
            return "421 4.7.0 too many, go away"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if envelope.rcpt_tos[0].startswith("spam"):
            return "554 5.7.1 refused"
        self.sessions.add(session.peer)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 queued as 1"


@contextlib.contextmanager
def mail_server(**options):
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield inbox, controller.port
    finally:
        controller.stop()


@contextlib.contextmanager
def breaking(script):
    """A server that speaks `script` (a list of what to wait for and what to say) and hangs up, or hangs."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as lines:
                    connection.sendall(b"220 hello\r\n")
                    for awaited, said in script:
                        while not (line := lines.readline()).upper().startswith(awaited):
                            if not line:
                                break
                        if said is None:
                            lines.read()
                            break
                        connection.sendall(said)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def account(port, **fields):
    settings = {"host": "127.0.0.1", "port": str(port), "security": "none", "sender": "shop@example.org"}
    secrets = {name: fields.pop(name) for name in ("password",) if name in fields}
    return Account(1, "mail", "smtp", Channel.EMAIL, {**settings, **fields}, secrets)


def sent(account, *mails, timeout_s=2.0, together=False, tls=None):
    """Send mails over one pool; an error stands in the place of its reply."""

    async def one(mailer, mail):
        try:
            return await mailer.hand(mail, account, timeout_s)
        except SendError as error:
            return error

    async def run():
        mailer = Mailer(tls=tls)
        if together:
            ends = await asyncio.gather(*[one(mailer, mail) for mail in mails])
        else:
            ends = [await one(mailer, mail) for mail in mails]
        await mailer.close()
        return ends

    with asyncio.Runner(loop_factory=new_loop) as runner:
        ends = runner.run(run())
    return ends[0] if len(mails) == 1 else ends


def to(address):
    return Mail(MAIL.sender, address, MAIL.content)


def test_a_mail_arrives_as_it_was_written():
    with mail_server() as (inbox, port):
        reply = sent(account(port), MAIL)
    assert reply.code == 250
    assert inbox.mails == [("shop@example.org", ["ann@example.org"], MAIL.content)]


def test_a_session_carries_many_mails_also_after_refusals():
    mails = [MAIL, to("gone@example.org"), MAIL, to("spam@example.org"), MAIL]
    with mail_server() as (inbox, port):
        replies = sent(account(port), *mails)
    assert [reply.code for reply in replies] == [250, 550, 250, 554, 250]
    assert replies[1].text == "5.1.1 no such person"
    assert len(inbox.mails) == 3 and len(inbox.sessions) == 1


def test_a_session_ends_after_as_many_mails_as_servers_take(monkeypatch):
    monkeypatch.setattr(transport, "MAILS_PER_SESSION", 3)
    with mail_server() as (inbox, port):
        sent(account(port), *[MAIL] * 7)
    assert len(inbox.mails) == 7 and len(inbox.sessions) == 3


def test_mails_at_the_same_time_never_share_a_session():
    with mail_server() as (inbox, port):
        replies = sent(account(port), *[to(f"person{n}@example.org") for n in range(20)], together=True)
    assert {reply.code for reply in replies} == {250}
    assert sorted(mail[1][0] for mail in inbox.mails) == sorted(f"person{n}@example.org" for n in range(20))


def test_a_server_that_wants_a_rest_gets_a_new_session_once():
    with mail_server() as (inbox, port):
        first, busy, after = sent(account(port), MAIL, to("busy@example.org"), MAIL)
    assert (first.code, busy.code, after.code) == (250, 421, 250)
    assert len(inbox.sessions) == 2


def test_a_wrong_password_is_the_servers_reply():
    def check(server, session, envelope, mechanism, data):
        return AuthResult(success=data.password == b"right", handled=False)

    options = {"authenticator": check, "auth_require_tls": False}
    with mail_server(**options) as (inbox, port):
        assert sent(account(port, user="shop", password="wrong"), MAIL).code == 535
        assert sent(account(port, user="shop", password="right"), MAIL).code == 250
        assert len(inbox.mails) == 1


def test_a_server_without_the_asked_encryption_gets_no_mail_and_no_password():
    with mail_server() as (inbox, port):
        error = sent(account(port, security="starttls", user="shop", password="right"), MAIL)
    assert error.reason is Reason.AUTH and error.accepted is False and not inbox.mails


@pytest.mark.parametrize("security, option", [("starttls", "tls_context"), ("tls", "ssl_context")])
def test_encrypted_mails_arrive_over_one_session(tmp_path, security, option):
    """The dialogue takes over connections with encryption as well, also for mails of many packets."""
    server_tls, client_tls = certificate(tmp_path)
    long = Mail(MAIL.sender, MAIL.to, b"Subject: x\r\n\r\n" + (b"z" * 70 + b"\r\n") * 5_000)
    with mail_server(**{option: server_tls}) as (inbox, port):
        told = account(port, host="localhost", security=security)
        replies = sent(told, MAIL, long, to("gone@example.org"), MAIL, tls=client_tls, timeout_s=10.0)
    assert [reply.code for reply in replies] == [250, 250, 550, 250]
    assert [mail[2] for mail in inbox.mails] == [MAIL.content, long.content, MAIL.content]
    assert len(inbox.sessions) == 1


def test_no_server_proves_that_nothing_was_accepted():
    error = sent(account(free_port()), MAIL)
    assert error.reason is Reason.TRANSIENT and error.accepted is False


@pytest.mark.parametrize("setting", [{"port": "x"}, {"security": "ssl"}])
def test_a_setting_that_makes_no_sense_stops_the_account(setting):
    error = sent(account(25, **setting) if "port" not in setting else account("x"), MAIL)
    assert error.reason is Reason.AUTH and error.accepted is False


HELLO = [(b"EHLO", b"250 here\r\n")]
BEFORE = {
    "hang at greeting": [(b"NEVER", None)],
    "hang at sender": [*HELLO, (b"MAIL", None)],
    "hang at recipient": [*HELLO, (b"MAIL", b"250 ok\r\n"), (b"RCPT", None)],
    "gone at recipient": [*HELLO, (b"MAIL", b"250 ok\r\n"), (b"RCPT", b"")],
}
DATA = [*HELLO, (b"MAIL", b"250 ok\r\n"), (b"RCPT", b"250 ok\r\n"), (b"DATA", b"354 go\r\n")]
AFTER = {
    "hang after the dot": [*DATA, (b".\r\n", None)],
    "gone after the dot": [*DATA, (b".\r\n", b"")],
}


@pytest.mark.parametrize("script", BEFORE.values(), ids=BEFORE)
def test_what_breaks_before_the_mail_is_handed_over_was_not_accepted(script):
    with breaking(script) as port:
        error = sent(account(port), MAIL, timeout_s=0.3)
    assert error.reason is Reason.TRANSIENT and error.accepted is False


@pytest.mark.parametrize("script", AFTER.values(), ids=AFTER)
def test_what_breaks_after_the_final_dot_is_unknown(script):
    with breaking(script) as port:
        error = sent(account(port), MAIL, timeout_s=0.3)
    assert error.reason is Reason.AMBIGUOUS and error.accepted is None


def test_a_mail_that_meets_the_end_of_a_session_goes_over_a_new_one():
    once = [*DATA, (b".\r\n", b"250 ok\r\n"), (b"MAIL", b"421 4.4.2 enough for today\r\n")]
    with breaking(once) as port:
        replies = sent(account(port), MAIL, MAIL, MAIL)
    assert [reply.code for reply in replies] == [250, 250, 250]


def test_a_session_closed_by_the_server_meanwhile_is_replaced():
    with breaking([*DATA, (b".\r\n", b"250 ok\r\n")]) as port:  # one mail each
        replies = sent(account(port), MAIL, MAIL, MAIL)
    assert [reply.code for reply in replies] == [250, 250, 250]


GROUP = b"MAIL FROM:<shop@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"
TAKEN = b"250 ok\r\n250 ok\r\n354 go on\r\n"


@contextlib.contextmanager
def pipelining(*sessions):
    """A server that allows pipelining; each session is what it waits for and answers, then it hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = []

    def speak(connection, script):
        connection.sendall(b"220 hello\r\n")
        got = b""
        for awaited, said in [(b"\r\n", b"250-here\r\n250 PIPELINING\r\n"), *script]:
            while awaited not in got:
                more = connection.recv(65536)
                if not more:
                    return
                got += more
            heard.append(got)
            got = b""
            for piece in said if isinstance(said, list) else [said]:
                connection.sendall(piece if isinstance(piece, bytes) else bytes([piece]))

    def serve():
        with contextlib.suppress(OSError):
            for script in sessions:
                connection, _ = listener.accept()
                with connection:
                    speak(connection, script)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.close()


END = b"\r\n.\r\n"
WHOLE = [(GROUP, TAKEN), (END, b"250 2.0.0 queued\r\n")]


def test_the_commands_of_a_mail_go_together_where_the_server_allows_it():
    with pipelining(WHOLE * 2) as (port, heard):
        replies = sent(account(port), MAIL, MAIL)
    assert [reply.code for reply in replies] == [250, 250]
    assert heard[1::2] == [GROUP, GROUP]
    assert heard[2] == MAIL.content.replace(b"\r\n.dot", b"\r\n..dot") + b".\r\n"


def test_a_refused_recipient_ends_the_mail_also_where_the_server_wants_one_for_nobody():
    refusing = [
        (GROUP, b"250 ok\r\n550 5.1.1 no such person\r\n354 go on\r\n"),
        (b".\r\n", b"554 5.5.1 no valid recipients\r\n"),
        (b"RSET", b"250 ok\r\n"),
        *WHOLE,
    ]
    with pipelining(refusing) as (port, heard):
        refused, taken = sent(account(port), MAIL, MAIL)
    assert (refused.code, refused.text, taken.code) == (550, "5.1.1 no such person", 250)
    assert heard[2] == b".\r\n", "the words of the mail go to nobody"


@pytest.mark.parametrize(
    ("script", "to_person"),
    [
        ([(b"EHLO", b"250 me\r\n"), (b"MAIL", b"450 4.2.0 later\r\n"), (b"QUIT", b"")], False),
        ([(b"EHLO", b"250 me\r\n"), (b"MAIL", b"250 ok\r\n"), (b"RCPT", b"450 4.2.0 later\r\n")], True),
        ([(b"EHLO", b"250-me\r\n250 PIPELINING\r\n"),
          (b"DATA", b"250 ok\r\n450 4.2.0 later\r\n503 no\r\n")], True),
    ],
)  # fmt: skip
def test_it_is_known_whether_the_sender_or_the_recipient_was_refused(script, to_person):
    with breaking(script) as port:
        reply = sent(account(port), MAIL)
    assert (reply.code, reply.to_person) == (450, to_person)


def test_a_refused_recipient_leaves_the_session_usable():
    refusing = [
        (GROUP, b"250 ok\r\n550 5.1.1 no\r\n503 5.5.1 no recipients\r\n"),
        (b"RSET", b"250 ok\r\n"),
        *WHOLE,
    ]
    with pipelining(refusing) as (port, _):
        refused, taken = sent(account(port), MAIL, MAIL)
    assert (refused.code, taken.code) == (550, 250)


def test_a_server_that_says_enough_in_the_middle_of_a_group_gets_a_new_session():
    with pipelining([*WHOLE, (GROUP, b"421 4.4.2 enough\r\n")], WHOLE) as (port, _):
        replies = sent(account(port), MAIL, MAIL)
    assert [reply.code for reply in replies] == [250, 250]


def test_a_server_that_goes_in_the_middle_of_a_group_has_taken_nothing():
    with pipelining([(GROUP, b"250 ok\r\n250 ok\r\n")]) as (port, _):
        error = sent(account(port), MAIL)
    assert error.reason is Reason.TRANSIENT and error.accepted is False


@pytest.mark.parametrize("end", [b"", b"25", b"nonsense\r\n"])
def test_a_server_that_does_not_confirm_leaves_it_unknown(end):
    with pipelining([(GROUP, TAKEN), (END, end)]) as (port, _):
        error = sent(account(port), MAIL)
    assert error.reason is Reason.AMBIGUOUS and error.accepted is None


def test_a_session_with_an_answer_too_many_is_not_used_again():
    """Whose the next answers are could not be told."""
    talkative = [(GROUP, TAKEN), (END, b"250 ok\r\n250 and more\r\n"), *WHOLE]
    with pipelining(talkative, WHOLE) as (port, heard):
        replies = sent(account(port), MAIL, MAIL)
    assert [reply.code for reply in replies] == [250, 250]
    assert sum(each.startswith(b"EHLO") for each in heard) == 2


def test_a_reply_in_many_lines_and_pieces_is_read_whole():
    with pipelining([(GROUP, TAKEN), (END, list(b"250-2.0.0 one\r\n250 two\r\n"))]) as (port, _):
        reply = sent(account(port), MAIL)
    assert (reply.code, reply.text) == (250, "2.0.0 one\ntwo")


@contextlib.contextmanager
def slow(wait_s, answers):
    """A server that waits before its greeting and before each answer, and keeps the mails that it takes."""
    listener, mails = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                for said in answers:
                    time.sleep(wait_s)
                    connection.sendall(said)
                    if said.startswith(b"354"):
                        while (line := lines.readline()) not in (b".\r\n", b""):
                            mails.append(line)
                    elif not lines.readline():
                        return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], mails
    finally:
        listener.close()


TALK = [b"220 hello\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 taken\r\n"]


def test_a_server_that_is_slow_at_every_answer_is_given_up_before_the_mail_is_handed_over(monkeypatch):
    monkeypatch.setattr(transport, "PREPARE_S", 1.0)
    with slow(0.4, TALK) as (port, mails):
        error = sent(account(port), MAIL)
    assert isinstance(error, SendError) and (error.reason, error.accepted) == (Reason.TRANSIENT, False)
    assert mails == [], "else it would be sent after all, and called lost"


def test_a_greeting_that_never_comes_is_given_up_as_soon(monkeypatch):
    monkeypatch.setattr(transport, "PREPARE_S", 0.5)
    with slow(20, TALK) as (port, _):
        began = time.monotonic()
        error = sent(account(port), MAIL, timeout_s=60)
    assert error.reason is Reason.TRANSIENT and time.monotonic() - began < 5


def test_a_server_that_is_slow_within_bounds_gets_its_mail():
    with slow(0.1, TALK) as (port, mails):
        assert sent(account(port), MAIL).code == 250 and mails


def test_a_mail_has_its_answer_before_it_is_taken_for_lost():
    confirmed_s = signature(Mailer.hand).parameters["timeout_s"].default
    assert (transport.PREPARE_S + confirmed_s) * 1000 < Options().submit_guard_ms
