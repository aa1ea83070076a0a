"""Carry robot calls over Asterisk's ARI: speak texts into files, ask for calls, and hear how they go.

One WebSocket an account, in the process that listens; what it tells moves the calls on. Asterisk does not
tell an event twice, so what could not be kept is offered again until it is.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from kaskad.domain.errors import SendError
from kaskad.domain.speech import is_marked
from kaskad.domain.terms import Reason
from kaskad.engine.transport.base import Ears, built
from kaskad.engine.transport.http import Http
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.asterisk import LIMIT_S, Asterisk, Call, Speech, hang_up, unreadable
from kaskad.providers.base import Accepted, Account, Outgoing, Provider, Receipt, Request

log = get_logger(__name__)

WAIT_S = 10.0  # of a call for the WebSocket on which it would be heard
BACKOFF_S = (1.0, 5.0, 15.0, 60.0)
REPLACED_S = 60.0  # another process has taken the application over: it hears, we would only fight it
REQUEST_S = 10.0
STRAYS_S = 15.0  # a call that was just taken is told of after its dialplan has judged who took it
SPEAK_S = 30.0
AGAIN_S = 1.0  # between offers of what could not be kept, and requests about a call that failed
ASKED = 3  # so often for the same about a call
SPOKEN_KEPT_S = 30 * 86_400  # of a spoken text that no call has used since
SWEEP_S = 6 * 3_600.0
_OURS = re.compile(r"[0-9a-f]{32}\.(?:wav|txt)").fullmatch


class Calls:
    """The calls of all accounts; used from one event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http = Http()
        self._lines: dict[int, _Line] = {}
        self._speaking: dict[str, asyncio.Task[None]] = {}
        self._swept_at: dict[Path, float] = {}

    async def send(self, carrying: Provider, outgoing: Outgoing, account: Account) -> Accepted:
        """Return the channel that Asterisk has made; raises SendError."""
        assert isinstance(carrying, Asterisk)
        for speech in built(carrying.speeches, outgoing, account):
            await self._speak(speech)
        request = built(carrying.build_request, outgoing, account)
        line = self._lines.get(account.id)
        if line is not None:
            await line.ready()
        return carrying.read_response(await self._http.post(request, self._timeout_s))

    def follow(self, accounts: Mapping[int, Account], ears: Ears) -> None:
        """Listen to the calls of these accounts."""
        calls: dict[int, dict[str, Call]] = {}
        for account_id, line in list(self._lines.items()):
            if accounts.get(account_id) != line.account:
                calls[account_id] = self._lines.pop(account_id).end()
        for account_id, account in accounts.items():
            if account_id not in self._lines:
                self._lines[account_id] = _Line(account, ears, self._http, calls.get(account_id, {}))

    async def close(self) -> None:
        """End all connections; calls that are under way go on without us until their own end."""
        lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            line.end()
        await asyncio.gather(*[line.task for line in lines], return_exceptions=True)
        self._http.close()

    async def _speak(self, speech: Speech) -> None:
        """Make the file of a text, once however many calls wait for it; raises SendError."""
        await self._tidy(Path(speech.path).parent)
        if _in_use(Path(speech.path)):
            return
        task = self._speaking.get(speech.path)
        if task is None:
            task = self._speaking[speech.path] = asyncio.get_running_loop().create_task(_spoken(speech))
            task.add_done_callback(lambda ended: self._speaking.pop(speech.path, None) and ended.exception())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            raise SendError(Reason.TRANSIENT, "we stopped before it was sent") from None

    async def _tidy(self, folder: Path) -> None:
        """Now and then drop spoken texts that are of no use any more: each may hold somebody's name."""
        now = asyncio.get_running_loop().time()
        if now - self._swept_at.get(folder, -SWEEP_S) >= SWEEP_S:
            self._swept_at[folder] = now
            await asyncio.to_thread(drop_old, folder, time.time() - SPOKEN_KEPT_S)


