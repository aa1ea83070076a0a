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

-- name: put_off_run
-- A defect stops it: it is looked at again later.
UPDATE runs SET wake_at = :again_at, guard_at = NULL, seq = seq + 1
 WHERE contact_id = :contact_id AND id = :run_id AND outcome IS NULL;

-- name: put_off_queued
-- And so is its message that waits for its turn, which would come at once, and again.
UPDATE messages SET not_before = :again_at WHERE contact_id = :contact_id AND run_id = :run_id AND state = 1;

-- name: put_off_hits
-- A defect keeps the hits of a message from being judged: they are judged later.
UPDATE hits SET judge_at = :again_at
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND judge_at <= :now;
