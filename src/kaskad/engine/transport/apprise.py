"""Hand messages to the library Apprise, which is synchronous: a few threads of its own.

It is imported with the first message: loading its hundred plug-ins takes a second and 40 MB.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.engine.transport.base import built
from kaskad.providers.apprise import Apprise, Note, Verdict
from kaskad.providers.base import Accepted, Account, Outgoing, Provider

THREADS = 8


class Notifier:
    """The threads in which Apprise speaks; used from one event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._threads: ThreadPoolExecutor | None = None

    async def send(self, carrying: Provider, outgoing: Outgoing, account: Account) -> Accepted:
        """Return that Apprise has sent the message; raises SendError otherwise."""
        assert isinstance(carrying, Apprise)
        note = built(carrying.build_note, outgoing, account)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")
        told = asyncio.get_running_loop().run_in_executor(self._threads, _notify, note)
        try:
            verdict = await asyncio.wait_for(told, self._timeout_s)
        except TimeoutError:
            raise SendError(Reason.AMBIGUOUS, "no word from Apprise in time", accepted=None) from None
        return carrying.read_verdict(verdict, outgoing.to)

    async def close(self) -> None:
        """Begin nothing more; what a thread is at ends by Apprise's own time-outs, of seconds."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _notify(note: Note) -> Verdict:
    import apprise

    # Its warnings name hosts and recipients: they come back with the verdict, and do not go to our log.
    logging.getLogger("apprise").propagate = False
    service = apprise.Apprise.instantiate(note.url)
    if not isinstance(service, apprise.NotifyBase):
        return Verdict(None)
    everything = apprise.Apprise()
    everything.add(service)
    form = apprise.NotifyFormat.HTML if note.html else apprise.NotifyFormat.TEXT
    result = everything.notify(body=note.body, title=note.title, body_format=form)
    words = tuple(entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR", "CRITICAL"))
    return Verdict(bool(result), words)