class _Line:
    """The WebSocket of one account, and the calls that it has told of."""

    def __init__(self, account: Account, ears: Ears, http: Http, calls: dict[str, Call]) -> None:
        self.account = account
        self._ears, self._http = ears, http
        carrying = provider(account.provider)
        assert isinstance(carrying, Asterisk)
        self._carrying = carrying
        self._calls = calls  # with those that were under way when the account changed
        self._queues: dict[str, asyncio.Queue[bytes]] = {}  # the events of each channel, in their order
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._refusal: SendError | None = None
        self.task = asyncio.get_running_loop().create_task(self._keep())
        for channel in calls:
            self._begin(self._later(LIMIT_S, hang_up(channel, account), channel))

    async def ready(self) -> None:
        """Return once Asterisk would tell of a call; raises SendError where it does not in good time."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._open.wait()
        except TimeoutError:
            raise self._refusal or SendError(Reason.TRANSIENT, "no WebSocket with Asterisk") from None
        except asyncio.CancelledError:
            raise SendError(Reason.TRANSIENT, "we stopped before it was sent") from None

    def end(self) -> dict[str, Call]:
        """Listen no more; return the calls that are under way."""
        self.task.cancel()
        for task in self._tasks:
            task.cancel()
        return self._calls

    async def _keep(self) -> None:
        failures = 0
        while True:
            wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            try:
                async with connect(
                    self._carrying.events_url(self.account), open_timeout=REQUEST_S, proxy=None
                ) as socket:
                    failures = 0
                    if not await self._listen(socket):
                        wait_s = REPLACED_S
                        self._refuse(Reason.TRANSIENT, f"another process listens as {self.account['app']!r}")
            except InvalidStatus as error:
                status = error.response.status_code
                self._refuse(Reason.AUTH if status in (401, 403) else Reason.TRANSIENT, f"HTTP {status}")
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
                self._refuse(Reason.TRANSIENT, f"no WebSocket with Asterisk ({type(error).__name__})")
            self._open.clear()
            failures += 1
            await asyncio.sleep(wait_s)

    async def _listen(self, socket: ClientConnection) -> bool:
        """Hear events until the connection ends; return whether it may be opened again at once."""
        self._refusal = None
        self._ears.note(self.account, "")
        self._open.set()
        self._begin(self._end_strays())
        async for message in socket:
            raw = message.encode() if isinstance(message, str) else message
            if b'"ApplicationReplaced"' in raw:
                return False
            self._hear(raw)
        return True

    def _refuse(self, reason: Reason, why: str) -> None:
        self._refusal = SendError(reason, why)
        self._ears.note(self.account, why)

    def _hear(self, raw: bytes) -> None:
        """Queue an event behind those of its channel: calls do not wait for each other."""
        channel = self._carrying.channel_of(raw)
        if channel is None:
            return
        queue = self._queues.get(channel)
        if queue is None:
            queue = self._queues[channel] = asyncio.Queue()
            self._begin(self._follow(channel, queue))
        queue.put_nowait(raw)

    async def _follow(self, channel: str, queue: asyncio.Queue[bytes]) -> None:
        """Move one call on, event after event, until nothing is known of it any more."""
        try:
            while True:
                await self._step(channel, await queue.get())
                if queue.empty() and channel not in self._calls:
                    return
        finally:
            del self._queues[channel]

    async def _step(self, channel: str, raw: bytes) -> None:
        try:
            step = self._carrying.step(raw, self._calls, self.account)
        except Exception as error:  # a defect of ours, too, must not lose what it is about
            if not isinstance(error, ValueError):
                log.error("an event was not read because of a defect", error=type(error).__name__)
            await self._tell([unreadable(raw)], raw)
            return
        if step is None:
            return
        if step.call is not None:
            self._calls[channel] = step.call
        else:
            self._calls.pop(channel, None)
        await self._tell(step.told, raw)
        for request in step.requests:
            await self._ask(request)
        if step.later is not None:
            self._begin(self._later(*step.later, channel))

    async def _tell(self, told: list[Receipt], raw: bytes) -> None:
        """Make durable what an event tells, however long that takes."""
        while told and not await self._ears.hear(self.account, told, raw):
            await asyncio.sleep(AGAIN_S)

    async def _later(self, wait_s: float, request: Request, channel: str) -> None:
        await asyncio.sleep(wait_s)
        if channel in self._calls:
            await self._ask(request)

    async def _ask(self, request: Request) -> None:
        """Ask Asterisk for something about a call; a call that has ended meanwhile answers 404.

        Where it is not reached it is asked again: nothing else would end the call before its limit.
        """
        for tries in range(1, ASKED + 1):
            try:
                response = await self._http.post(request, REQUEST_S)
                break
            except SendError as error:
                log.warning("asterisk was not reached", account=self.account.name, why=error.detail)
                if tries == ASKED:
                    return
            await asyncio.sleep(AGAIN_S)
        if not response.ok and response.status != 404:
            log.warning("asterisk refused", account=self.account.name, status=response.status)

    async def _end_strays(self) -> None:
        """End calls that were there when listening began, and that nothing is told of for a while then."""
        try:
            listed = await self._http.post(self._carrying.list_request(self.account), REQUEST_S)
            await asyncio.sleep(STRAYS_S)
            strays = self._carrying.strays(listed, self.account, self._calls)
        except SendError:
            return
        for request in strays:
            await self._ask(request)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _in_use(path: Path) -> bool:
    """Return whether a spoken text is there, and note that it is used."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # somebody else's file, which can be played all the same
        return path.exists()
    return True


def drop_old(folder: Path, before: float) -> None:
    """Drop the spoken texts of a folder that were used last before an instant, in seconds since 1970."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if _OURS(entry.name) is None:
                continue
            with suppress(OSError):  # another process has dropped it, or it is not ours to drop
                speech = Path(entry.path).with_suffix(".wav")  # the words beside it go with it
                used_at = speech.stat().st_mtime if speech.exists() else entry.stat().st_mtime
                if used_at < before:
                    Path(entry.path).unlink()


async def _spoken(speech: Speech) -> None:
    """Write a text as a file of 8 kHz, 16 bit, mono; whole or not at all. Raises SendError."""
    folder = Path(speech.path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(".wav", dir=folder)
        os.close(handle)
        try:
            marks = ("-m",) if is_marked(speech.text) else ()  # SSML
            words = speech.text.encode()
            await _run("espeak-ng", "-v", speech.voice, *marks, "--stdin", "-w", part, given=words)
            await _run("sox", part, "-r", "8000", "-c", "1", "-b", "16", f"{part}.8k.wav")
            Path(f"{part}.8k.wav").chmod(0o644)  # Asterisk is another user
            Path(speech.path).with_suffix(".txt").write_text(speech.text, "utf-8")  # for who looks in there
            Path(f"{part}.8k.wav").replace(speech.path)
        finally:
            Path(part).unlink(missing_ok=True)
            Path(f"{part}.8k.wav").unlink(missing_ok=True)
    except OSError as error:
        told = f"the sound could not be made ({type(error).__name__}): is espeak-ng there, and sox?"
        raise SendError(Reason.AUTH, told) from None


async def _run(*command: str, given: bytes = b"") -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SPEAK_S):
            await process.communicate(given)
    except TimeoutError:
        process.kill()
        await process.wait()
    if process.returncode != 0:
        raise SendError(Reason.AUTH, f"{command[0]} could not make the sound (exit {process.returncode})")
