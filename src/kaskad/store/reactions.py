"""Messages with when their people reacted: of a part of a cascade's runs, from all over its contacts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from msgspec import Struct

from kaskad.store.db import Transaction
from kaskad.store.segment_columns import Integers

STRETCHES = 50  # of contacts; of how many runs and messages of each is told where they are read
NEVER = 1 << 62


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


def sample(tx: Transaction, cascade_id: int) -> Sample:
    """Return messages of a cascade: of all its runs, where contacts are few."""
    row = tx.one("last_contact")
    last = (row[0] or 0) if row else 0
    bounds = pairwise(last * stretch // STRETCHES for stretch in range(STRETCHES + 1))
    rows = tx.many("waited", [(after, until, cascade_id) for after, until in bounds])
    columns = np.array(rows, np.int64).reshape(-1, len(Sample.__struct_fields__)).T
    return Sample(*columns[:, np.argsort(columns[0], kind="stable")])


def first_at(tx: Transaction, messages: Sample, kinds: Integers) -> Integers:
    """Return when the first fact of these kinds (bits, of each its own) was of each message; NEVER: none."""
    found = np.full(len(kinds), NEVER)
    known = np.flatnonzero(messages.mask & kinds)
    keys = (messages.contact_id, messages.run_id, messages.step, kinds)
    wanted = zip(*[key[known].tolist() for key in keys], known.tolist(), strict=True)
    told = [row for row in tx.many("first_facts", list(wanted)) if row[1] is not None]
    numbers, instants = np.array(told, np.int64).reshape(-1, 2).T
    found[numbers] = instants
    return found
