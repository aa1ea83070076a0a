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

-- name: retry_entries
-- exception: a queue in the order of arrival, so not spread by contact.
-- One that was set aside (:id), or all (:id 0), are applied as if they had come now.
UPDATE inbox SET set_aside_at = NULL, defect = NULL WHERE set_aside_at IS NOT NULL AND :id IN (0, id);

-- name: drop_entry
-- exception: a queue in the order of arrival, so not spread by contact.
DELETE FROM inbox WHERE set_aside_at IS NOT NULL AND id = :id;

-- name: look_at_inbox
-- exception: a queue in the order of arrival, so not spread by contact.
-- What a tick would take, without taking it.
SELECT id, contact_id, kind FROM inbox WHERE set_aside_at IS NULL ORDER BY id LIMIT :limit;
