-- name: set_entry_aside
-- exception: a queue in the order of arrival, so not spread by contact.
UPDATE inbox SET set_aside_at = :now, defect = :defect WHERE id = :id;

-- name: entries_set_aside
-- exception: a queue in the order of arrival, so not spread by contact.
SELECT id, contact_id, run_id, step, kind, event, at, value, set_aside_at, defect FROM inbox
 WHERE set_aside_at IS NOT NULL AND id > :after ORDER BY id LIMIT :limit;

-- name: count_set_aside
-- exception: a queue in the order of arrival, so not spread by contact.
SELECT count(*) FROM inbox WHERE set_aside_at IS NOT NULL;

-- name: contacts_set_aside
SELECT contact_id FROM inbox
 WHERE set_aside_at IS NOT NULL
   AND contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: entries_into_cascades
SELECT contact_id, event FROM inbox
 WHERE set_aside_at IS NOT NULL AND kind = :kind
   AND contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: retry_entries
-- exception: a queue in the order of arrival, so not spread by contact.
-- One that was set aside (:id), or all (:id 0), are applied as if they had come now.
UPDATE inbox SET set_aside_at = NULL, defect = NULL WHERE set_aside_at IS NOT NULL AND (id = :id OR :id = 0);

-- name: drop_entry
-- exception: a queue in the order of arrival, so not spread by contact.
DELETE FROM inbox WHERE set_aside_at IS NOT NULL AND id = :id;

-- name: look_at_inbox
-- exception: a queue in the order of arrival, so not spread by contact.
-- What a tick would take, without taking it.
SELECT id, contact_id, kind FROM inbox WHERE set_aside_at IS NULL ORDER BY id LIMIT :limit;

-- name: put_off_runs (sqlite)
-- A defect stops them: they are looked at again later. Those whose message is under way at c4 already wait: by their
-- guard, which asks sooner what became of it.
UPDATE runs SET wake_at = :c3, guard_at = NULL, seq = seq + 1
 WHERE contact_id = :c1 AND id = :c2 AND outcome IS NULL AND (guard_at IS NULL OR guard_at <= :c4);

-- name: put_off_runs (postgresql)
-- A defect stops them: they are looked at again later. Those whose message is under way at c4 already wait: by their
-- guard, which asks sooner what became of it.
UPDATE runs r SET wake_at = k.again_at, guard_at = NULL, seq = r.seq + 1
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[]) AS k (contact_id, id, again_at, now)
 WHERE r.contact_id = k.contact_id AND r.id = k.id AND r.outcome IS NULL
   AND (r.guard_at IS NULL OR r.guard_at <= k.now);

-- name: put_off_queued (sqlite)
-- And so are their messages that wait for their turn, which would come at once, and again.
UPDATE messages SET not_before = :c3 WHERE contact_id = :c1 AND run_id = :c2 AND state = 1;

-- name: put_off_queued (postgresql)
-- And so are their messages that wait for their turn, which would come at once, and again.
UPDATE messages m SET not_before = k.again_at
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[]) AS k (contact_id, run_id, again_at)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.state = 1;

-- name: put_entries_aside (sqlite)
-- exception: a queue in the order of arrival, so not spread by contact.
-- What has just come, and cannot be applied yet.
INSERT INTO inbox (received_at, contact_id, run_id, step, kind, event, at, value, set_aside_at, defect)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10);

-- name: put_entries_aside (postgresql)
-- exception: a queue in the order of arrival, so not spread by contact.
-- What has just come, and cannot be applied yet.
INSERT INTO inbox (received_at, contact_id, run_id, step, kind, event, at, value, set_aside_at, defect)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::integer[], :c5::integer[], :c6::text[],
                     :c7::bigint[], :c8::text[], :c9::bigint[], :c10::text[]);

-- name: put_off_hits
-- A defect keeps the hits of a message from being judged: they are judged later.
UPDATE hits SET judge_at = :again_at
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND judge_at <= :now;

-- name: put_resting
INSERT INTO resting (contact_id, run_id, step, part, until_at, defect) VALUES (:contact_id, :run_id, :step, :part, :until, :defect)
ON CONFLICT (contact_id, run_id, step, part) DO UPDATE SET until_at = excluded.until_at, defect = excluded.defect;

-- name: resting
-- A run that somebody has let go on meanwhile rests no longer.
SELECT s.contact_id, s.run_id, s.step, s.part, s.until_at, s.defect FROM resting s
 WHERE s.until_at > :now
   AND (s.step >= 0 OR s.part <> '' OR EXISTS (
        SELECT 1 FROM runs r WHERE r.contact_id = s.contact_id AND r.id = s.run_id AND r.outcome IS NULL
                               AND r.wake_at = s.until_at))
 ORDER BY s.until_at DESC, s.contact_id, s.run_id LIMIT :limit;

-- name: rested_counts
-- The runs that were left out of the counting, and are to be counted again.
SELECT contact_id, run_id FROM resting WHERE part = 'counting' AND run_id <> 0 AND until_at <= :now;

-- name: drop_rested
DELETE FROM resting WHERE until_at <= :now;
