"""Tables `choices`, `learnt` and `channel_chances`: which of a step's channels people react to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.figures import cost_of
from kaskad.domain.version import Chances
from kaskad.store.db import Transaction

_encode = msgspec.json.Encoder().encode
_chances = msgspec.json.Decoder(Chances).decode
_WITHDRAWN = (0, 1, 2, 11, 12)  # states of messages that did not leave us after all


class Learnt(Struct, frozen=True):
    """So many choices of a channel by one chance, and what came of them; `arms` are bits of what was open."""

    crowd: str
    arms: int
    channel: int
    chance: int
    choices: int
    hits: int
    cost: int


def settle(
    tx: Transaction, version_id: int, step: int, before: int, success: Mapping[int, int], limit: int
) -> int:
    """Count choices whose time is over, and forget them; return how many these were.

    `success` has the facts of a success by channel. What was taken back unsent tells nothing.
    """
    rows = tx.all("choices_over", version_id=version_id, step=step, before=before, limit=limit)
    sums: dict[tuple[str, int, int, int], list[int]] = {}
    for _, _, crowd, arms, channel, chance, state, mask, price, cost in rows:
        if state is None or state in _WITHDRAWN:
            continue
        total = sums.setdefault((crowd, arms, channel, chance), [0, 0, 0])
        total[0] += 1
        total[1] += bool(mask & success[channel])
        total[2] += cost_of(state, price, cost)
    if sums:
        tx.many("add_learnt", [(version_id, step, *key, *total) for key, total in sorted(sums.items())])
    if rows:
        tx.many("drop_choices", [(row[0], row[1], step) for row in rows])
    return len(rows)


def learnt(tx: Transaction, version_id: int, step: int) -> Sequence[Learnt]:
    """Return what came of the choices at a step."""
    return [Learnt(*row) for row in tx.all("learnt_of", version_id=version_id, step=step)]


def put_chances(tx: Transaction, version_id: int, step: int, chances: Chances, now: int) -> None:
    """Let the channels of a step be drawn by these chances from the next look at the catalogue on."""
    tx.run("put_chances", version_id=version_id, step=step, detail=_encode(chances).decode(), now=now)


def chances(tx: Transaction) -> dict[int, dict[int, Chances]]:
    """Return the chances of channels by version and step."""
    found: dict[int, dict[int, Chances]] = {}
    for version_id, step, detail in tx.all("channel_chances"):
        found.setdefault(version_id, {})[step] = _chances(detail)
    return found
