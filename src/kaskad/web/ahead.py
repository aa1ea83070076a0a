"""What pages need when they are first looked at: made while a server that was just begun has nothing to do.

Routes are derived, templates compiled and libraries loaded at their first use, which took the first look at a
page 0.2 to 0.6 s longer, and the first optimisation 0.8 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from threading import Event, Thread

from kaskad.log import get_logger
from kaskad.web.pages import shell, static

log = get_logger(__name__)
Piece = Callable[[], object]

# What pages and their figures load late, so that commands begin sooner …
LATE = (
    "numpy.ma", "phonenumbers.timezone", "kaskad.analytics.gains", "kaskad.analytics.customers",
    "kaskad.store.mail_columns", "kaskad.store.run_columns", "kaskad.store.segment_base", "numpy.f2py",
    "scipy.special", "scipy.linalg", "kaskad.actions.optimize",
)  # fmt: skip
# … and what takes 40 MiB, and is used where somebody looks at pages.
HEAVY = ("scipy.optimize", "scipy.stats")
_LOOK_S = 1.0  # between two looks at whether there is anything to do
_AGAIN_S = 30.0  # between two looks at what is kept in memory while somebody looks at figures
_BUSY = 0.5  # of one core, used by others: they come first
_REST = 3  # times as long as a piece took, before the next


def pieces(routes: Iterator[Piece]) -> Iterator[Piece]:
    """Yield what every server does, in pieces of some hundredths of a second."""
    yield from routes
    yield static.shelf
    yield from (partial(import_module, name) for name in LATE)
    yield from shell.templates()


class Ahead:
    """A thread that does it all once, what is heavy when `is_seen` says that somebody looks at figures.

    From then on `kept`, which yields what figures ask of memory, is done again and again.
    """

    def __init__(
        self, routes: Iterator[Piece], is_seen: Callable[[], bool],
        kept: Callable[[], Iterable[Piece]] = tuple,
    ) -> None:  # fmt: skip
        self._pieces, self._is_seen, self._kept = pieces(routes), is_seen, kept
        self._ended = Event()
        self._thread = Thread(target=self._run, name="ahead", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End within one piece."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        self._do(self._pieces)
        while not self._is_seen() and not self._ended.wait(_LOOK_S):
            pass
        self._do(partial(import_module, name) for name in HEAVY)
        while not self._ended.is_set():
            if self._is_seen():
                self._do(self._kept())
            self._ended.wait(_AGAIN_S)

    def _do(self, todo: Iterable[Piece]) -> None:
        rest_s = _LOOK_S
        for piece in todo:
            if not self._rested(rest_s):
                return
            began = time.monotonic()
            try:
                piece()
            except Exception:  # whoever needs it first meets it again
                log.exception("not made ahead")
            rest_s = _REST * (time.monotonic() - began)

    def _rested(self, rest_s: float) -> bool:
        """Rest so long, and on while others have much to do; say whether to go on then."""
        while True:
            began, used = time.monotonic(), time.process_time()
            if self._ended.wait(rest_s):
                return False
            if time.process_time() - used < _BUSY * (time.monotonic() - began):
                return True
            rest_s = _LOOK_S
