"""Alarms as they come and go: each told once, again after a day while it stands, and when it is over.

Who is told is kept in the transaction that keeps the alarm, and each is told by an attempt of its own, with
the next one due before the first is made: a process that dies in between tells it again, so at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from kaskad.actions import alarm_words
from kaskad.actions.accounts import address_at
from kaskad.actions.alarms import KINDS, NEWS, OF_PROCESS, Alarm, lately_seen, seen_here
from kaskad.actions.office import Office
from kaskad.domain.address import BadAddress
from kaskad.domain.errors import Invalid, KaskadError
from kaskad.domain.terms import MessageClass
from kaskad.domain.worded import worded
from kaskad.engine.catalog import to_send_by
from kaskad.engine.trial import NOBODY, Trial, send_out
from kaskad.log import get_logger
from kaskad.providers.base import Account, Outgoing
from kaskad.providers.desk import Desk
from kaskad.store import accounts as account_store
from kaskad.store import alarms as store
from kaskad.store import settings
from kaskad.store.alarms import AlarmRow, Telling, Told
from kaskad.store.db import Transaction

log = get_logger(__name__)

WAYS = "alarm_ways"
AGAIN_MS = 24 * 3_600_000
KEPT_MS = 90 * AGAIN_MS
LEASE_MS = 2 * 60_000  # longer than an attempt
_MIN = 60_000
RETRY_MS = (_MIN, 5 * _MIN, 30 * _MIN, 120 * _MIN)
_AT_ONCE = 20
_WORDS = 300
COUNTED = ("stops", "set_aside", "runs_set_aside")  # named by how many there are: one alarm, however many
URGENT = (
    "engine",
    "inbox",
    "unread",
    "set_aside",
    "entries_rest",
    "guard",
    "guard_step",
    "launch_missed",
    "canary",
    "canary_version",
    "account_held",
    "account_down",
    "account_silent",
    "stranded",
)  # people get nothing
RAISED, STANDS, OVER = "raised", "stands", "over"

Send = Callable[[Account, Outgoing, Callable[[], int]], Trial]


class Way(Struct, frozen=True, forbid_unknown_fields=True):
    """One who is told: by which account, at which address there; of which kinds of alarms (): of all."""

    account: str
    to: str
    kinds: tuple[str, ...] = ()


class Book(Struct, frozen=True):
    """An alarm that was raised, and how whoever is to be told of it was."""

    alarm: AlarmRow
    told: tuple[Told, ...]


def ways(office: Office) -> list[Way]:
    """Return who is told of alarms."""
    with office.read() as tx:
        return settings.get(tx, WAYS, list[Way]) or []


def put_ways(office: Office, told: Sequence[Way]) -> list[Way]:
    """Keep who is told of alarms, in place of those before; raises Invalid."""
    with office.read() as tx:
        known = {one.name: one for one in account_store.all_accounts(tx, office.vault)}
    problems: list[str] = []
    kept: list[Way] = []
    for way in told:
        account = known.get(way.account)
        if account is None or account.provider == Desk.name:
            problems.append(worded("There is no account %(name)r that sends messages.", name=way.account))
            continue
        for kind in (each for each in way.kinds if each not in KINDS):
            problems.append(worded("%(kind)r is no kind of alarm: %(kinds)s.", kind=kind,
                                   kinds=", ".join(KINDS)))  # fmt: skip
        try:
            kept.append(Way(way.account, address_at(account, way.to), way.kinds))
        except BadAddress as error:
            problems.append(str(error))
    if problems:
        raise Invalid(problems)
    office.write(lambda tx: settings.put(tx, WAYS, kept))
    return kept


def listing(office: Office, *, before: int, limit: int) -> list[Book]:
    """Return alarms with ids below `before`, the latest first, with whom they were told."""
    with office.read() as tx:
        rows = store.before(tx, before, limit)
        return [Book(row, tuple(store.tellings(tx, row.id))) for row in rows]


def sync(office: Office) -> None:
    """Keep what has come and gone since the last look, and who is to be told of it."""
    now = office.now()
    found: dict[tuple[str, str], Alarm] = {}
    for each in seen_here(office):
        found.setdefault(_key(each), Alarm(each.kind, each.name, str(each.detail)))
    with office.read() as tx:
        standing = {_key(row): row for row in store.standing(tx)}
    new = [each for key, each in found.items() if key not in standing]
    gone = [row for key, row in standing.items() if key not in found and not lately_seen(office, row)]
    late = [(row, found[key]) for key, row in standing.items()
            if key in found and row.kind not in NEWS and now - row.told_at >= AGAIN_MS]  # fmt: skip
    seen = [row.id for key, row in standing.items() if key in found and row.kind in OF_PROCESS]
    if seen and office.engine.world.shared:
        office.write(lambda tx: store.see(tx, seen, now))
    if new or gone or late:
        office.write(lambda tx: _keep(office, tx, new, gone, late, now))


def _key(alarm: Alarm | AlarmRow) -> tuple[str, str]:
    """Return by what an alarm is known while it stands."""
    return alarm.kind, "" if alarm.kind in COUNTED else alarm.name


def tell(office: Office, send: Send = send_out, in_russian: Callable[[str], str] = str) -> int:
    """Tell whoever is to be told now; return how many were. `in_russian` says a reason in Russian."""
    now, done = office.now(), 0
    with office.read() as tx:
        due = store.due(tx, now, _AT_ONCE)
        known = {one.name: one for one in account_store.all_accounts(tx, office.vault)} if due else {}
    for one in due:
        if not office.write(lambda tx, one=one: store.claim(tx, one.id, now, LEASE_MS)):  # type: ignore[misc]
            continue
        account = known.get(one.account)
        if account is None:
            _end(office, one, "there is no such account any more", None)
            continue
        try:
            trial = send(to_send_by(account), _outgoing(office, account, one, in_russian, now), office.now)
        except KaskadError as error:
            trial = Trial(None, 0, detail=str(error))
        except Exception as error:  # a defect of one way: it is asked again as often as one that is down
            log.exception("alarm not told: a defect", account=one.account)
            trial = Trial(None, 0, detail=f"a defect: {type(error).__name__}")
        again = RETRY_MS[one.attempts] if one.attempts < len(RETRY_MS) else None
        if trial.accepted:
            _end(office, one, "told", None)
            done += 1
        else:
            _end(office, one, trial.detail or trial.reason or "no answer", again)
    return done


def _keep(
    office: Office, tx: Transaction, new: Sequence[Alarm], gone: Sequence[AlarmRow],
    late: Sequence[tuple[AlarmRow, Alarm]], now: int,
) -> None:  # fmt: skip
    to = settings.get(tx, WAYS, list[Way]) or []
    for each in new:
        number = store.begin(tx, each.kind, each.name, each.detail, now)
        if number is not None:
            log.warning("alarm", kind=each.kind, about=each.name)
            _tell(office, tx, to, number, RAISED, each, now)
    for row, each in late:
        if store.again(tx, row, each.detail, now):
            _tell(office, tx, to, row.id, STANDS, each, now)
    for row in gone:
        if store.end(tx, row.id, now) and row.kind not in NEWS:
            log.info("alarm over", kind=row.kind, about=row.name)
            _tell(office, tx, to, row.id, OVER, Alarm(row.kind, row.name, row.detail), now)
    store.drop_old(tx, now - KEPT_MS)


def _tell(
    office: Office, tx: Transaction, to: Sequence[Way], number: int, occasion: str, each: Alarm, now: int
) -> None:
    for way in to:
        if not way.kinds or each.kind in way.kinds:
            store.tell(tx, number, occasion, way.account, way.to, now)
    outbox = office.engine.world.outbox
    if outbox is not None:
        outbox.alarm(tx, number, occasion, each.kind, each.name, each.detail, now)


def _outgoing(
    office: Office, account: account_store.Account, one: Telling, in_russian: Callable[[str], str], now: int
) -> Outgoing:  # fmt: skip
    why = one.detail, in_russian(one.detail)
    words = alarm_words.text(one.occasion, one.kind, one.name, why, office.base_url)
    return Outgoing(
        reference=office.signer.reference(*NOBODY, account.id), key=f"alarm:{one.id}",
        channel=account.channel, to=one.person, at=now, message_class=MessageClass.TRANSACTIONAL,
        subject=alarm_words.subject(one.occasion, one.kind, one.name, one.detail), text=words, say=words,
    )  # fmt: skip


def _end(office: Office, one: Telling, answer: str, again_ms: int | None) -> None:
    due_at = None if again_ms is None else office.now() + again_ms
    office.write(lambda tx: store.ended(tx, one.id, answer[:_WORDS], due_at))
