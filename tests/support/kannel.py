"""Kannel, an SMS gateway of others, as a client of an SMS centre; its HTTP interface sends."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from support.faults import free_port

CONFIG = """
group = core
admin-port = {admin}
admin-password = x
smsbox-port = {boxes}
box-allow-ip = "127.0.0.1"
log-file = "{folder}/core.log"
log-level = 0

group = smsc
smsc = smpp
smsc-id = kaskad
host = 127.0.0.1
port = {centre}
transceiver-mode = true
smsc-username = {user}
smsc-password = {password}
system-type = ""
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1
msg-id-type = 0x00
alt-charset = "GSM"

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
global-sender = Shop
log-file = "{folder}/box.log"
log-level = 0

group = sendsms-user
username = shop
password = shop
concatenation = true
max-messages = 5

group = sms-service
keyword = default
get-url = "{answers}?text=%a&from=%p"
max-messages = 0
catch-all = true
"""


class Kannel:
    """A running gateway."""

    def __init__(self, folder: Path, http: int) -> None:
        self.folder, self._http = folder, http

    def send(self, to: str, text: str, **more: str) -> str:
        """Return what the gateway answers to a text for a number."""
        fields = {"username": "shop", "password": "shop", "to": to, "text": text, "charset": "UTF-8",
                  "coding": "0" if text.isascii() else "2", **more}  # fmt: skip
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._http}/cgi-bin/sendsms?{urlencode(fields)}"
        ) as told:
            return str(told.read().decode())


@contextmanager
def kannel(folder: Path, centre: int, user: str, password: str, answers: str) -> Iterator[Kannel]:
    """Run a gateway that is bound to a centre; `answers` is asked with each text from a person."""
    bearerbox, smsbox = shutil.which("bearerbox"), shutil.which("smsbox")
    if bearerbox is None or smsbox is None:
        pytest.skip("kannel is not installed (apt install kannel)")
    running: list[subprocess.Popen[bytes]] = []
    try:
        http, boxes = free_port(), free_port()
        config = folder / "kannel.conf"
        config.write_text(CONFIG.format(
            admin=free_port(), boxes=boxes, http=http, folder=folder, centre=centre, user=user,
            password=password, answers=answers,
        ))  # fmt: skip
        quiet = subprocess.DEVNULL
        for program, opened in ((bearerbox, boxes), (smsbox, http)):
            running.append(subprocess.Popen([program, str(config)], stdout=quiet, stderr=quiet))
            assert _listens(opened, running[-1]), "Kannel does not start"
        yield Kannel(folder, http)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Return whether the process listens, once that is known."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None:
                return False
            time.sleep(0.1)
        else:
            return True
    return False
