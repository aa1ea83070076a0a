-- Which of several was told apart as the best, and what a step's variants weigh since.

-- name: put_verdict
-- The first one stands.
INSERT INTO verdicts (cascade_id, version_id, step, at, winner, detail)
VALUES (:cascade_id, :version_id, :step, :now, :winner, :detail)
ON CONFLICT (version_id, step) DO NOTHING;

-- name: put_weights
INSERT INTO variant_weights (version_id, step, weights) VALUES (:version_id, :step, :weights)
ON CONFLICT (version_id, step) DO NOTHING;

-- name: set_weights
UPDATE variant_weights SET weights = :weights WHERE version_id = :version_id AND step = :step;

-- name: variant_weights
SELECT version_id, step, weights FROM variant_weights;

-- name: verdicts_of
SELECT version_id, step, at, winner, detail FROM verdicts
 WHERE cascade_id = :cascade_id AND trial_id IS NULL ORDER BY id DESC;

-- name: put_trial_verdict
-- One for the shares as they are; none once the trial is over.
INSERT INTO verdicts (cascade_id, trial_id, at, winner, detail)
SELECT :cascade_id, t.id, :now, :winner, :detail FROM trials t
 WHERE t.id = :trial_id AND t.state = 'running' AND t.shared_at = :shared_at
   AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.trial_id = t.id AND v.at > t.shared_at);

-- name: verdict_of_trial
SELECT at, winner, detail FROM verdicts WHERE trial_id = :trial_id AND at > :shared_at ORDER BY id DESC LIMIT 1;

-- name: lately_won
-- Variants that have won, versions that were promoted by their rule, and those that wait for a person, however long;
-- the latest first.
SELECT c.slug, v.version_id, v.step, v.winner, coalesce(t.state, '') FROM verdicts v
  JOIN cascades c ON c.id = v.cascade_id
  LEFT JOIN trials t ON t.id = v.trial_id
 WHERE v.at > :since AND (v.trial_id IS NULL OR (t.state = 'promoted' AND t.ended_at = v.at))
    OR t.state = 'running' AND v.at > t.shared_at
 ORDER BY v.id DESC;

-- name: first_courses
-- How many people went each course with the first run by which they entered a version between two instants.
SELECT k.course_id, count(*) FROM run_courses k
 WHERE k.version_id = :version_id AND k.entered_at >= :since AND k.entered_at < :until
   AND NOT EXISTS (SELECT 1 FROM run_courses o WHERE o.contact_id = k.contact_id AND o.version_id = k.version_id
                      AND o.entered_at >= :since AND o.run_id < k.run_id)
 GROUP BY k.course_id;
