"""Messages with when their people reacted: of a part of a cascade's runs, from all over its contacts."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from hashlib import sha256
from itertools import pairwise

import numpy as np
from msgspec import Struct

from kaskad.store import courses, run_blocks
from kaskad.store.db import Transaction
from kaskad.store.segment_columns import Integers

STRETCHES = 50  # of contacts; of how many runs and messages of each is told where they are read
NEVER = 1 << 62
_SAMPLE, _FIRST = "sample", "first"  # words on the shelf


class Sample(Struct, frozen=True):
    """Messages by column, those of a run together and in their order. `finished_at` 0: the run is under way;
    `mask` has the kinds of their facts."""

    contact_id: Integers
    run_id: Integers
    version_id: Integers
    finished_at: Integers
    step: Integers
    channel: Integers
    sent_at: Integers
    mask: Integers

    @property
    def nbytes(self) -> int:
        return len(self.__struct_fields__) * self.mask.nbytes


def sample(
    tx: Transaction, cascade_id: int, kinds_of: Callable[[Sample], Integers]
) -> tuple[Sample, Integers]:  # fmt: skip
    """Return messages of a cascade, of all its runs where contacts are few, and when the first fact of the
    kinds (bits) that are said of each was; NEVER: there was none.

    Both stay in memory as long as nobody is counted anew, and nobody is added.
    """
    standing = _standing(tx)
    if standing is None:
        told = _sample(tx, cascade_id)
        return told, _first_at(tx, told, kinds_of(told))
    place = {0: standing}
    told = tx.shelf.take((_SAMPLE, cascade_id), place, lambda _: [(0, _sample(tx, cascade_id))])[0]
    kinds = kinds_of(told)
    name = (_FIRST, cascade_id, sha256(kinds.tobytes()).digest())
    return told, tx.shelf.take(name, place, lambda _: [(0, _first_at(tx, told, kinds))])[0]


def _standing(tx: Transaction) -> Hashable | None:
    """Return what stays as it is as long as messages, facts and runs do; None: nothing tells.

    Whatever changes one makes its run due; where anything is kept by column each counting has a turn.
    """
    made = run_blocks.generations(tx)
    if not made or courses.waiting(tx, 1):
        return None
    return tx.one("last_contact"), run_blocks.last_turn(tx), tuple(made.items())


def _sample(tx: Transaction, cascade_id: int) -> Sample:
    row = tx.one("last_contact")
    last = (row[0] or 0) if row else 0
    bounds = pairwise(last * stretch // STRETCHES for stretch in range(STRETCHES + 1))
    rows = tx.many("waited", [(after, until, cascade_id) for after, until in bounds])
    columns = np.array(rows, np.int64).reshape(-1, len(Sample.__struct_fields__)).T
    return Sample(*columns[:, np.argsort(columns[0], kind="stable")])


def _first_at(tx: Transaction, messages: Sample, kinds: Integers) -> Integers:
    found = np.full(len(kinds), NEVER)
    known = np.flatnonzero(messages.mask & kinds)
    keys = (messages.contact_id, messages.run_id, messages.step, kinds)
    wanted = zip(*[key[known].tolist() for key in keys], known.tolist(), strict=True)
    told = [row for row in tx.many("first_facts", list(wanted)) if row[1] is not None]
    numbers, instants = np.array(told, np.int64).reshape(-1, 2).T
    found[numbers] = instants
    return found
