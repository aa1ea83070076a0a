"""What this process has under way, and what one tick leaves to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from kaskad.domain.policy import MINUTE
from kaskad.domain.run import Run
from kaskad.store.courses import Noted

TICK_S = 0.1
MIN_DUE = 250

Word = tuple[int, str, bool]  # the channel and address of whoever said it; whether it was a stop


class Handed(Struct, frozen=True, gc=False):
    """A submission under way: what its run was left at, and how long plain silence lasts after it."""

    seq: int
    silence_ms: int


class Part(Enum):
    """What a tick can leave undone for a while, without harm to what is under way."""

    LAUNCHES = "entries by launches"
    DATES = "entries by dates"
    TIDYING = "what is kept for a time only"
    ORPHANS = "receipts that came before their message"
    RECEIPTS = "messages of which nothing is told"
    RETENTION = "what the policy keeps for a time only"
    RETURNS = "past returns"
    COUNTING = "counting"


class Work:
    """Known by this process only, and made anew by the next one; the tick's thread only."""

    def __init__(self, due_limit: int) -> None:
        self._most = due_limit
        self.due_limit = due_limit  # runs in one tick, now
        self.handed: dict[tuple[int, int, int], Handed] = {}
        self.moving: tuple[Sequence[Run], ...] = ()  # the runs that the last tick has moved, or failed at
        self.conflicts = 0  # times in a row that this tick was undone by a row that was not as expected
        self.known_inputs: dict[object, int] = {}
        self.noted: Noted | None = None  # runs that are due to be counted, where only this process counts
        self.resting: dict[Part | int, int] = {}  # a part, or a launch -> until when: a defect of ours
        self.kept_out: dict[tuple[int, int], str] = {}  # version and contact -> what keeps it from entering
        self.entries_set_aside = 0  # of the inbox: their contacts' runs wait
        self.old_inbox = False  # timers go on although an entry of the inbox is older than they wait for
        self.refusals: Counter[tuple[int, str]] = Counter()  # cascade and reason -> entries refused
        self._refused: Counter[tuple[int, str]] = Counter()  # by the tick under way
        self._answered: dict[Word, int] = {}  # when a word was answered by a text

    def pace(self, moved: int, took_s: float) -> None:
        """Fit the next ticks to about TICK_S: short enough to hear reactions in, long enough to be cheap."""
        if moved and took_s > 2 * TICK_S:
            self.due_limit = max(min(MIN_DUE, self._most), self.due_limit // 2)
        elif moved >= self.due_limit and took_s < TICK_S:
            self.due_limit = min(self._most, self.due_limit * 2)

    def rests(self, what: Part | int, now: int) -> bool:
        """Return whether a part of the tick, or a launch, is left undone now, as a defect has stopped it."""
        return bool(self.resting) and now < self.resting.get(what, 0)

    def refused_entry(self, cascade_id: int, reason: str) -> None:
        """Count an enrolment that a re-entry rule or the trigger's condition refused."""
        self._refused[cascade_id, reason] += 1

    def first_answer(self, word: Word, now: int) -> bool:
        """Return whether a word is answered for the first time within a minute, and note it.

        Words that come in one tick do not yet see what the others change.
        """
        for key, at in list(self._answered.items()):
            if now - at < MINUTE:
                break
            del self._answered[key]
        first = word not in self._answered
        if first:
            self._answered[word] = now
        return first

    def committed(self) -> None:
        """Take over what a tick has noted."""
        self.refusals.update(self._refused)
        self._refused.clear()
        if self.noted is not None:
            self.noted.committed()

    def forget(self) -> None:
        """Undo what a tick that was rolled back has noted."""
        self.known_inputs.clear()
        self._refused.clear()
        if self.noted is not None:
            self.noted.forget()
