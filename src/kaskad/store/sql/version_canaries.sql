-- Canaries of versions: the next version for a share of those who enter; see the migration `version_canaries`.

-- name: add_version_canary
INSERT INTO version_canaries (id, cascade_id, base_id, version_id, share, people, mature_ms, started_at, started_by)
SELECT coalesce(max(id), 0) + 1, :cascade_id, :base_id, :version_id, :share, :people, :mature_ms, :now, :by
  FROM version_canaries
RETURNING id;

-- name: running_version_canaries
SELECT id, cascade_id, base_id, version_id, share, people, mature_ms, started_at, started_by, due_at, state, ended_at,
       ended_by, why, looked_at
  FROM version_canaries WHERE state = 'running' ORDER BY id;

-- name: version_canaries_of
-- Canaries of a cascade's versions, the latest first.
SELECT id, cascade_id, base_id, version_id, share, people, mature_ms, started_at, started_by, due_at, state, ended_at,
       ended_by, why, looked_at
  FROM version_canaries WHERE cascade_id = :cascade_id ORDER BY id DESC LIMIT :limit;

-- name: stopped_version_canaries
-- Those that their figures have stopped, and of which nobody has said that they have looked.
SELECT v.id, v.cascade_id, c.slug, n.number, v.why
  FROM version_canaries v JOIN cascades c ON c.id = v.cascade_id JOIN versions n ON n.id = v.version_id
 WHERE v.state = 'stopped' AND v.looked_at IS NULL ORDER BY v.id;

-- name: version_canary_runs
-- The runs that entered a version first. All runs are looked through: an index would cost every entry.
SELECT contact_id, id FROM runs WHERE version_id = :version_id ORDER BY entered_at, contact_id LIMIT :limit;

-- name: version_canary_due
UPDATE version_canaries SET due_at = :due_at WHERE id = :id AND due_at IS NULL;

-- name: end_version_canary
-- By a person it is known already; what the figures have stopped waits for somebody to look.
UPDATE version_canaries SET state = :state, why = :why, ended_at = :now, ended_by = :by,
       looked_at = CASE WHEN CAST(:state AS TEXT) = 'passed' OR CAST(:by AS TEXT) <> '' THEN CAST(:now AS BIGINT) END
 WHERE id = :id AND state = 'running';

-- name: look_at_version_canaries
UPDATE version_canaries SET looked_at = :now WHERE cascade_id = :cascade_id AND state = 'stopped' AND looked_at IS NULL;
