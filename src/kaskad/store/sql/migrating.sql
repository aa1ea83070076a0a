-- name: runs_to_migrate
-- Live runs of a cascade on other versions, in the order of their keys.
SELECT contact_id, id FROM runs
 WHERE (contact_id, id) > (:contact_id, :run_id) AND cascade_id = :cascade_id AND version_id <> :version_id
   AND outcome IS NULL
 ORDER BY contact_id, id LIMIT :limit;

-- name: migrate_run
-- It is decided about at once, by itself: deadlines are worked out anew.
UPDATE runs SET version_id = :version_id, step = :step, wake_at = :now, guard_at = NULL, seq = seq + 1, marks = marks | :marks
 WHERE contact_id = :contact_id AND id = :run_id AND seq = :seq AND outcome IS NULL;

-- name: drop_skip
DELETE FROM messages
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND state IN (0, 11) AND sent_at IS NULL;
