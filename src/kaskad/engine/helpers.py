"""Other processes that read the rows of a long file. They load nothing that reading does not need."""

from __future__ import annotations

import gc
import os
import signal
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context, parent_process

_AT_MOST = 3


def helpers() -> Executor:
    """Return processes for all cores but one, which writes."""
    count = min(max((os.cpu_count() or 1) - 1, 1), _AT_MOST)
    return ProcessPoolExecutor(count, get_context("spawn"), _begin)


def _begin() -> None:
    """Give way to the process that sends, and end with the one that writes, however that one ends.

    A stop from the keyboard is left to that one.
    """
    gc.disable()  # rows are values without cycles: the collector took a sixth of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
