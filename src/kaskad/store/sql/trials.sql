-- Trials between versions, and which of several was told apart as the best.

-- name: add_trial
INSERT INTO trials (id, cascade_id, base_id, started_at, shared_at, started_by, rule)
SELECT coalesce(max(id), 0) + 1, :cascade_id, :base_id, :now, :now, :by, :rule FROM trials
RETURNING id;

-- name: put_trial_arm
INSERT INTO trial_arms (trial_id, version_id, slots) VALUES (:trial_id, :version_id, :slots)
ON CONFLICT (trial_id, version_id) DO UPDATE SET slots = excluded.slots;

-- name: share_trial
-- From now on the shares are others: figures compare who enters from here on.
UPDATE trials SET shared_at = :now WHERE id = :id AND state = 'running';

-- name: rule_trial
UPDATE trials SET rule = :rule WHERE id = :id AND state = 'running';

-- name: end_trial
UPDATE trials SET state = :state, ended_at = :now, ended_by = :by, winner_id = :winner_id, why = :why
 WHERE id = :id AND state = 'running';

-- name: trials_of
-- Trials of a cascade, the latest first.
SELECT id, cascade_id, base_id, state, started_at, shared_at, ended_at, started_by, ended_by, rule, winner_id, why
  FROM trials WHERE cascade_id = :cascade_id ORDER BY id DESC LIMIT :limit;

-- name: running_trials
SELECT id, cascade_id, base_id, state, started_at, shared_at, ended_at, started_by, ended_by, rule, winner_id, why
  FROM trials WHERE state = 'running';

-- name: trial_arms
SELECT version_id, slots FROM trial_arms WHERE trial_id = :trial_id ORDER BY version_id;

-- name: person_courses
-- How often people went each course who entered a version between two instants: of everybody, or of each :every-th.
SELECT contact_id, course_id, count(*) FROM run_courses
 WHERE version_id = :version_id AND entered_at >= :since AND entered_at < :until AND contact_id % :every = 0
 GROUP BY contact_id, course_id;

-- name: lead_launches
-- Launches under way go on by another version.
UPDATE launches SET version_id = :version_id
 WHERE version_id = :base_id AND state IN ('running', 'paused');
