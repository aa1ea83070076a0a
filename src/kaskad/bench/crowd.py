"""People, events and runs made up by the database itself, so that millions take a minute."""

from __future__ import annotations

from collections.abc import Callable

from kaskad.store.db import Database

DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS + DAY_MS // 3
_PEOPLE, _EVENTS = 20_000, 200_000  # in one transaction

# Numbers from :first to :last as `i`, each with two others, `h` and `g`, that have nothing to do with it.
_NUMBERS = """
WITH RECURSIVE n (i) AS (
    SELECT CAST({first} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {last}
), k AS (
    SELECT i, (i * 2654435761 % 4294967296) / 1024 % 1000003 AS h,
           (i * 2246822519 % 4294967296) / 512 % 1000033 AS g FROM n
)
"""
_CONTACTS = """
INSERT INTO contacts (id, external_id, created_at, attributes) {numbers}
SELECT i, 'p' || i, {now} - h % 700 * 86400000,
       '{{"name":"Person ' || i || '","city":"' ||
       CASE h % 5 WHEN 0 THEN 'Almaty' WHEN 1 THEN 'Astana' WHEN 2 THEN 'Shymkent' WHEN 3 THEN 'Karaganda'
            ELSE 'Aktobe' END ||
       '","level":' || (g % 5) || ',"vip":' || CASE WHEN h % 20 = 0 THEN 'true' ELSE 'false' END ||
       ',"balance":' || (g % 90001) || '.' || (1 + h % 9) || '}}' FROM k;
INSERT INTO addresses (contact_id, channel, value, health) {numbers}
SELECT i, 1, 'p' || i || '@example.org', CASE WHEN g % 50 = 0 THEN 1 ELSE 0 END FROM k WHERE h % 10 > 0;
INSERT INTO addresses (contact_id, channel, value) {numbers}
SELECT i, 8, '+7900' || (1000000 + i) FROM k WHERE h % 10 > 4;
INSERT INTO consents (contact_id, id, granted, purpose, channels, at, proof_id) {numbers}
SELECT i, 1, CASE WHEN h % 17 = 0 THEN 0 ELSE 1 END, 3, CASE WHEN g % 3 = 0 THEN 2 ELSE 0 END,
       {now} - g % 300 * 86400000, 1 FROM k WHERE g % 5 > 0;
INSERT INTO list_members (list_id, contact_id) {numbers} SELECT 1, i FROM k WHERE h % 97 = 0;
"""
RUNS = """
INSERT INTO runs (contact_id, id, seq, cascade_id, version_id, slot, due_at, entered_at, finished_at, outcome,
                  phase, step, state) {numbers}
SELECT i, 1, 3, 1 + g % 2, 1 + g % 2, 0, 0, {now} - h % 200 * 86400000, {now} - h % 200 * 86400000 + 3600000,
       1 + g % 4, 0, 1, 3 FROM k WHERE h % 10 > 3;
INSERT INTO messages (contact_id, run_id, step, channel, state, submitted_at) {numbers}
SELECT i, 1, 0, 1, 4, {now} - h % 200 * 86400000 FROM k WHERE h % 10 > 3;
INSERT INTO messages (contact_id, run_id, step, channel, state, submitted_at) {numbers}
SELECT i, 1, 1, 8, 3, {now} - h % 200 * 86400000 + 1800000 FROM k WHERE h % 10 > 3 AND g % 5 > 0;
INSERT INTO facts (contact_id, run_id, step, kind, at, event) {numbers}
SELECT i, 1, 0, 3, {now} - h % 200 * 86400000 + 60000, '' FROM k WHERE h % 10 > 3;
INSERT INTO facts (contact_id, run_id, step, kind, at, event) {numbers}
SELECT i, 1, 0, 6, {now} - h % 200 * 86400000 + 90000, 'c' FROM k WHERE h % 10 > 3 AND g % 5 = 0;
"""
_HAPPENED = """
INSERT INTO events (contact_id, id, name, at, properties) {numbers}
SELECT 1 + i / {each}, 'e' || (i % {each}),
       CASE WHEN h % 100 < 45 THEN 'visit' WHEN h % 100 < 75 THEN 'view' WHEN h % 100 < 85 THEN 'cart'
            WHEN h % 100 < 93 THEN 'purchase' ELSE 'letter' END,
       {now} - g % 1000 * 31536000 - h % 86400 * 1000,
       CASE WHEN h % 100 < 85 THEN '{{"page":"/p/' || (g % 500) || '"}}'
            ELSE '{{"amount":' || (g % 500) || '.' || (h % 2 * 5) || ',"order":"o' || i || '"}}' END FROM k;
"""
_START = """
INSERT INTO proofs (id, detail) VALUES (1, '{"act":"form"}');
INSERT INTO lists (id, name) VALUES (1, 'staff');
INSERT INTO cascades (id, slug, changed_at) VALUES (1, 'sale', 0), (2, 'order', 0);
"""


def fill(
    db: Database,
    contacts: int,
    events: int,
    progress: Callable[[str], None],
    now: int = NOW,
    runs: str = RUNS,
) -> None:
    """Make people up, with events of the year before `now`, `runs` of most, and consents."""
    with db.write() as tx:
        tx.script(_START)
    for first in range(1, contacts + 1, _PEOPLE):
        last = min(first + _PEOPLE - 1, contacts)
        with db.write() as tx:
            numbers = _NUMBERS.format(first=first, last=last)
            tx.script((_CONTACTS + runs).format(numbers=numbers, now=now, first=first, last=last))
        progress(f"{last} contacts")
    each = max(1, events // contacts)
    for first in range(0, contacts * each, _EVENTS):
        last = min(first + _EVENTS, contacts * each) - 1
        with db.write() as tx:
            tx.script(_HAPPENED.format(numbers=_NUMBERS.format(first=first, last=last), now=now, each=each))
        progress(f"{last + 1} events")
