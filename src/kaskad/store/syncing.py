"""Syncs the journal of an SQLite file from a thread of its own: who commits can go on meanwhile.

A disk takes 4 ms and more for that, as long as a small tick needs for its work. What was committed is seen by
everybody at once, but whoever tells anybody outside of it waits until it is on the disk (`after`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kaskad.domain.errors import Unavailable

Then = Callable[[Unavailable | None], None]

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter


class Syncer:
    """Syncs `journal`, a file that is there from the first commit on, as often as somebody waits for more."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._file: int | None = None
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, Then]] = []
        self._kept = 0  # how much of what was written is on the disk
        self._ended = False
        self._problem = ""  # why nobody knows what is on the disk, for good
        self._thread: threading.Thread | None = None

    def after(self, written: int, then: Then) -> None:
        """Call `then` from another thread once as much as has been `written` is on the disk, in order.

        `written` is a count that only grows: an idle engine wakes no disk. `then` is given what was wrong
        where a sync failed, this one or any before. After `close` it is called at once.
        """
        with self._changed:
            if not self._ended:
                self._waiting.append((written, then))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="syncer", daemon=True)
                    self._thread.start()
                self._changed.notify()
                return
        then(self.lost() or Unavailable(f"{self._journal} has been closed."))

    def lost(self) -> Unavailable | None:
        """Return why nobody knows what of all that was committed is on the disk; None where all is well."""
        return Unavailable(self._problem) if self._problem else None

    def lose(self, why: str) -> None:
        """Say that a sync has failed: none is tried any more, since it may succeed and hide the loss."""
        with self._changed:
            if not self._problem:
                self._problem = f"The disk of {self._journal} failed ({why}): check it, then start again."

    def close(self) -> None:
        """End, once all who wait have been told."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        if self._file is not None:
            os.close(self._file)

    def _run(self) -> None:
        while waiting := self._next():
            written = waiting[-1][0]
            if written != self._kept and not self._problem:
                try:
                    self._keep()
                except OSError as error:
                    self.lose(error.strerror or repr(error))
                self._kept = written
            for _, then in waiting:
                then(self.lost())

    def _next(self) -> list[tuple[int, Then]]:
        """Return who waits now, as soon as there is somebody; nobody at the end."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            taken, self._waiting = self._waiting, []
            return taken

    def _keep(self) -> None:
        if self._file is None:
            self._file = os.open(self._journal, os.O_RDONLY)
            with suppress(OSError):  # as SQLite: not every folder can be synced, or opened
                self._sync_folder()  # that the file is there at all must be on the disk too
        _sync(self._file)

    def _sync_folder(self) -> None:
        folder = os.open(self._journal.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
