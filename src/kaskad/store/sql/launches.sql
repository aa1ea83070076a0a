-- name: running_launches
SELECT id, version_id, list_id, cursor, pace, started_at, enrolled FROM launches
 WHERE state = 'running' ORDER BY id /* postgresql: FOR UPDATE SKIP LOCKED */;

-- name: contacts_after
SELECT id FROM contacts WHERE id > :after AND erased_at IS NULL ORDER BY id LIMIT :limit;

-- name: advance_launch
UPDATE launches SET cursor = :cursor, enrolled = enrolled + :count, state = :state WHERE id = :id;

-- name: launched_members
-- Everybody whom a launch of this cascade was for, whether or not they have entered yet.
SELECT DISTINCT m.contact_id FROM launches l
  JOIN versions v ON v.id = l.version_id
  JOIN list_members m ON m.list_id = l.list_id
 WHERE v.cascade_id = :cascade_id;

-- name: open_launches
-- How many launches of this cascade are still under way.
SELECT count(*) FROM launches l JOIN versions v ON v.id = l.version_id
 WHERE v.cascade_id = :cascade_id AND l.state IN ('running', 'paused');

-- name: launches_of
-- The launches of a cascade, the latest first.
SELECT l.id, v.number, l.audience, l.list_id, l.pace, l.started_at, l.enrolled, l.size, l.state
  FROM launches l JOIN versions v ON v.id = l.version_id
 WHERE v.cascade_id = :cascade_id AND l.id < :before
 ORDER BY l.id DESC LIMIT :limit;

-- name: stop_launch
-- One that is over stays as it ended.
UPDATE launches SET state = 'stopped'
 WHERE id = :id AND state IN ('running', 'paused')
   AND version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id);

-- name: contacts_to_launch
-- How many there are of everybody.
SELECT count(*) FROM contacts WHERE erased_at IS NULL;
