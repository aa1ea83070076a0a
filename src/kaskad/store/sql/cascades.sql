-- name: put_cascade
-- A new cascade gets the next id, a known one keeps its own and its state.
INSERT INTO cascades (id, slug, changed_at)
SELECT coalesce(max(id), 0) + 1, :slug, :now FROM cascades WHERE true
ON CONFLICT (slug) DO UPDATE SET changed_at = excluded.changed_at
RETURNING id, version_id;

-- name: put_draft_cascade
-- As put_cascade, but a new one waits to be activated.
INSERT INTO cascades (id, slug, state, changed_at)
SELECT coalesce(max(id), 0) + 1, :slug, 'draft', :now FROM cascades WHERE true
ON CONFLICT (slug) DO UPDATE SET changed_at = excluded.changed_at
RETURNING id, version_id;

-- name: put_draft
INSERT INTO drafts (cascade_id, source, saved_at, saved_by) VALUES (:cascade_id, :source, :now, :by)
ON CONFLICT (cascade_id) DO UPDATE
   SET source = excluded.source, saved_at = excluded.saved_at, saved_by = excluded.saved_by;

-- name: draft_of
SELECT source, saved_at, saved_by FROM drafts WHERE cascade_id = :cascade_id;

-- name: drafted
SELECT cascade_id FROM drafts;

-- name: drop_draft
DELETE FROM drafts WHERE cascade_id = :cascade_id;

-- name: version_by_number
SELECT id, cascade_id, number, source, activated_at FROM versions
 WHERE cascade_id = :cascade_id AND number = :number;

-- name: put_version
INSERT INTO versions (id, cascade_id, number, source, activated_at)
SELECT coalesce(max(id), 0) + 1, :cascade_id,
       coalesce((SELECT max(number) FROM versions WHERE cascade_id = :cascade_id), 0) + 1, :source, :now
  FROM versions
RETURNING id, number;

-- name: enter_version
UPDATE cascades SET version_id = :version_id WHERE id = :id;

-- name: cascades
SELECT id, slug, state, version_id, reserved, charged, changed_at FROM cascades ORDER BY slug;

-- name: cascade_by_slug
SELECT id, slug, state, version_id, reserved, charged, changed_at FROM cascades WHERE slug = :slug;

-- name: cascade
SELECT id, slug, state, version_id, reserved, charged, changed_at FROM cascades WHERE id = :id;

-- name: version
SELECT id, cascade_id, number, source, activated_at FROM versions WHERE id = :id;

-- name: versions_of
SELECT id, cascade_id, number, source, activated_at FROM versions WHERE cascade_id = :cascade_id ORDER BY number;

-- name: set_cascade_state
-- A stopped cascade stays so, whoever was quicker.
UPDATE cascades SET state = :state, changed_at = :now WHERE id = :id AND state <> 'stopped';

-- name: add_launch
INSERT INTO launches (id, version_id, list_id, pace, started_at, size, audience, forecast, opens_at)
SELECT coalesce(max(id), 0) + 1, :version_id, :list_id, :pace, :now, :size, :audience, CAST(:forecast AS text),
       CAST(:opens_at AS bigint)
  FROM launches
RETURNING id;

-- name: foretold
-- The last launches of a cascade that were forecast. One whose first part went ahead began with that.
SELECT l.id, l.version_id, l.audience, l.began_at, l.state, l.forecast
  FROM (SELECT id, version_id, audience, state, forecast,
               coalesce((SELECT f.started_at FROM canaries k JOIN launches f ON f.id = k.first_id
                          WHERE k.launch_id = launches.id), started_at) AS began_at
          FROM launches WHERE forecast IS NOT NULL) AS l
  JOIN versions v ON v.id = l.version_id
 WHERE v.cascade_id = :cascade_id
 ORDER BY l.id DESC
 LIMIT :limit;

-- name: foretold_everywhere
-- The last launches of all cascades that were forecast, with their cascades; as `foretold`.
SELECT c.slug, c.id, l.id, l.version_id, l.audience, l.began_at, l.state, l.forecast
  FROM (SELECT id, version_id, audience, state, forecast,
               coalesce((SELECT f.started_at FROM canaries k JOIN launches f ON f.id = k.first_id
                          WHERE k.launch_id = launches.id), started_at) AS began_at
          FROM launches WHERE forecast IS NOT NULL) AS l
  JOIN versions v ON v.id = l.version_id JOIN cascades c ON c.id = v.cascade_id
 ORDER BY l.id DESC
 LIMIT :limit;

-- name: launches_by_version
-- When the launches of a version began, those of seeds and of first parts too.
SELECT id, started_at FROM launches
 WHERE version_id = :version_id
   AND NOT EXISTS (SELECT 1 FROM launch_dates d WHERE d.launch_id = launches.id AND d.state <> 'begun');

-- name: put_list
-- The id of a list that was forgotten is not given again: launches still name it.
INSERT INTO lists (id, name)
SELECT coalesce(max(id), 0) + 1, :name
  FROM (SELECT id FROM lists UNION ALL SELECT list_id FROM launches WHERE list_id IS NOT NULL) AS used
 WHERE true
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id;

-- name: add_members
INSERT INTO list_members (list_id, contact_id)
/* sqlite: VALUES (:c1, :c2) */ /* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[]) */
ON CONFLICT DO NOTHING;

-- name: members
-- Some of a list's contacts, after one of them, in the order of their ids.
SELECT contact_id FROM list_members WHERE list_id = :list_id AND contact_id > :after
 ORDER BY contact_id LIMIT :limit;

-- name: members_at
-- Those of a list who stand at these places when all are put in the order of their ids, from 0 on.
SELECT contact_id FROM (SELECT contact_id, row_number() OVER (ORDER BY contact_id) - 1 AS place
                          FROM list_members WHERE list_id = :list_id) AS numbered
 WHERE place IN (/* sqlite: SELECT value FROM json_each(:places) */
                 /* postgresql: SELECT value::bigint FROM json_array_elements_text(cast(:places AS json)) */)
 ORDER BY contact_id;

-- name: list_by_name
SELECT id FROM lists WHERE name = :name;

-- name: list_size
SELECT count(*) FROM list_members WHERE list_id = :list_id;

-- name: version_numbers
SELECT v.id, v.cascade_id, v.number, c.slug FROM versions v JOIN cascades c ON c.id = v.cascade_id;

-- name: put_version_currencies
INSERT INTO version_currencies (version_id, currency)
/* sqlite: VALUES (:c1, :c2) */ /* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::text[]) */
ON CONFLICT DO NOTHING;

-- name: put_step_names
INSERT INTO step_names (version_id, step, id)
/* sqlite: VALUES (:c1, :c2, :c3) */ /* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[]) */
ON CONFLICT DO NOTHING;
