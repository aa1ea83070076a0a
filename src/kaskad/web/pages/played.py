"""Simulations that pages have begun: how far each is, and what came of the last ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from kaskad.actions.simulate import Simulation
from kaskad.domain.errors import KaskadError

KEPT = 20


class Job:
    """One simulation; its thread writes, pages read."""

    def __init__(self, slug: str, asked: Mapping[str, str]) -> None:
        self.slug, self.asked = slug, asked
        self.share = 0.0
        self.told: Simulation | None = None
        self.error: KaskadError | None = None

    def tell(self, share: float) -> None:
        """Note how many of the runs are over."""
        self.share = share


class Playing:
    """The last simulations of this server, by a name that cannot be guessed."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = Lock()

    def put(self, number: str, job: Job) -> None:
        """Keep one more, and forget the oldest."""
        with self._lock:
            self._jobs[number] = job
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)

    def get(self, number: str, slug: str) -> Job | None:
        """Return a cascade's simulation, None where it is not known any more."""
        found = self._jobs.get(number)
        return found if found is not None and found.slug == slug else None
