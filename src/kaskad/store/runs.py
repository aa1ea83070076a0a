"""Runs and their messages as the engine reads and writes them: lists in, lists out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from kaskad.domain.ledger import held_of
from kaskad.domain.run import NOTHING, PLAIN, Marks, Passage, Run
from kaskad.store.db import Row, Transaction

RunKey = tuple[int, int]  # contact, run
MessageKey = tuple[int, int, int]  # contact, run, step


def claim_due(tx: Transaction, now: int, limit: int) -> list[Run]:
    """Return runs whose timer is due, oldest first; those with something unapplied in the inbox are left."""
    return [Run(*row) for row in tx.all("claim_due_runs", now=now, limit=limit)]


def place_of(version_id: int, phase: int, step: int) -> int:
    """Return where runs of a version stand, as one number."""
    return version_id * 4096 + (step + 1) * 8 + phase


def claim_besides(
    tx: Transaction, places: Sequence[int], now: int, limit: int, *, since: int, overdue: int
) -> list[Run]:
    """Return what `claim_due` does of runs due since then, without those at `places` that are not overdue."""
    rows = tx.among("claim_due_runs_besides", places, since=since, overdue=overdue, now=now, limit=limit)
    return [Run(*row) for row in rows]


def claim_backlog(tx: Transaction, places: Sequence[int], now: int, limit: int, *, since: int) -> list[Run]:
    """Return what `claim_due` does of runs at `places` that have been due since then or later."""
    return [Run(*row) for row in tx.among("claim_backlog", places, since=since, now=now, limit=limit)]


def load(tx: Transaction, keys: Collection[RunKey]) -> list[Run]:
    """Return these runs, locked against other workers where there are any."""
    return [Run(*row) for row in tx.many("load_runs", sorted(keys))] if keys else []


def lock(tx: Transaction, contact_ids: Sequence[int]) -> None:
    """Keep other workers from these contacts' runs until the transaction ends."""
    tx.among("lock_runs", contact_ids)


def fence(tx: Transaction, contact_ids: Sequence[int]) -> None:
    """Wait for those who have these contacts' runs, and keep others from them until the transaction ends."""
    tx.among("fence_runs", contact_ids)


def unapplied(tx: Transaction, runs: Sequence[Run]) -> set[int]:
    """Return those contacts of the runs about whom something lies in the inbox."""
    return {row[0] for row in tx.among("inbox_contacts", sorted({run.contact_id for run in runs}))}


def of_contacts(tx: Transaction, contact_ids: Sequence[int]) -> dict[int, list[Run]]:
    """Return all runs of these contacts, oldest first."""
    found: dict[int, list[Run]] = defaultdict(list)
    for row in tx.among("runs_of_contacts", contact_ids):
        found[row[0]].append(Run(*row))
    return found


def passages(
    tx: Transaction, runs: Sequence[Run], retriable: Collection[int], plain: int = PLAIN
) -> tuple[dict[RunKey, dict[int, Passage]], dict[RunKey, Marks]]:
    """Return of each run its messages by step, and the facts of the run itself.

    `retriable` are the accounts at which the same key is never sent twice, `plain` the facts whose instants
    no clock asks for.
    """
    keys = [(run.contact_id, run.id) for run in runs]
    rows = tx.many("messages_of_runs", [key for key, run in zip(keys, runs, strict=True) if run.step >= 0])
    told = {(row[0], row[1]) for row in rows if row[5] & ~plain}
    told.update(key for key, run in zip(keys, runs, strict=True) if run.marks)
    firsts = _first_facts(tx, told)
    found: dict[RunKey, dict[int, Passage]] = {key: {} for key in keys}
    for (
        contact_id,
        run_id,
        step,
        channel,
        state,
        mask,
        submitted_at,
        sent_at,
        attempt,
        account,
        price,
        reason,
        deadline_at,
        cost,
        spent,
    ) in rows:
        first = firsts.get((contact_id, run_id, step), NOTHING) if firsts else NOTHING
        found[contact_id, run_id][step] = Passage(
            step, channel, state, mask, submitted_at, sent_at, attempt, account, price,
            account in retriable and attempt < MAX_REPEATS, first, reason, deadline_at,
            (spent or 0) + held_of(state, price, cost), spent is not None,
        )  # fmt: skip
    marks = {key: firsts[*key, -1] for key in told if (*key, -1) in firsts}
    return found, marks


MAX_REPEATS = 3  # of one submission under its idempotency key, before it is called unknown


def _first_facts(tx: Transaction, keys: Iterable[RunKey]) -> dict[MessageKey, Mapping[int, int]]:
    found: dict[MessageKey, dict[int, int]] = defaultdict(dict)
    wanted = sorted(keys)
    for contact_id, run_id, step, kind, at in tx.many("facts_of_runs", wanted) if wanted else ():
        first = found[contact_id, run_id, step]
        if kind not in first or at < first[kind]:
            first[kind] = at
    return dict(found)


def wake(tx: Transaction, keys: Collection[RunKey], now: int) -> None:
    """Let those of these runs that are live be decided about as soon as somebody looks."""
    if keys:
        tx.many("wake_runs", [(*key, now) for key in sorted(keys)])


def ended(tx: Transaction, keys: Collection[RunKey]) -> set[RunKey]:
    """Return those of these runs that have ended."""
    return {(run.contact_id, run.id) for run in load(tx, keys) if run.outcome is not None}


def change(tx: Transaction, rows: Sequence[Row]) -> None:
    """Write runs as (contact, run, seq as read, state, phase, step, branch, wake_at, due_at, outcome,
    outcome_step, late, finished_at); raises Conflict, at the latest before the commit, if one had changed."""
    tx.change_each("update_runs", rows, "a run changed while it was decided about")


def submit(tx: Transaction, rows: Sequence[Row]) -> None:
    """Write that active or new runs have submitted a message, as (contact, run, seq as read, step, guard_at,
    due_at); raises Conflict as `change` does."""
    tx.change_each("submit_runs", rows, "a run changed while it was decided about")
