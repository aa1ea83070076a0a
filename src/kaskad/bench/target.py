"""A local HTTP server for the benchmark's messages, in a process of its own: nginx, else a small one of ours.

Its answer is fixed: most messages are taken, those of certain contacts refused. Ours is run by
`python -m kaskad.bench.target PORT R,R,R,R`; the Rs are the contacts' numbers modulo 20 that step fails for.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httptools

from kaskad.bench.fates import ONE_FAILS_IN
from kaskad.domain.errors import Unavailable
from kaskad.engine.process import new_loop

_TAKEN = '{"status":"sent"}'
_REFUSED = '{"error_class":"permanent_recipient","detail":"no such person"}'
_NGINX = """daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 75s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_x_cascade_id $refused {{ default 0; {patterns} }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; default_type application/json;
    location / {{ if ($refused) {{ return 422 '{refusal}'; }} return 200 '{taken}'; }}
  }}
}}
"""


@contextmanager
def target(failing: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Yield the URL of a running server and its name; `failing` has for each step the number that fails."""
    folder = Path(tempfile.mkdtemp(prefix="kaskad-bench-"))
    port = _free_port()
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if nginx:
        config = folder / "nginx.conf"
        config.write_text(nginx_config(folder, port, failing), encoding="utf-8")
        command = [nginx, "-p", str(folder), "-c", str(config)]
    else:
        command = [sys.executable, "-m", "kaskad.bench.target", str(port), ",".join(map(str, failing))]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}/", "nginx" if nginx else "kaskad.bench.target"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def nginx_config(folder: Path, port: int, failing: Sequence[int]) -> str:
    """Return a configuration that refuses contact `c` at step `s` where c modulo 20 is `failing[s]`."""
    patterns = "".join(f'"~{pattern(number)}:[0-9]+:{step}$" 1; ' for step, number in enumerate(failing))
    return _NGINX.format(folder=folder, port=port, patterns=patterns, refusal=_REFUSED, taken=_TAKEN)


def pattern(number: int) -> str:
    """Return the beginning of a regular expression for numbers that are `number` modulo 20."""
    tens = "[02468]" if number < 10 else "[13579]"
    return f"^([0-9]*{tens})?{number}" if number < 10 else f"^[0-9]*{tens}{number % 10}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    raise Unavailable("the local HTTP server of the benchmark did not start")


def _answer(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


TAKEN = _answer("200 OK", _TAKEN)


class Answering(asyncio.Protocol):
    """Answers each request of one connection, by the key that names its message."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)
        self._key = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-cascade-id":
            self._key = value.decode("ascii")

    def on_message_complete(self) -> None:
        self._transport.write(self._answer(self._key))


async def serve(port: int, failing: Sequence[int]) -> None:
    """Listen until the process is ended."""

    def answer(key: str) -> bytes:
        contact_id, _, step = key.split(":")
        refused = int(contact_id) % ONE_FAILS_IN == failing[int(step)]
        return _answer("422 Refused", _REFUSED) if refused else TAKEN

    server = await asyncio.get_running_loop().create_server(
        lambda: Answering(answer), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(int(sys.argv[1]), [int(part) for part in sys.argv[2].split(",")]))
