-- name: lists
-- Each list with how many are in it, by name.
SELECT l.id, l.name, (SELECT count(*) FROM list_members m WHERE m.list_id = l.id) FROM lists l
 WHERE l.name > :after ORDER BY l.name LIMIT :limit;

-- name: list_names
-- Names of lists alone: counting their members takes as long as they are large.
SELECT name FROM lists WHERE name > :after ORDER BY name LIMIT :limit;

-- name: known_list
SELECT l.id, l.name, (SELECT count(*) FROM list_members m WHERE m.list_id = l.id) FROM lists l
 WHERE l.name = :name;

-- name: list_mark
-- How many are in a list, and the sum of their ids: hardly ever the same once somebody has come or gone.
SELECT count(*), sum(m.contact_id) FROM lists l JOIN list_members m ON m.list_id = l.id WHERE l.name = :name;

-- name: remove_members (sqlite)
DELETE FROM list_members WHERE list_id = :c1 AND contact_id = :c2;

-- name: remove_members (postgresql)
DELETE FROM list_members m USING unnest(:c1::bigint[], :c2::bigint[]) AS k (list_id, contact_id)
 WHERE m.list_id = k.list_id AND m.contact_id = k.contact_id;

-- name: clear_list
-- Some of its members, so that other writes need not wait for a long list.
DELETE FROM list_members WHERE list_id = :list_id AND contact_id <= (
    SELECT max(contact_id) FROM (SELECT contact_id FROM list_members WHERE list_id = :list_id
                                  ORDER BY contact_id LIMIT :limit) AS first);

-- name: drop_list
DELETE FROM lists WHERE id = :id;

-- name: list_in_use
-- The first launch that goes through a list, or is to. By a cascade that was stopped nobody enters any more.
SELECT l.id, c.slug FROM launches l
  JOIN versions v ON v.id = l.version_id
  JOIN cascades c ON c.id = v.cascade_id AND c.state <> 'stopped'
 WHERE (l.list_id = :list_id OR l.spared_list_id = :list_id OR l.part_list_id = :list_id
        OR l.id IN (SELECT launch_id FROM launch_parts WHERE list_id = :list_id))
   AND l.state IN ('running', 'paused') ORDER BY l.id LIMIT 1;

-- name: segments
SELECT id, name, conditions, created_at FROM segments WHERE name > :after ORDER BY name LIMIT :limit;

-- name: segment_names
SELECT name FROM segments ORDER BY name LIMIT :limit;

-- name: segment_by_name
SELECT id, name, conditions, created_at FROM segments WHERE name = :name;

-- name: put_segment
INSERT INTO segments (id, name, conditions, created_at)
SELECT coalesce(max(id), 0) + 1, :name, :conditions, :now FROM segments WHERE true
ON CONFLICT (name) DO UPDATE SET conditions = excluded.conditions;

-- name: drop_segment
DELETE FROM segments WHERE name = :name;
