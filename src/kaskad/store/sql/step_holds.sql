-- Steps that are paused by themselves; see the migration `step_holds`.

-- name: step_holds
SELECT version_id, step, skip, at, held_by, why FROM step_holds ORDER BY version_id, step;

-- name: step_holds_of_cascade
SELECT h.version_id, h.step, h.skip, h.at, h.held_by, h.why, n.id
  FROM versions v
  JOIN step_holds h ON h.version_id = v.id
  JOIN step_names n ON n.version_id = h.version_id AND n.step = h.step
 WHERE v.cascade_id = :cascade_id
 ORDER BY h.version_id DESC, h.step;

-- name: names_of_held_steps
SELECT DISTINCT v.cascade_id, n.id
  FROM step_holds h
  JOIN versions v ON v.id = h.version_id
  JOIN step_names n ON n.version_id = h.version_id AND n.step = h.step
 ORDER BY v.cascade_id, n.id;

-- name: put_step_hold
-- What is paused already stays as it was.
INSERT INTO step_holds (version_id, step, skip, at, held_by, why) VALUES (:version_id, :step, :skip, :now, :by, :why)
ON CONFLICT DO NOTHING;

-- name: drop_step_hold
DELETE FROM step_holds WHERE version_id = :version_id AND step = :step;

-- name: wake_runs_of_step
-- Runs that wanted to send a step while it was paused look again now.
UPDATE runs SET state = 1, wake_at = :now, seq = seq + 1
 WHERE cascade_id = :cascade_id AND state = 2 AND version_id = :version_id AND step = :step;
