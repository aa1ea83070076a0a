-- name: running_launches
SELECT id, version_id, list_id, cursor, pace, started_at, enrolled FROM launches
 WHERE state = 'running' ORDER BY id /* postgresql: FOR UPDATE SKIP LOCKED */;

-- name: contacts_after
SELECT id FROM contacts WHERE id > :after AND erased_at IS NULL ORDER BY id LIMIT :limit;

-- name: advance_launch
UPDATE launches SET cursor = :cursor, enrolled = enrolled + :count, state = :state WHERE id = :id;
