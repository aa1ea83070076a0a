"""A real Postfix on loopback, in a folder of its own: accepts, refuses by policy, relays, feeds a pipe."""

from __future__ import annotations

import os
import shutil
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.faults import free_port

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
kaskad unix - n n - 4 pipe
  flags=ORq user=nobody argv={script} {hook}
"""
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = {domains}
relay_recipient_maps =
transport_maps = inline:{{ {transports} }}
smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:{policy}
smtpd_relay_restrictions = reject_unauth_destination
kaskad_destination_recipient_limit = 1
"""


def missing() -> str:
    """Return why no Postfix can be started here, "" where one can."""
    if not Path("/usr/sbin/postfix").exists():
        return "there is no Postfix: apt-get install postfix"
    if shutil.which("curl") is None:
        return "there is no curl: apt-get install curl"
    return "" if os.geteuid() == 0 else "Postfix starts as root only"


class Policy(socketserver.StreamRequestHandler):
    """Answers Postfix's questions on recipients (SMTPD_POLICY_README)."""

    def handle(self) -> None:
        told: dict[str, str] = {}
        for raw in self.rfile:
            line = raw.decode().strip()
            if line:
                name, _, value = line.partition("=")
                told[name] = value
                continue
            answer = self.server.judge(told["recipient"])  # type: ignore[attr-defined]
            self.wfile.write(f"action={answer}\n\n".encode())
            told = {}


class Postfix:
    """A running Postfix; `log` is what it says."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""


@contextmanager
def running(
    script: Path, hook: str, transports: Mapping[str, str], judge: Callable[[str], str]
) -> Iterator[Postfix]:
    """A Postfix that asks `judge` about recipients, and carries the mail of a domain by its transport."""
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)  # the pipe's command runs as nobody
    command = Path(shutil.copy(script, folder))
    policy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Policy)
    policy.daemon_threads = True
    policy.judge = judge  # type: ignore[attr-defined]
    threading.Thread(target=policy.serve_forever, daemon=True).start()
    config, port = folder / "etc", free_port()
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    (config / "main.cf").write_text(MAIN.format(
        folder=folder, domains=" ".join(transports), policy=policy.server_address[1],
        transports=", ".join(f"{{ {domain} = {transport} }}" for domain, transport in transports.items()),
    ))  # fmt: skip
    (config / "master.cf").write_text(MASTER.format(port=port, script=command, hook=hook))
    try:
        _postfix(config, "start")
        yield Postfix(folder, port)
    finally:
        _postfix(config, "stop")
        policy.shutdown()
        policy.server_close()
        shutil.rmtree(folder, ignore_errors=True)


def _postfix(config: Path, verb: str) -> None:
    done = subprocess.run(
        ["/usr/sbin/postfix", "-c", str(config), verb], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or verb == "stop", done.stderr
