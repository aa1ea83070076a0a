-- Guardrails and alarms; see the migration `guards`, actions/guards.py and actions/alarm_book.py.

-- name: guard_counts
-- Messages of runs by the day of their entry, since an hour: of every version what befell how many.
SELECT v.id, k.hour, p.detail, k.runs
  FROM versions v CROSS JOIN course_counts k /* else SQLite may look at all counts there are */
  JOIN course_parts p ON p.id = k.part_id AND p.live IS NULL
 WHERE k.version_id = v.id AND k.hours = 24 AND k.hour >= :since
   AND (:cascade_id = 0 OR v.cascade_id = :cascade_id);

-- name: put_guard_stop
INSERT INTO guard_stops (version_id, account_id, step, figure, bad, messages, bound, paused, at)
VALUES (:version_id, :account_id, :step, :figure, :bad, :messages, :bound, :paused, :now)
ON CONFLICT DO NOTHING;

-- name: guard_stops
-- What nobody has looked at yet, the oldest first.
SELECT s.id, s.version_id, s.account_id, s.step, s.figure, s.bad, s.messages, s.bound, s.paused, s.at, s.looked_at,
       s.looked_by
  FROM guard_stops s WHERE s.looked_at IS NULL ORDER BY s.id;

-- name: guard_history
-- The last that were stopped of a cascade, or of an account, whether or not somebody has looked.
SELECT s.id, s.version_id, s.account_id, s.step, s.figure, s.bad, s.messages, s.bound, s.paused, s.at, s.looked_at,
       s.looked_by
  FROM guard_stops s
 WHERE (:account_id <> 0 AND s.account_id = :account_id)
    OR (:cascade_id <> 0 AND s.version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id))
 ORDER BY s.id DESC LIMIT :limit;

-- name: look_at_guard_stops
UPDATE guard_stops SET looked_at = :now, looked_by = :by
 WHERE looked_at IS NULL AND ((:account_id <> 0 AND account_id = :account_id)
    OR (:cascade_id <> 0 AND version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id)));

-- name: put_guard_bases
INSERT INTO guard_bases (version_id, account_id, step, figure, since, bad, messages)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::text[], :c5::bigint[],
                                   :c6::bigint[], :c7::bigint[]) */
ON CONFLICT (version_id, account_id, step, figure, since)
DO UPDATE SET bad = excluded.bad, messages = excluded.messages;

-- name: guard_bases
SELECT version_id, account_id, step, figure, since, bad, messages FROM guard_bases WHERE since >= :since;

-- name: drop_guard_bases
DELETE FROM guard_bases WHERE since < :since;

-- name: put_guard_bound
INSERT INTO guard_bounds (version_id, account_id, figure, bound) VALUES (:version_id, :account_id, :figure, :bound)
ON CONFLICT (version_id, account_id, figure) DO UPDATE SET bound = excluded.bound;

-- name: guard_bounds
SELECT version_id, account_id, figure, bound FROM guard_bounds;

-- name: standing_alarms
SELECT id, kind, name, detail, began_at, told_at, over_at, coalesce(seen_at, 0) FROM alarms
 WHERE over_at IS NULL ORDER BY id;

-- name: alarms_before
SELECT id, kind, name, detail, began_at, told_at, over_at, coalesce(seen_at, 0) FROM alarms
 WHERE id < :before ORDER BY id DESC LIMIT :limit;

-- name: raise_alarm
-- Nothing where it stands already.
INSERT INTO alarms (kind, name, detail, began_at, told_at, seen_at) VALUES (:kind, :name, :detail, :now, :now, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: alarm_stands
UPDATE alarms SET told_at = :now, detail = :detail WHERE id = :id AND over_at IS NULL AND told_at = :told_at;

-- name: alarm_seen
UPDATE alarms SET seen_at = :now WHERE id = :id AND over_at IS NULL;

-- name: alarm_over
UPDATE alarms SET over_at = :now WHERE id = :id AND over_at IS NULL;

-- name: drop_old_alarms
DELETE FROM alarms WHERE over_at < :before;

-- name: drop_old_tellings
DELETE FROM tellings WHERE due_at IS NULL AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.id = tellings.alarm_id);

-- name: put_telling
INSERT INTO tellings (alarm_id, occasion, account, person, due_at) VALUES (:alarm_id, :occasion, :account, :person, :now);

-- name: due_tellings
SELECT t.id, t.alarm_id, t.occasion, t.account, t.person, t.attempts, a.kind, a.name, a.detail, a.began_at
  FROM tellings t JOIN alarms a ON a.id = t.alarm_id
 WHERE t.due_at <= :now ORDER BY t.due_at, t.id LIMIT :limit;

-- name: claim_telling
-- Whoever moves it tells it; a process that dies before it has told lets it come due again.
UPDATE tellings SET due_at = :again_at, attempts = attempts + 1
 WHERE id = :id AND due_at IS NOT NULL AND due_at <= :now;

-- name: end_telling
UPDATE tellings SET due_at = :due_at, answer = :answer WHERE id = :id;

-- name: tellings_of
SELECT occasion, account, person, due_at, attempts, answer FROM tellings WHERE alarm_id = :alarm_id ORDER BY id;
