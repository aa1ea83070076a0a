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
    ports = {"boxes": free_port(), "http": free_port()}
    config = _configure(folder, centre=centre, user=user, password=password, answers=answers, **ports)
    with _running("bearerbox", config) as bearerbox:
        assert _listens(ports["boxes"], bearerbox), "Kannel does not start"
        with _running("smsbox", config) as smsbox:
            assert _listens(ports["http"], smsbox), "Kannel does not start"
            yield Kannel(folder, ports["http"])


@contextmanager
def refused(folder: Path, centre: int, user: str, password: str) -> Iterator[Path]:
    """Let a gateway ask a centre that refuses it; yield its log.

    Nobody may wait for it to listen: a Kannel that is refused before it has begun its main loop panics, in
    `gwlist_remove_producer`, and ends.
    """
    ports = {"boxes": free_port(), "http": free_port()}
    config = _configure(folder, centre=centre, user=user, password=password, answers="", **ports)
    log = folder / "core.log"
    log.touch()
    with _running("bearerbox", config):
        yield log


def _configure(folder: Path, **told: str | int) -> Path:
    config = folder / "kannel.conf"
    config.write_text(CONFIG.format(admin=free_port(), folder=folder, **told))
    return config


@contextmanager
def _running(program: str, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    found = shutil.which(program)
    if found is None:
        pytest.skip("kannel is not installed (apt install kannel)")
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([found, str(config)], stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.terminate()
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
