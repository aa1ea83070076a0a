"""Runs: where each contact stands in a cascade, why, and how one is cancelled."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate

from msgspec import Struct

from kaskad.actions import contacts, history
from kaskad.actions.history import Decided, Fact
from kaskad.actions.names import Names
from kaskad.actions.office import WAIT_S, Office
from kaskad.domain.errors import Conflict, NotFound, Uncertain
from kaskad.domain.ids import run_text
from kaskad.domain.terms import Channel, Kind, Outcome, Phase, RunState
from kaskad.domain.worded import worded
from kaskad.engine.arrival import Arrival
from kaskad.engine.receive import Delivery
from kaskad.store import cascades as cascade_store
from kaskad.store import merges
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

SCAN = 50_000  # runs looked at for one page: a few hundredths of a second
NO_STEP = -1  # a list of no ids would find nothing
LAST = 2**31 - 1
START: RunKey = (0, 0)


class RunView(Struct, frozen=True):
    """A run with its codes as words; `step` None is before the first."""

    contact_id: int
    run_id: int
    cascade: str
    version: int
    version_id: int
    state: str
    phase: str | None
    step: str | None
    wake_at: int | None
    entered_at: int
    holdout: bool
    outcome: str | None
    outcome_step: str | None
    late: bool
    finished_at: int | None

    @property
    def key(self) -> RunKey:
        return self.contact_id, self.run_id


class Filter(Struct, frozen=True):
    """Which runs are meant; what is empty filters nothing. `step` needs a cascade."""

    cascade: str = ""
    contact: str = ""
    state: RunState | None = None
    outcome: Outcome | None = None
    step: str = ""


class Listed(Struct, frozen=True):
    """One page of runs; `next` is the key after which the next one begins, None at the end."""

    runs: list[RunView]
    next: RunKey | None


class Explained(Struct, frozen=True):
    """A run with all that was decided and known; `doing` is what it does now, in words."""

    run: RunView
    doing: str
    decisions: list[Decided]
    facts: list[Fact]


def listing(office: Office, wanted: Filter, *, after: RunKey = START, limit: int) -> Listed:
    """Return runs in the order of contact and run; a page may have fewer than `limit` though more follow.

    Raises NotFound for a cascade, contact or step that does not exist.
    """
    with office.read() as tx:
        names = Names(office, tx)
        ids, params = _params(tx, names, wanted)
        if wanted.contact:
            contact_id = find_contact(tx, wanted.contact)
            rows = tx.among(
                "runs_of_contact_after", ids, contact_id=contact_id, run_id=after[1], limit=limit + 1,
                **params,
            )  # fmt: skip
            end: RunKey | None = None
        else:
            place = {"contact_id": after[0], "run_id": after[1]}
            rows = tx.among("runs_after", ids, **place, scan=SCAN, limit=limit + 1, **params)
            row = tx.one("run_key_after", **place, skip=SCAN - 1) if len(rows) <= limit else None
            end = (row[0], row[1]) if row else None
        found = [_view(names, row) for row in rows[:limit]]
        return Listed(found, found[-1].key if len(rows) > limit else end)


def of_contact(tx: Transaction, names: Names, contact_id: int) -> list[RunView]:
    """Return all runs of a contact, the oldest first."""
    ids, params = _params(tx, names, Filter())
    rows = tx.among("runs_of_contact_after", ids, contact_id=contact_id, run_id=0, limit=LAST, **params)
    return [_view(names, row) for row in rows]


def find(office: Office, key: RunKey) -> RunView:
    """Return one run; raises NotFound."""
    with office.read() as tx:
        return _find(tx, Names(office, tx), key)


def explain(office: Office, key: RunKey) -> Explained:
    """Return a run with every decision about it and all facts; raises NotFound."""
    with office.read() as tx:
        names = Names(office, tx)
        run = _find(tx, names, key)
        decided = history.decisions(tx, names, *key, run.version_id)
        doing = "" if run.phase is None else history.PHASES[Phase[run.phase.upper()].value]
        return Explained(run, doing, decided, history.facts(tx, names, *key, run.version_id))


def cancel(office: Office, key: RunKey, by: str = "") -> RunView:
    """End a run as cancelled and return it; where no server runs, that happens when one does.

    Raises NotFound, Conflict for a run that has ended, Unavailable.
    """
    run = find(office, key)
    if run.outcome is not None:
        raise Conflict(
            worded(
                "%(run)s has ended already: %(outcome)s.",
                run=run_text(*key),
                outcome=run.outcome.replace("_", " "),
            )
        )
    event = f"cancel {by}"[:200]
    arrival = Arrival(*key, -1, Kind.CANCELLED.value, event, office.now())
    try:
        office.engine.deliver(Delivery(Future(), arrivals=[arrival])).result(WAIT_S)
    except TooLate:
        raise Uncertain(worded("The engine has not come round in time; look whether it was done.")) from None
    return find(office, key)


def find_contact(tx: Transaction, who: str) -> int:
    """Return the contact that is meant; raises NotFound.

    Besides what `contacts.find` knows: the plain number of a contact, a phone however it is written, a
    Telegram chat: what people copy from elsewhere.
    """
    try:
        return contacts.find(tx, who)
    except NotFound as unknown:
        nobody = unknown
    digits = "".join(character for character in who if character.isdigit())
    plain = who.isascii() and who.isdigit() and len(who) < 19
    row = tx.one("contact_by_id", id=merges.kept(tx, int(who))) if plain else None
    for channel, value in ((Channel.SMS, f"+{digits}"), (Channel.TELEGRAM, who)):
        row = row or tx.one("contact_by_address", channel=channel.code, value=value)
    if row is None:
        raise nobody
    return int(row[0])


def _params(tx: Transaction, names: Names, wanted: Filter) -> tuple[list[int], dict[str, int]]:
    """Return the filters as the statements take them; raises NotFound."""
    cascade_id = cascade_store.by_slug(tx, wanted.cascade).id if wanted.cascade else 0
    ids = [] if wanted.step else [NO_STEP]
    if wanted.step:
        for version in cascade_store.versions_of(tx, cascade_id):
            steps = names.steps(version.id)
            ids += [version.id * 256 + steps.index(wanted.step)] if wanted.step in steps else []
        if not ids:
            raise NotFound(
                worded(
                    "No version of %(cascade)r has a step %(step)r.", cascade=wanted.cascade, step=wanted.step
                )
            )
    return ids, {
        "cascade_id": cascade_id,
        "state": -1 if wanted.state is None else wanted.state.code,
        "outcome": -1 if wanted.outcome is None else wanted.outcome.code,
        "any_step": int(not wanted.step),
    }


def _find(tx: Transaction, names: Names, key: RunKey) -> RunView:
    row = tx.one("run_by_key", contact_id=key[0], run_id=key[1])
    if row is None:
        raise NotFound(worded("There is no run %(run)s.", run=run_text(*key)))
    return _view(names, row)


def _view(names: Names, row: Row) -> RunView:
    contact_id, run_id, _, version_id, state, phase, step, wake_at, entered_at = row[:9]
    holdout, outcome, outcome_step, late, finished_at = row[9:]
    return RunView(
        contact_id=contact_id,
        run_id=run_id,
        cascade=names.cascade(version_id),
        version=names.number(version_id),
        version_id=version_id,
        state=RunState.of(state).value,
        phase=None if outcome else Phase(phase).name.lower(),
        step=names.step(version_id, step),
        wake_at=wake_at,
        entered_at=entered_at,
        holdout=bool(holdout),
        outcome=Outcome.of(outcome).value if outcome else None,
        outcome_step=names.step(version_id, outcome_step),
        late=bool(late),
        finished_at=finished_at,
    )
