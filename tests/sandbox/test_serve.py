"""Starting, stopping, and the accounts that match."""

import socket
import threading
import time
from collections.abc import Callable

import httpx2
import pytest

from kaskad.domain.errors import Conflict
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.sandbox.servers.telegram import Keys, Telegram
from support.world import Receiver, wait_for


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for config in (SandboxConfig(port=port), SandboxConfig(smtp_port=port)):
            with pytest.raises(Conflict, match=f"127.0.0.1:{port}"), running(config):
                pass


def test_it_ends_cleanly_while_somebody_polls_and_its_ports_are_free_again() -> None:
    with running(SandboxConfig()) as sandbox:
        port = int(sandbox.http_url.rpartition(":")[2])
        token = Keys().token
        poll = threading.Thread(target=lambda: httpx2.get(
            f"{sandbox.http_url}/telegram/bot{token}/getUpdates?timeout=50", timeout=60
        ), daemon=True)  # fmt: skip
        poll.start()
        wait_for(lambda: sandbox.server(Telegram).bot.polls)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    with running(SandboxConfig(port=port)):
        assert httpx2.get(f"http://127.0.0.1:{port}/control/counts").status_code == 200
    assert not any(thread.name == "sandbox" for thread in threading.enumerate())


def test_the_accounts_lead_to_the_servers_and_receipts_to_kaskad(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(kaskad_url="", time_factor=100)
    accounts = {str(account["name"]): account for account in sandbox.accounts(receiver.url)}
    assert list(accounts) == ["mail", "telegram", "sms", "robot-call"]
    sms = accounts["sms"]["settings"]
    assert isinstance(sms, dict)
    form = {"login": sms["login"], "psw": sms["password"], "phones": "79000000001", "mes": "x", "fmt": "3"}
    assert httpx2.post(f"{sms['base_url']}/sys/send.php", data=form).json()["cnt"] == 1
    wait_for(lambda: receiver.at("/hooks/sms"))


def test_time_runs_as_fast_as_it_is_told(start: Callable[..., Sandbox]) -> None:
    sandbox = start(time_factor=1000)
    before = sandbox.world.pace.now()
    time.sleep(0.1)
    assert sandbox.world.pace.now() - before >= 100_000
