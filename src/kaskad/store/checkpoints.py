"""Checkpoints of SQLite by a thread, while so much is written that those of commits would hold up others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import apsw

# Pages that are new in the journal before they are copied into the file. A page that was changed often is
# copied once; but before it is, the journal is synced, and whoever commits then waits for the rest only.
_COPIED: Final = 2_000
# Pages in the journal before whoever commits copies the rest: only then can the journal begin anew.
_HELD: Final = 40_000


class Checkpointer:
    """Copies pages from the journal into the file by a thread, until `close`."""

    def __init__(self, open_connection: Callable[[], apsw.Connection]) -> None:
        self._open = open_connection
        self._copied = 0  # pages of the journal that lie in the file
        self._copying = threading.Lock()  # one copies at a time
        self._wanted = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def after_commit(self, writer: apsw.Connection, schema: str, pages: int) -> int:
        """Take note of a commit, as a hook of the connection that writes."""
        if pages < self._copied:  # the journal has begun anew
            self._copied = 0
        if pages >= _HELD:
            with self._copying, suppress(apsw.Error):
                writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        elif pages - self._copied >= _COPIED:
            self._wanted.set()
        return apsw.SQLITE_OK

    def close(self) -> None:
        """End after the copy under way."""
        self._ended = True
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        connection = self._open()
        try:
            while True:
                self._wanted.wait()
                self._wanted.clear()
                if self._ended:
                    return
                with self._copying, suppress(apsw.Error):  # what is wrong with the disk, commits tell
                    _, self._copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            connection.close()
