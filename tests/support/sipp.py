"""SIPp, a SIP user agent of others, as the called end of one call: it does what its scenario says.

A message that the scenario does not expect, or one that does not come, makes it fail.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.faults import until

LIMIT_S = 20
CALLED = """
<recv request="INVITE" rrs="true"><action>
  <ereg regexp="sip:{number}@" search_in="hdr" header="To:" check_it="true" assign_to="number"/>
  <ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>
  <ereg regexp=".*" search_in="hdr" header="To:" assign_to="called"/>
  <ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>
</action></recv>
<Reference variables="number,caller,called,cseq"/>
"""
ANSWER = """
<send{again}><![CDATA[

  SIP/2.0 {status}
  [last_Via:]
  [last_From:]
  To: [$called];tag=t[call_number]
  [last_Call-ID:]
  CSeq: [$cseq] INVITE
  Contact: <sip:[local_ip]:[local_port]>
  {body}

]]></send>
"""
EMPTY = "Content-Length: 0"
SOUND = """Content-Type: application/sdp
  Content-Length: [len]

  v=0
  o=- 1 1 IN IP4 [local_ip]
  s=-
  c=IN IP4 [local_ip]
  t=0 0
  m=audio 9 RTP/AVP 0
  a=rtpmap:0 PCMU/8000"""
OK = """
<send><![CDATA[

  SIP/2.0 200 OK
  [last_Via:]
  [last_From:]
  [last_To:]
  [last_Call-ID:]
  [last_CSeq:]
  Content-Length: 0

]]></send>
"""
ASK = """
<send retrans="500"><![CDATA[

  {method} [next_url] SIP/2.0
  Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
  Max-Forwards: 70
  From: [$called];tag=t[call_number]
  To: [$caller]
  [last_Call-ID:]
  CSeq: {cseq} {method}
  {body}

]]></send>
<recv response="200"/>
"""
KEY = """Content-Type: application/dtmf-relay
  Content-Length: [len]

  Signal={key}
  Duration=160"""
ACKNOWLEDGED = '<recv request="ACK"/>'


def ends(status: str, body: str = EMPTY) -> str:
    """Return the final answer to the call, such as `486 Busy Here`, which has to be acknowledged."""
    return ANSWER.format(again=' retrans="500"', status=status, body=body) + ACKNOWLEDGED


RINGS = ANSWER.format(again="", status="180 Ringing", body=EMPTY)
ANSWERS = ends("200 OK", SOUND)
IS_HUNG_UP_ON = '<recv request="BYE"/>' + OK
IS_CANCELLED = '<recv request="CANCEL"/>' + OK + ends("487 Request Terminated")
HANGS_UP = ASK.format(method="BYE", cseq=100, body=EMPTY)


def presses(*keys: str) -> str:
    """Return keys, each in an INFO; to be used once a call, for the requests are numbered."""
    return "".join(
        ASK.format(method="INFO", cseq=number, body=KEY.format(key=key)) for number, key in enumerate(keys, 1)
    )


def waits(span_ms: int) -> str:
    return f'<pause milliseconds="{span_ms}"/>'


class Sipp:
    """A running SIPp."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
        self.port, self._process, self._folder = port, process, folder

    def complaint(self) -> str:
        """Return what went otherwise than in the scenario, "" for nothing; waits for its end."""
        if self._process.wait(LIMIT_S + 5) == 0:
            return ""
        return f"exit {self._process.returncode}: " + "".join(
            path.read_text("utf-8", "replace") for path in self._folder.glob("*.log")
        )


@contextmanager
def sipp(folder: Path, number: str, *deeds: str) -> Iterator[Sipp]:
    """Run somebody who is called at `number`, once, and does these deeds."""
    program = shutil.which("sipp")
    if program is None:
        pytest.skip("sipp is not installed (apt install sip-tester)")
    scenario = folder / "called.xml"
    told = CALLED.format(number=number.removeprefix("+")) + "".join(deeds)
    scenario.write_text(f'<?xml version="1.0"?><scenario name="called">{told}</scenario>', "utf-8")
    port, home = _free_port(), "127.0.0.1"
    logs = ("-trace_err", "-error_file", str(folder / "errors.log"))
    command = [program, "-sf", str(scenario), "-i", home, "-mi", home, "-ci", home, "-p", str(port),
               "-m", "1", "-nostdin", "-timeout", f"{LIMIT_S}s", "-timeout_error", *logs]  # fmt: skip
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        until(lambda: _taken(port) or process.poll() is not None)
        assert process.poll() is None, "sipp does not start"
        yield Sipp(process, folder, port)
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _taken(port: int) -> bool:
    """Return whether somebody listens; a trial of the port could take it from who is about to."""
    return f" 0100007F:{port:04X} " in Path("/proc/net/udp").read_text("ascii")
