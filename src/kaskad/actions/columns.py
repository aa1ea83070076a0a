"""Keeps made what segments are counted from where people ask and are many; elsewhere it is dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic

from kaskad.actions import learning, lots, rhythms, scores, sunset, watching, winners
from kaskad.actions.asked import drop, is_wanted, refresh, standings
from kaskad.actions.office import Office
from kaskad.domain.errors import KaskadError
from kaskad.log import get_logger
from kaskad.store import segment_blocks

log = get_logger(__name__)

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_FEW = 2  # blocks of contacts that are read as they stand in no time
_LOOK_S = 5.0
_REST_S = 600.0  # between two rounds
_WATCH_MS = 60_000  # between two looks at who has become a member of a segment …
_RARER = 20  # … and so many times what a look takes


class Keeper:
    """A thread that makes blocks when they are missing or stale, and rests as long as it works."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._ended = threading.Event()
        self._watch_at = self._sunset_at = 0
        self._learn_at: dict[str, int] = {}  # when each piece of the hourly work is due
        self._thread = threading.Thread(target=self._run, name="segments", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End within one block."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        wait_s = _LOOK_S
        while not self._ended.wait(wait_s):
            try:
                wait_s = _REST_S if self.round() else _LOOK_S
            except KaskadError as error:
                log.warning("segments are not made", problem=str(error))
                wait_s = _REST_S
            except Exception:
                log.exception("segments are not made")
                wait_s = _REST_S

    def round(self) -> bool:
        """Make all that is due; return whether that was anything."""
        now = self._office.now()
        if now >= self._watch_at:
            began = monotonic()
            watching.look(self._office)
            scores.renew(self._office)
            self._learn(now)
            if now >= self._sunset_at:
                if silent := sunset.let_go(self._office):
                    log.info("sunset", contacts=silent)
                self._sunset_at = now + _DAY_MS
            self._watch_at = now + max(_WATCH_MS, int((monotonic() - began) * 1000 * _RARER))
        return self._keep()

    def _learn(self, now: int) -> None:
        """Do what is due of what is done once an hour, each whatever becomes of the others."""
        work: dict[str, Callable[[Office], object]] = {
            "learning": learning.renew, "lots": lots.look, "winners": winners.decide, "rhythms": _rhythms,
        }  # fmt: skip
        for name, do in work.items():
            if now < self._learn_at.get(name, 0):
                continue
            try:
                do(self._office)
            except Exception:
                log.exception("hourly work has failed", of=name)
                self._learn_at[name] = now + int(_REST_S * 1000)
            else:
                self._learn_at[name] = now + _HOUR_MS

    def _keep(self) -> bool:
        """Make or drop columns, a block at a time; return whether any was. What is gone leaves the memory."""
        with self._office.read() as tx:
            segment_blocks.drop_gone(tx)
            told = standings(tx)
            wanted = is_wanted(self._office, tx)
        if wanted and any(each.blocks > _FEW and each.stale for each in told):
            pieces: Iterator[object] = refresh(self._office)
        elif not wanted and any(each.kept for each in told):
            pieces = drop(self._office)
        else:
            return False
        began = monotonic()
        for _ in pieces:
            if self._ended.wait(monotonic() - began):
                break
            began = monotonic()
        return True


def _rhythms(office: Office) -> None:
    if office.now() - rhythms.counted_at(office) >= _DAY_MS:
        rhythms.renew(office)
