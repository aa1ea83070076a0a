-- name: running_launches
-- Those under way, those too that wait for the hour of their next people. A pace is counted from when these may enter.
SELECT id, version_id, coalesce(part_list_id, list_id), cursor, pace, coalesce(opens_at, started_at),
       enrolled - enrolled_before, spared_list_id, opens_at
  FROM launches
 WHERE state = 'running' ORDER BY id /* postgresql: FOR UPDATE SKIP LOCKED */;

-- name: launches_under_way
SELECT id FROM launches WHERE state = 'running' ORDER BY id;

-- name: launches_called_off
-- Of these.
SELECT id FROM launches
 WHERE state = 'stopped' AND id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: contacts_after
SELECT id FROM contacts WHERE id > :after AND erased_at IS NULL ORDER BY id LIMIT :limit;

-- name: contacts_at
-- Those who stand at these places when all are put in the order of their ids, from 0 on.
SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM contacts
                 WHERE erased_at IS NULL) AS numbered
 WHERE place IN (/* sqlite: SELECT value FROM json_each(:places) */
                 /* postgresql: SELECT value::bigint FROM json_array_elements_text(cast(:places AS json)) */)
 ORDER BY id;

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
 WHERE v.cascade_id = :cascade_id AND l.state IN ('running', 'paused')
   AND NOT EXISTS (SELECT 1 FROM launch_dates d WHERE d.launch_id = l.id AND d.state <> 'begun');

-- name: launches_of
-- The launches of a cascade, the latest first.
SELECT l.id, v.number, l.audience, l.list_id, l.pace, l.started_at, l.enrolled, l.size,
       CASE WHEN l.state = 'paused' AND d.state <> 'begun' THEN d.state ELSE l.state END,
       d.wall_at, coalesce(d.clock, ''), coalesce(d.why, ''), coalesce(d.canary, ''), coalesce(d.canary_after, '')
  FROM launches l JOIN versions v ON v.id = l.version_id LEFT JOIN launch_dates d ON d.launch_id = l.id
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

-- name: hold_launch
-- Nobody enters by it until its canary has passed; and never who has entered by that.
UPDATE launches SET state = 'paused', spared_list_id = :spared WHERE id = :id;

-- name: let_launch_go
UPDATE launches SET state = 'running', started_at = :now WHERE id = :id AND state = 'paused';

-- name: spared_members
SELECT contact_id FROM list_members
 WHERE list_id = :list_id
   AND contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: entered_and_merged
-- Who of these people has entered a version since, and became one with somebody else since.
SELECT DISTINCT r.contact_id FROM runs r
 WHERE r.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND r.version_id = :version_id AND r.entered_at >= :since
   AND EXISTS (SELECT 1 FROM merged_contacts m WHERE m.contact_id = r.contact_id AND m.at >= :since);

-- name: put_canary
INSERT INTO canaries (launch_id, first_id, people, mature_ms) VALUES (:launch_id, :first_id, :people, :mature_ms);

-- name: running_canaries
-- Canaries under way, with what has become of both launches.
SELECT c.launch_id, c.first_id, c.people, c.mature_ms, c.due_at, c.state, c.why, c.ended_at, v.cascade_id, v.id,
       first.state, first.list_id, first.started_at, rest.state
  FROM canaries c
  JOIN launches rest ON rest.id = c.launch_id
  JOIN launches first ON first.id = c.first_id
  JOIN versions v ON v.id = rest.version_id
 WHERE c.state = 'running' ORDER BY c.launch_id;

-- name: canary_runs
-- The runs of a canary's people.
SELECT r.contact_id, r.id
  FROM list_members m JOIN runs r ON r.contact_id = m.contact_id
 WHERE m.list_id = :list_id AND r.version_id = :version_id AND r.entered_at >= :since;

-- name: canaries_of
SELECT c.launch_id, c.first_id, c.people, c.mature_ms, c.due_at, c.state, c.why, c.ended_at
  FROM canaries c JOIN launches l ON l.id = c.launch_id JOIN versions v ON v.id = l.version_id
 WHERE v.cascade_id = :cascade_id;

-- name: stopped_canaries
-- Those whose rest waits for a person.
SELECT c.launch_id, v.cascade_id, c.why
  FROM canaries c JOIN launches l ON l.id = c.launch_id AND l.state = 'paused' JOIN versions v ON v.id = l.version_id
 WHERE c.state = 'stopped' ORDER BY c.launch_id;

-- name: canary_due
UPDATE canaries SET due_at = :due_at WHERE launch_id = :launch_id AND due_at IS NULL;

-- name: end_canary
UPDATE canaries SET state = :state, why = :why, ended_at = :now
 WHERE launch_id = :launch_id AND state IN ('running', 'stopped');
