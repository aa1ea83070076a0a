"""The sandbox inside of the running server."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaskad.actions.playground import Resident, Resolve
    from kaskad.sandbox.person import Person
    from kaskad.sandbox.serve import Sandbox

PORT, SMTP_PORT = 8025, 2525  # where the phones are, unless something else listens there


class Playground:
    """Runs one sandbox while it is open; see `actions/playground.py`. Any thread may use it.

    `port` and `smtp_port` are tried first (0: any free one), then any free ones.
    """

    def __init__(self, port: int = PORT, smtp_port: int = SMTP_PORT) -> None:
        self.url = ""
        self._ports = (port, smtp_port)
        self._running: Sandbox | None = None
        self._lock = threading.Lock()

    def open(self, kaskad_url: str, resolve: Resolve) -> Sequence[Mapping[str, Any]]:
        """Run from now on, and return the accounts that lead here; raises Conflict where no port is free."""
        from kaskad.domain.errors import Conflict

        with self._lock:
            if self._running is None:
                try:
                    self._running = _started(*self._ports, resolve)
                except Conflict:
                    self._running = _started(0, 0, resolve)
            self.url = self._running.http_url
            return self._running.accounts(kaskad_url)

    def close(self) -> None:
        """End it; may be called twice."""
        with self._lock:
            if self._running is not None:
                self._running.stop()
            self._running, self.url = None, ""

    def phone(self, resident: Resident) -> str:
        """Return the address of the page that is somebody's phone; it is theirs from now on."""
        from kaskad.domain.errors import Conflict

        running = self._running
        if running is None:
            raise Conflict("The sandbox is closed: open it first.")
        found: list[int] = []
        running.call(lambda: found.append(running.world.introduce(_person(resident)).id))
        return f"{running.http_url}/people/{found[0]}"


def _started(port: int, smtp_port: int, resolve: Resolve) -> Sandbox:
    from importlib.resources import files

    from kaskad.sandbox.profile import read_profile
    from kaskad.sandbox.serve import Sandbox, SandboxConfig

    def whose(channel: str, address: str) -> Person | None:
        found = resolve(channel, address)
        return None if found is None else _person(found)

    quiet = files("kaskad.sandbox").joinpath("quiet.yaml").read_text("utf-8")
    sandbox = Sandbox(SandboxConfig(
        port=port, smtp_port=smtp_port, strangers=True, whose=whose,
        profile=read_profile(quiet, "quiet.yaml"),
    ))  # fmt: skip
    try:
        sandbox.start()
    except BaseException:
        sandbox.stop()
        raise
    return sandbox


def _person(resident: Resident) -> Person:
    from kaskad.sandbox.person import Person

    ids = dict(resident.addresses)
    email, phone, chat_id = (ids.pop(name, "") for name in ("email", "sms", "telegram"))
    return Person(
        key=resident.key, name=resident.name, email=email, phone=phone, chat_id=chat_id,
        language=resident.language, zone=resident.zone, ids=ids,
    )  # fmt: skip
