"""A real Postfix takes our mail, refuses some of it, and brings a bounce back by its return address."""

import contextlib
import os
import signal
import smtplib
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
from aiosmtpd.controller import Controller

from kaskad.domain.policy import Policy
from kaskad.domain.terms import MessageState, Reason
from kaskad.store import settings
from support import postfix
from support.databases import migrated
from support.faults import free_port, interruptible

pytestmark = pytest.mark.skipif(bool(postfix.missing()), reason=postfix.missing() or "there is one")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 100  # with a machine that is busy with other things
CASCADE = """
cascade: letter
title: One letter
class: service
topic: orders
trigger: {event: ordered, key: order}
steps:
  - {id: letter, channel: email, subject: "Заказ {{ trigger.order }}", text: "{{ contact.name }}!", wait: 60d}
"""
PEOPLE = """id,name,email,trigger.order
ann,Анна,ann@example.org,1
busy,Боря,busy@example.org,2
gone,Галя,gone@example.org,3
late,Лида,late@later.example.org,4
"""
ACCOUNTS = """
accounts:
  - name: mail
    provider: smtp
    settings:
      {{host: 127.0.0.1, port: {port}, security: none, sender: shop@example.org, bounce_domain: b.example.org,
        bounce_secret: only for this test}}
"""


class Refusing:
    """The server that Postfix hands `later.example.org` to, and that knows nobody."""

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        return "550 5.1.1 there is no such person"


class Judge:
    """Lets most recipients pass; one is nobody, and one is taken at the second attempt only."""

    def __init__(self):
        self.asked = []

    def __call__(self, recipient):
        self.asked.append(recipient)
        if recipient.startswith("gone"):
            return "550 5.1.1 there is no such person"
        if recipient.startswith("busy") and self.asked.count(recipient) == 1:
            return "450 4.7.1 greylisted, come again"
        return "DUNNO"


QUERY = """
SELECT c.external_id, m.state, m.reason, (SELECT count(*) FROM attempts a WHERE a.contact_id = m.contact_id),
       (SELECT health FROM addresses a WHERE a.contact_id = m.contact_id AND a.channel = 1)
  FROM messages m JOIN contacts c ON c.id = m.contact_id
"""
FORGED = "b+aaaaaaaaaaaaaaaaaaaaaaaa.0123456789abcd@b.example.org"
SENT, REJECTED, BOUNCED = MessageState.SENT, MessageState.REJECTED, MessageState.BOUNCED
WANTED = {  # state, why, attempts that failed, whether the address is known to be dead
    "ann": (SENT, None, 0, False),
    "busy": (SENT, None, 1, False),
    "gone": (REJECTED, Reason.INVALID_ADDRESS, 1, True),
    "late": (BOUNCED, Reason.INVALID_ADDRESS, 0, True),
}


def wait_for(condition):
    limit = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < limit:
        time.sleep(0.2)


def told(database):
    """Return what the database says of each person's message."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {
            name: (MessageState.of(state), None if reason is None else Reason.of(reason), failed, health != 0)
            for name, state, reason, failed, health in connection.execute(QUERY)
        }
    except apsw.SQLError:  # no tables yet
        return {}
    finally:
        connection.close()


@pytest.fixture
def folder(tmp_path):
    db = migrated(tmp_path / "kaskad.db")
    with db.write() as tx:  # no quiet hours: the test must pass at any time of day
        settings.put(tx, "policy", Policy.unlimited())
    db.close()
    (tmp_path / "letter.yaml").write_text(CASCADE)
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path


@contextlib.contextmanager
def kaskad(folder, listen):
    """`kaskad run` as a process of its own, its clock 900 times as fast; interrupted at the end."""
    command = [sys.executable, "-c", "from kaskad.cli import main; main()", "run", "letter.yaml", "--people",
               "people.csv", "--time-factor", "900", "--listen", listen]  # fmt: skip
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
    path = os.pathsep.join(part for part in sys.path if part)
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            command, cwd=folder, env={**plain, "PYTHONPATH": path}, stdout=said, stderr=said,
            preexec_fn=interruptible,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


@pytest.mark.long
def test_accepted_refused_greylisted_and_bounced_later(folder):
    judge, listen = Judge(), f"127.0.0.1:{free_port()}"
    refusing = Controller(Refusing(), hostname="127.0.0.1", port=free_port())
    refusing.start()
    transports = {
        "example.org": "discard:",
        "later.example.org": f"smtp:[127.0.0.1]:{refusing.port}",
        "b.example.org": "kaskad:",
    }
    script = ROOT / "examples/postfix-to-kaskad.sh"
    try:
        with postfix.running(script, f"http://{listen}/hooks/mail", transports, judge) as server:
            (folder / "accounts.yaml").write_text(ACCOUNTS.format(port=server.port))
            with kaskad(folder, listen) as process:
                wait_for(lambda: told(folder / "kaskad.db") == WANTED or process.poll() is not None)
                with smtplib.SMTP("127.0.0.1", server.port) as forger:
                    forger.sendmail("", FORGED, "From: mailer-daemon@example.org\n\n550 5.1.1 gone")
                wait_for(lambda: f"to=<{FORGED}>" in server.log)
            log = server.log
    finally:
        refusing.stop()
    states = told(folder / "kaskad.db")
    assert states == WANTED, f"{states}\n{log}\n{(folder / 'said').read_text()}"
    (forged,) = [line for line in log.splitlines() if f"to=<{FORGED}>" in line]
    assert "status=sent (delivered via kaskad service)" in forged, "it is dropped: nobody is to be told of it"
    assert log.count("delivered via kaskad service") == 2 and log.count("status=bounced") == 1
    assert judge.asked.count("busy@example.org") == 2 and judge.asked.count("gone@example.org") == 1
