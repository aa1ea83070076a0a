"""Tables `alarms` and `tellings`: what was raised, and whom that is to be told."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.store.db import Transaction


class AlarmRow(Struct, frozen=True):
    """An alarm that was raised; `over_at` None: it stands."""

    id: int
    kind: str
    name: str
    detail: str
    began_at: int
    told_at: int
    over_at: int | None
    seen_at: int  # by any of the processes, last


class Telling(Struct, frozen=True):
    """Somebody who is to be told of an alarm now, after so many attempts."""

    id: int
    alarm_id: int
    occasion: str
    account: str
    person: str
    attempts: int
    kind: str
    name: str
    detail: str
    began_at: int


class Told(Struct, frozen=True):
    """How one telling went; `due_at` None: it is over, `answer` says how."""

    occasion: str
    account: str
    person: str
    due_at: int | None
    attempts: int
    answer: str


def standing(tx: Transaction) -> list[AlarmRow]:
    """Return the alarms that stand, the oldest first."""
    return [AlarmRow(*row) for row in tx.all("standing_alarms")]


def before(tx: Transaction, number: int, limit: int) -> list[AlarmRow]:
    """Return alarms with smaller ids than `number`, the latest first."""
    return [AlarmRow(*row) for row in tx.all("alarms_before", before=number, limit=limit)]


def begin(tx: Transaction, kind: str, name: str, detail: str, now: int) -> int | None:
    """Keep that an alarm was raised; return its id, None where it stands already."""
    row = tx.one("raise_alarm", kind=kind, name=name, detail=detail, now=now)
    return None if row is None else int(row[0])


def again(tx: Transaction, one: AlarmRow, detail: str, now: int) -> bool:
    """Keep that an alarm is told again; return False where somebody else was quicker."""
    return bool(tx.run("alarm_stands", id=one.id, told_at=one.told_at, detail=detail, now=now))


def see(tx: Transaction, alarm_ids: Sequence[int], now: int) -> None:
    """Keep that a process sees these alarms now."""
    for number in alarm_ids:
        tx.run("alarm_seen", id=number, now=now)


def end(tx: Transaction, alarm_id: int, now: int) -> bool:
    """Keep that an alarm is over; return False where it was."""
    return bool(tx.run("alarm_over", id=alarm_id, now=now))


def drop_old(tx: Transaction, before_at: int) -> None:
    """Forget alarms that were over before an instant, and whom they were told."""
    if tx.run("drop_old_alarms", before=before_at):
        tx.run("drop_old_tellings")


def tell(tx: Transaction, alarm_id: int, occasion: str, account: str, person: str, now: int) -> None:
    """Let somebody be told."""
    tx.run("put_telling", alarm_id=alarm_id, occasion=occasion, account=account, person=person, now=now)


def due(tx: Transaction, now: int, limit: int) -> list[Telling]:
    """Return who is to be told now."""
    return [Telling(*row) for row in tx.all("due_tellings", now=now, limit=limit)]


def claim(tx: Transaction, telling_id: int, now: int, lease_ms: int) -> bool:
    """Begin an attempt; return False where another has begun it. It comes due again after the lease."""
    return bool(tx.run("claim_telling", id=telling_id, now=now, again_at=now + lease_ms))


def ended(tx: Transaction, telling_id: int, answer: str, due_at: int | None) -> None:
    """Keep how an attempt went, and when the next is due (None: there is none)."""
    tx.run("end_telling", id=telling_id, answer=answer, due_at=due_at)


def tellings(tx: Transaction, alarm_id: int) -> list[Told]:
    """Return who was or is to be told of an alarm."""
    return [Told(*row) for row in tx.all("tellings_of", alarm_id=alarm_id)]
