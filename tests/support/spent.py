"""Sums of money counted again, slowly, from the messages themselves."""

from zoneinfo import ZoneInfo

from kaskad.analytics.spent import Span, spent
from kaskad.analytics.waste import double
from kaskad.domain.spent import early_of
from kaskad.engine import counting
from kaskad.store.db import Database, Transaction

LEFT = "m.state IN (3, 4, 5, 7, 8, 9, 10)"
COST = f"""CASE WHEN m.state = 2 THEN coalesce(m.spent, 0)
           ELSE coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN {LEFT} THEN m.price ELSE 0 END) END"""
OF = """FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.submitted_at IS NOT NULL AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)"""
KEY = "r.cascade_id, r.version_id, m.step, coalesce(m.account_id, 0), m.submitted_at / 86400000"
SLOW = {
    "": f"SELECT {KEY}, CASE WHEN {LEFT} THEN 1 ELSE 0 END,"
    f" CASE WHEN {LEFT} THEN m.price ELSE 0 END, {COST} {OF}",
    "under_way": f"SELECT {KEY}, 1, 0, m.price {OF} AND m.state = 2 AND m.price > 0",
    "failed": f"SELECT {KEY}, 1, 0, {COST} {OF} AND m.state IN (7, 8, 9) AND {COST} > 0",
    "unheard": f"SELECT {KEY}, 1, 0, {COST} {OF} AND m.state = 10 AND {COST} > 0",
    "early": f"""SELECT {KEY}, 1, 0, {COST} {OF} AND {LEFT} AND r.outcome IS NOT NULL AND EXISTS (
        SELECT 1 FROM facts f WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id AND f.step >= 0
           AND f.step <> m.step AND f.kind IN (3, 4, 5, 6, 7, 20, 21) AND f.at < m.submitted_at)""",
    "change": f"""SELECT {KEY}, 1, 0, a.change {OF.replace(" WHERE", '''
        JOIN (SELECT contact_id, run_id, step,
                     CASE WHEN kind = 6 THEN before ELSE after - before END AS change FROM amounts) a
          ON a.contact_id = m.contact_id AND a.run_id = m.run_id AND a.step = m.step WHERE''', 1)}""",
}  # fmt: skip
GAPS = (60_000, 3_600_000, 5_400_000, 86_400_000, 90_000_000)  # the last one is wider than what is kept
Sums = dict[tuple[object, ...], list[int]]


def sums_agree(db: Database) -> None:
    """Check that sums of money are those of the messages, before and after what is due is counted anew."""
    with db.read() as tx:
        expected, doubles = _slow(tx), _doubles(tx)
        assert _told(tx) == expected and _told_doubles(tx) == doubles
    with db.write() as tx:
        while counting.count(tx, 1_000):
            pass
    with db.read() as tx:
        assert _told(tx) == expected and _told_doubles(tx) == doubles


def _doubles(tx: Transaction) -> Sums:
    """Return what followed a message of another cascade, by gap, cascade, version, step and account."""
    text = f"""SELECT m.contact_id, r.cascade_id, r.version_id, m.step, coalesce(m.account_id, 0),
                      m.submitted_at, {COST} {OF} AND {LEFT}"""
    sent = list(tx._connection.execute(text if tx.dialect == "sqlite" else text.encode()))
    found: Sums = {}
    for contact_id, cascade_id, *place, at, cost in sent:
        others = [at - one[5] for one in sent if one[0] == contact_id and one[1] != cascade_id]
        for gap in GAPS:
            if any(0 < after < gap for after in others):
                _add(found, (gap, cascade_id, *place), (1, cost, 0))
    return found


def _told_doubles(tx: Transaction) -> Sums:
    found: Sums = {}
    for cascade_id in {row[1] for row in tx.all("version_cascades")}:
        for gap in GAPS:
            for row in double(tx, Span(cascade_id, 0, 1 << 42), gap):
                _add(found, (gap, cascade_id, row[0], row[1], row[2] or 0), (*row[3:], 0))
    return found


def _slow(tx: Transaction) -> Sums:
    found: Sums = {}
    for kind, text in SLOW.items():
        for *place, messages, price, cost in tx._connection.execute(
            text if tx.dialect == "sqlite" else text.encode()
        ):
            _add(found, (kind, *place), (messages, price, cost))
    return {place: total for place, total in found.items() if any(total)}


def _told(tx: Transaction) -> Sums:
    found: Sums = {}
    for one in spent(tx, Span(0, 0, 1 << 42), ZoneInfo("UTC")).sums:
        kind = one.kind.partition(":")[0]
        assert kind != "early" or early_of(one.kind)
        day = one.day.toordinal() - 719_163
        place = (kind, one.cascade_id, one.version_id, one.step, one.account_id, day)
        _add(found, place, (one.messages, one.price, one.cost))
    return {place: total for place, total in found.items() if any(total)}


def _add(found: Sums, place: tuple[object, ...], more: tuple[int, ...]) -> None:
    total = found.setdefault(place, [0, 0, 0])
    for at, number in enumerate(more):
        total[at] += int(number)
