"""The push service `web-push-testing`, which is not ours, takes, checks and decrypts what we send."""

import shutil
import socket
import subprocess
import time

import httpx2
import pytest

from kaskad.domain.address import normalise
from kaskad.domain.terms import Channel
from kaskad.domain.tokens import Signer
from kaskad.engine.trial import TrialMessage, send_trial
from kaskad.providers.base import Account
from kaskad.providers.vapid import new_key, public_key
from support.faults import free_port

START = """
const { PushApiModel } = require("%s/PushApiModel.js");
const Server = require("%s/server.js");
new Server(new PushApiModel(), %d).startServer();
"""
PACKAGE = "web-push-testing@1.2.2"


def installed(folder):
    """Return the server's sources, installed once for all test runs; skips where npm cannot bring it."""
    sources = folder / "node_modules/web-push-testing/src"
    if not sources.exists():
        if shutil.which("npm") is None:
            pytest.skip("there is no npm")
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE],
            capture_output=True, timeout=240,
        )  # fmt: skip
        if done.returncode:
            pytest.skip("npm cannot install web-push-testing here")
    return sources


@pytest.fixture(scope="module")
def service(request):
    """Return the address of a running push service."""
    folder = request.config.rootpath / ".pytest_cache/d/web-push-testing"
    folder.mkdir(parents=True, exist_ok=True)
    sources, port = installed(folder), free_port()
    program = START % (sources, sources, port)
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(["node", "-e", program], cwd=folder, stdout=quiet, stderr=quiet)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture
def account(service):
    private = new_key()
    settings = {"contact": "mailto:push@example.org", "services": service, "public_key": public_key(private)}
    return Account(1, "web", "webpush", Channel.PUSH, settings, {"private_key": private})


def subscribed(service, key):
    """Return a browser's subscription as an address, and the name that the service knows it by."""
    asked = {"userVisibleOnly": "true", "applicationServerKey": key}
    answer = httpx2.post(f"{service}/subscribe", json=asked, trust_env=False)
    assert answer.status_code < 300, answer.text
    told = answer.json()["data"]
    return normalise(Channel.PUSH, httpx2.Response(200, json=told).text), told["clientHash"]


def sent(account, to, text):
    signer = Signer([(1, b"0" * 32)])
    message = TrialMessage(to, text=text, subject="Shop")
    return send_trial(
        account, message, signer, lambda: int(time.time() * 1000), "https://k.example.org/hooks/web"
    )


def test_it_reads_what_we_say(service, account):
    to, name = subscribed(service, account["public_key"])
    trial = sent(account, to, "Ваш заказ готов")
    assert (trial.accepted, trial.detail) == (True, "")
    got = httpx2.post(f"{service}/get-notifications", json={"clientHash": name}, trust_env=False).json()
    (message,) = got["data"]["messages"]
    assert '"title":"Shop","body":"Ваш заказ готов"' in message


def test_it_refuses_another_key(service, account):
    to, _ = subscribed(service, public_key(new_key()))
    trial = sent(account, to, "Hello")
    assert trial.accepted is False and trial.reason == "other"


def test_a_subscription_that_has_ended_is_no_address_any_more(service, account):
    to, name = subscribed(service, account["public_key"])
    httpx2.post(f"{service}/expire-subscription/{name}", trust_env=False)
    trial = sent(account, to, "Hello")
    assert (trial.accepted, trial.reason) == (False, "invalid_address")
