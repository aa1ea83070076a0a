"""What has happened at each step of a version, as rates need it: how many could react, and how many did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.domain.course import LEVELS, Leg, Shape
from kaskad.domain.figures import LEFT, SEEN
from kaskad.domain.terms import Outcome
from kaskad.planning.again import Made, Tries, tried
from kaskad.planning.walk import Stage

WAITING = 0.05  # above this share of a step's people without an end nothing is learnt: the quick are first
_SILENT = (Outcome.EXHAUSTED.code, Outcome.UNREACHABLE.code)
_REFUSED = (Outcome.OPTED_OUT.code, Outcome.COMPLAINED.code)
_REACTED = 1 << LEVELS.index("reacted")


class Cell(Struct):
    """Those to whom a message of a step went while silent, after so many others: what they did within its
    time. `waiting`: nobody knows yet. They are whole people, unless older ones count less (`ageing`)."""

    reacted: float = 0
    left: float = 0
    silent: float = 0
    waiting: float = 0
    refused: float = 0  # of those who left: they said no, or complained
    complained: float = 0  # of these

    def add(self, other: Cell) -> None:
        """Count those of another cell too."""
        self.reacted += other.reacted
        self.left += other.left
        self.silent += other.silent
        self.waiting += other.waiting
        self.refused += other.refused
        self.complained += other.complained

    def times(self, share: float) -> Cell:
        """Return as many of them as this share."""
        return Cell(*(share * getattr(self, name) for name in self.__struct_fields__))

    def less(self, other: Cell) -> Cell:
        """Return those who are not in another cell, whose people are all in this one."""
        return Cell(
            *(max(0, getattr(self, name) - getattr(other, name)) for name in self.__struct_fields__)
        )  # fmt: skip

    @property
    def of(self) -> float:
        """Return of how many the end is known; 0: of too few to be believed."""
        known = self.reacted + self.left + self.silent
        return known if self.waiting <= WAITING * (known + self.waiting) else 0


class Shock(Struct, frozen=True):
    """Shares of the variance of what is known of a rate: what a week does to all steps, and to its own."""

    all_steps: float
    own_step: float


Place = tuple[int, int]  # step, messages before it


class Happened(Struct):
    """The past of a version: its cells, and what became of its runs. Who was `reached` reacted to some
    message, as the step wanted it; who came to the end without that is `silent`."""

    cells: dict[Place, Cell]
    over: int = 0
    converted: int = 0
    under_way: int = 0
    reached: int = 0
    silent: int = 0
    shocks: dict[Place, Shock] = {}
    tries: dict[Made, Tries] = {}

    def include(self, other: Happened) -> None:
        """Add the people of another version; its steps are others, so nothing is said of cells."""
        self.over += other.over
        self.converted += other.converted
        self.under_way += other.under_way
        self.reached += other.reached
        self.silent += other.silent

    def step(self, number: int) -> Cell:
        """Return a step's cells together."""
        whole = Cell()
        for (step, _), cell in self.cells.items():
            if step == number:
                whole.add(cell)
        return whole


def happened(stages: Sequence[Stage], shapes: Mapping[Shape, int], legs: Mapping[Leg, int]) -> Happened:
    """Return what the runs of a version, and their messages, tell. Runs that were held out tell nothing."""
    past, after = Happened({}, tries=tried(legs)), [_after(stages, step) for step in range(len(stages))]
    for shape, runs in shapes.items():
        if shape.holdout or any(step >= len(stages) for step in shape.steps):
            continue
        past.over += runs if shape.outcome else 0
        past.under_way += runs if not shape.outcome else 0
        past.converted += runs if shape.outcome == Outcome.CONVERTED.code else 0
        reached = _reached(after, shape)
        past.reached += runs if reached else 0
        past.silent += runs if not reached and shape.outcome in _SILENT else 0
        for before, step in enumerate(shape.steps):
            if not _is_open(stages[step]):
                cell = past.cells.setdefault((step, before), Cell())
                _count(cell, after, shape, before, runs)
    for number, told in _unending(stages, legs).items():
        past.cells[number, 0] = told
    return past


def asks_messages(stages: Sequence[Stage]) -> bool:
    """Say whether `happened` asks for legs: at some step messages tell what runs do not show."""
    return any(_is_open(stage) for stage in stages)


def _is_open(stage: Stage) -> bool:
    """Say whether a reaction to a step neither ends the run nor leads elsewhere."""
    return not stage.ends and stage.branch is None


def _reached(after: Sequence[set[int]], shape: Shape) -> bool:
    """Say whether somebody has reacted: at the end, or so that a branch was taken."""
    led = any(
        following not in after[step] for step, following in zip(shape.steps, shape.steps[1:], strict=False)
    )
    return led or shape.outcome == Outcome.RESPONDED.code or bool(shape.levels & _REACTED)


def _count(cell: Cell, after: Sequence[set[int]], shape: Shape, before: int, runs: int) -> None:
    """Count the runs of a shape at one of their messages; silence leads on to the steps `after` each."""
    if before + 1 < len(shape.steps):  # it went on: in silence, or led elsewhere by a reaction
        silent = shape.steps[before + 1] in after[shape.steps[before]]
        cell.silent += runs if silent else 0
        cell.reacted += 0 if silent else runs
    elif not shape.outcome:
        cell.waiting += runs
    elif shape.outcome == Outcome.RESPONDED.code or shape.levels & _REACTED:
        cell.reacted += runs
    elif shape.outcome in _SILENT:
        cell.silent += runs
    else:
        cell.left += runs
        cell.refused += runs if shape.outcome in _REFUSED else 0
        cell.complained += runs if shape.outcome == Outcome.COMPLAINED.code else 0


def _after(stages: Sequence[Stage], step: int) -> set[int]:
    """Return the steps that silence leads to from a step."""
    found: set[int] = set()
    following = stages[step].after
    while following is not None:
        found.add(following)
        following = stages[following].after
    return found


def _unending(stages: Sequence[Stage], legs: Mapping[Leg, int]) -> dict[int, Cell]:
    """Return the cells of steps that a reaction does not end: of what left, what a person was heard of."""
    counts: dict[int, Counter[bool]] = {}
    for leg, messages in legs.items():
        if leg.step < len(stages) and leg.state in LEFT and _is_open(stages[leg.step]):
            counts.setdefault(leg.step, Counter())[bool(leg.mask & SEEN)] += messages
    return {step: Cell(reacted=told[True], silent=told[False]) for step, told in counts.items()}
