-- Launches that begin at a date.

-- name: plan_launch
-- Of a launch that was just made: nobody enters by it before its date.
UPDATE launches SET state = 'paused' WHERE id = :id;

-- name: put_launch_date
-- One that has begun, or was called off, has no other date.
INSERT INTO launch_dates (launch_id, wall_at, clock, canary, canary_after)
SELECT id, :wall_at, :clock, :canary, :canary_after FROM launches WHERE id = :id AND state = 'paused'
ON CONFLICT (launch_id) DO UPDATE
   SET wall_at = excluded.wall_at, clock = excluded.clock, canary = excluded.canary,
       canary_after = excluded.canary_after, state = 'planned', why = ''
 WHERE launch_dates.state <> 'begun';

-- name: change_planned
UPDATE launches
   SET version_id = :version_id, list_id = :list_id, pace = :pace, audience = :audience, started_at = :due_at
 WHERE id = :id AND state = 'paused'
   AND id IN (SELECT launch_id FROM launch_dates WHERE state <> 'begun');

-- name: planned_launches
-- Those whose date has not come, or has come just now.
SELECT d.launch_id, c.slug, l.audience, l.pace, d.wall_at, d.clock, d.canary, d.canary_after
  FROM launch_dates d
  JOIN launches l ON l.id = d.launch_id AND l.state = 'paused'
  JOIN versions v ON v.id = l.version_id
  JOIN cascades c ON c.id = v.cascade_id
 WHERE d.state = 'planned' ORDER BY d.launch_id;

-- name: missed_launches
-- Cascades that go on or may, each with why a launch of it did not begin.
SELECT c.slug, d.why
  FROM launch_dates d
  JOIN launches l ON l.id = d.launch_id AND l.state = 'paused'
  JOIN versions v ON v.id = l.version_id
  JOIN cascades c ON c.id = v.cascade_id
 WHERE d.state = 'missed' AND c.state <> 'stopped' ORDER BY d.launch_id DESC;

-- name: end_launch_date
-- Begun once, by whichever process is first; never one that was called off meanwhile, or has another date by now.
-- Until the end of the transaction nobody calls it off.
UPDATE launch_dates SET state = :state, why = :why
 WHERE launch_id = :id AND state = 'planned' AND wall_at = :wall_at AND clock = :clock
   AND launch_id IN (SELECT id FROM launches WHERE id = :id AND state = 'paused' /* postgresql: FOR UPDATE */);

-- name: begin_planned
UPDATE launches
   SET state = 'running', version_id = :version_id, list_id = :list_id, started_at = :now, size = :size,
       forecast = CAST(:forecast AS text)
 WHERE id = :id;

-- name: put_launch_part
INSERT INTO launch_parts (launch_id, opens_at, list_id) VALUES (:launch_id, :opens_at, :list_id);

-- name: next_launch_part
-- The part after the one whose people enter now.
SELECT opens_at, list_id FROM launch_parts
 WHERE launch_id = :launch_id
   AND opens_at > coalesce((SELECT p.opens_at FROM launch_parts p JOIN launches l ON l.id = p.launch_id
                             WHERE p.launch_id = :launch_id AND p.list_id = l.part_list_id), -1)
 ORDER BY opens_at LIMIT 1;

-- name: in_earlier_parts
-- Who of these people is on the list of an hour that a launch let enter before this one.
SELECT DISTINCT m.contact_id FROM launch_parts p JOIN list_members m ON m.list_id = p.list_id
 WHERE p.launch_id = :launch_id
   AND p.opens_at < (SELECT opens_at FROM launch_parts WHERE launch_id = :launch_id AND list_id = :list_id)
   AND m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: ended_launch_parts
-- Parts of launches by which nobody enters any more.
SELECT p.launch_id, p.list_id FROM launch_parts p
  JOIN launches l ON l.id = p.launch_id
  JOIN versions v ON v.id = l.version_id
  JOIN cascades c ON c.id = v.cascade_id
 WHERE l.state NOT IN ('running', 'paused') OR c.state = 'stopped' ORDER BY p.launch_id, p.opens_at;

-- name: launch_part
SELECT 1 FROM launch_parts WHERE launch_id = :launch_id AND list_id = :list_id /* postgresql: FOR UPDATE */;

-- name: drop_launch_part
DELETE FROM launch_parts WHERE launch_id = :launch_id AND list_id = :list_id;

-- name: open_launch_part
-- They enter from their hour on, and their part of the list is gone through from its beginning.
UPDATE launches
   SET state = 'running', part_list_id = :list_id, opens_at = :opens_at, cursor = 0, enrolled_before = enrolled
 WHERE id = :id;

-- name: zones_of_list
-- People of a list with the zones that are known of them, in the order of their ids.
SELECT c.id, coalesce(c.zone, '') FROM list_members m JOIN contacts c ON c.id = m.contact_id
 WHERE m.list_id = :list_id AND m.contact_id > :after ORDER BY m.contact_id LIMIT :limit;

-- name: zones_of_all
SELECT id, coalesce(zone, '') FROM contacts WHERE id > :after AND erased_at IS NULL ORDER BY id LIMIT :limit;
