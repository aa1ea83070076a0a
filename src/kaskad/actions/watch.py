"""A thread that looks now and then at what runs or is to begin, at alarms, and whom these are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic

from kaskad.actions import alarm_book, canaries, guards, launch_dates, version_canaries, weeks
from kaskad.actions.office import Office
from kaskad.domain.errors import KaskadError
from kaskad.log import get_logger

log = get_logger(__name__)

EVERY_S = 15.0  # with the ten seconds that counting takes its time for, within half a minute of the fact
_RARER = 40  # between two looks at least so many times what one takes


class Watch:
    """Looks until it is stopped; what fails is tried again at the next look."""

    def __init__(self, office: Office, in_russian: Callable[[str], str] = str) -> None:
        self._office, self._in_russian = office, in_russian
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look under way."""
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """Look once."""
        launch_dates.go_on(self._office)
        for part in self._parts():
            part()

    def _parts(self) -> tuple[Callable[[], object], ...]:
        office = self._office
        return (
            partial(guards.watch, office),
            partial(canaries.go_on, office),
            partial(version_canaries.go_on, office),
            partial(alarm_book.sync, office),
            partial(alarm_book.tell, office, in_russian=self._in_russian),
            partial(weeks.go_on, office),
        )

    def _run(self) -> None:
        next_s = 0.0
        while not self._ended.wait(EVERY_S):
            _guarded(partial(launch_dates.go_on, self._office))  # in time, however long looks take
            began_s = monotonic()
            if began_s < next_s:
                continue
            for part in self._parts():  # what one of them fails of keeps nobody from being told
                _guarded(part)
            ended_s = monotonic()
            next_s = ended_s + _RARER * (ended_s - began_s)


def _guarded(work: Callable[[], object]) -> None:
    try:
        work()
    except KaskadError as error:
        log.warning("nobody watches for now", why=str(error))
    except Exception:
        log.exception("nobody watches for now: a defect")
