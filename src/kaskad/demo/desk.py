"""Simulated agents of the demo's call desk: they work its queue off over the API, as people would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from kaskad.log import get_logger

log = get_logger(__name__)

Ask = Callable[[str, Mapping[str, Any]], Any]

AGENTS = ("Айгуль", "Сергей")
PAUSE_S = 0.3  # of real time, while there is nobody to call
# How a call ends, and of a hundred how many do.
ENDS = (
    ("reached_agreed", 40),
    ("reached_refused", 20),
    ("no_answer", 27),
    ("callback_at", 8),
    ("do_not_call", 3),
    ("wrong_number", 2),
)


class Agents:
    """People who call, each in a thread of its own, until `stop`. `ask` posts to the API."""

    def __init__(self, ask: Ask, clock: Callable[[], int], seed: int, names: Sequence[str] = AGENTS) -> None:
        self._ask, self._clock, self._seed = ask, clock, seed
        self._halt = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(name,), name=f"agent {name}", daemon=True)
            for name in names
        ]
        self.calls = 0

    def start(self) -> None:
        """Begin to take tasks."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the calls under way; may be called twice."""
        self._halt.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _work(self, name: str) -> None:
        chance = Random(f"{self._seed} {name}")
        while not self._halt.is_set():
            try:
                task = self._ask("/tasks/next", {"agent": name})["task"]
                if task is not None:
                    self._call(name, str(task["id"]), chance)
                    continue
            except Exception as error:  # withdrawn while it was taken: there will be another one
                log.info("task not done", agent=name, why=str(error))
            self._halt.wait(PAUSE_S)

    def _call(self, name: str, task: str, chance: Random) -> None:
        self._ask(f"/tasks/{task}/dial", {"agent": name})
        ends, weights = zip(*ENDS, strict=True)
        (end,) = chance.choices(ends, weights)
        told: dict[str, Any] = {"agent": name, "disposition": end}
        if end == "callback_at":
            back = datetime.fromtimestamp(self._clock() / 1000, UTC) + timedelta(hours=chance.randint(3, 30))
            told["call_back_at"] = back.isoformat()
        self._ask(f"/tasks/{task}/close", told)
        self.calls += 1
