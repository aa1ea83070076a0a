"""How long each of several segments should wait: as everybody else, where nothing known tells them apart.

Of each step those parts are looked at together that go one way there, so that a small segment tells what it
knows to everybody else.
"""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.actions.by_segment import Grounds, Group, cautions_of_segments, weighed_for
from kaskad.actions.proposals import (
    Proposal,
    Theirs,
    proposal,
    wait_cautions,
    wait_changes,
    wait_figures,
    wait_of,
)
from kaskad.actions.reactions import Reactions
from kaskad.actions.waiting import FEWEST_LATE, LEAST, Patience, patience, surely
from kaskad.planning.timeouts import FEWEST, Waited, beyond

SURE = 0.9  # of samples drawn again in which a wait of their own must do more than that of everybody else


class Waits:
    """The waits of all parts being found."""

    def __init__(self, grounds: Grounds, waited: Sequence[Reactions]) -> None:
        self._grounds, self._waited = grounds, waited
        self._known: dict[Group, dict[str, Patience]] = {}

    def of(self, group: Group) -> dict[str, Patience]:
        """Return by step what is known and proposed for some parts together."""
        if group not in self._known:
            asked, weighing = self._grounds.asked, self._grounds.of(group)
            seen: dict[int, list[Waited]] = {}
            for part in sorted(group):
                for step, own in self._waited[part].waited.items():
                    seen.setdefault(step, []).extend(own)
            found = patience(
                asked.cascade, weighing.ground, weighing.mean, Reactions(seen, ()), asked.wish.value,
                asked.half_life,
            )  # fmt: skip
            self._known[group] = {one.step: one for one in found}
        return self._known[group]

    def told(self) -> list[list[Patience]]:
        """Return of each part the waits that are to change."""
        grounds = self._grounds
        there = [part for part in range(grounds.last) if grounds.parting.ids[part]]
        found: list[list[Patience]] = [[] for _ in range(grounds.last + 1)]
        ground = grounds.of(frozenset({grounds.last})).ground
        for at, step in enumerate(ground.steps):
            own = [] if step.number in ground.fixed else list(there)
            while True:
                others = frozenset({grounds.last, *there} - set(own))
                joining = [part for part in own if not self._differs(part, at, others)]
                if not joining:
                    break
                own = [part for part in own if part not in joining]
            for part in range(grounds.last + 1):
                one = self.of(frozenset({part}) if part in own else others).get(step.id)
                if one is not None and one.proposed_hours is not None:
                    found[part].append(one)
        return found

    def _differs(self, part: int, at: int, others: Group) -> bool:
        """Say whether another wait than that of these others surely does more for a part."""
        asked, group = self._grounds.asked, frozenset({part})
        weighing = self._grounds.of(group)
        step = weighing.ground.steps[at]
        own, theirs = (self.of(each).get(step.id) for each in (group, others))
        if own is None or own.reactions < FEWEST or asked.wish.value is None or not asked.half_life:
            return False
        hours = own.wait_hours if own.proposed_hours is None else own.proposed_hours
        other = own.wait_hours
        if theirs is not None and theirs.proposed_hours is not None:
            other = theirs.proposed_hours
        if abs(hours - other) <= LEAST * own.wait_hours:
            return False
        seen = self._waited[part].waited[step.number]
        if own.proposed_hours is None and other > own.wait_hours:
            late = beyond(seen, own.wait_hours)
            if sum(one.reacted for one in late) < FEWEST_LATE:  # of longer ones nothing is known of them
                return False
        return (
            surely(weighing.ground, weighing.mean, at, seen, hours, other, asked.wish.value, asked.half_life)
            >= SURE
        )


def wait_proposal(grounds: Grounds, waited: Sequence[Reactions]) -> Proposal | None:
    """Return the proposal of other waits for some or all parts; None: none is known to do more."""
    told = Waits(grounds, waited).told()
    if not any(told):
        return None
    asked, ground = grounds.asked, grounds.of(frozenset({grounds.last})).ground
    there = {
        part: (grounds.shares[part], weighed_for(grounds, part, None), told[part])
        for part in range(grounds.last + 1)
        if grounds.parting.ids[part]
    }
    names = tuple(step.id for step in ground.steps)
    parts = [
        Theirs(
            segment, round(grounds.shares[part], 4), tuple(wait_changes(told[part])),
            wait_figures(ground, [(1.0, *there[part][1:])]) if part in there else {}, names,
            {one.step: wait_of(one) for one in told[part]},
        )
        for part, segment in enumerate((*grounds.parting.segments, ""))
    ]  # fmt: skip
    apart = cautions_of_segments() if len({tuple(own.waits.items()) for own in parts}) > 1 else []
    late = dict.fromkeys(text for own in told for text in wait_cautions(own))
    return proposal(
        "waits", asked.text, asked.cascade, [], wait_figures(ground, list(there.values())), [],
        [*apart, *late], [], (), {}, parts,
    )  # fmt: skip
