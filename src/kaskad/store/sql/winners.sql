-- Which of a step's variants was told apart as the best, and what they weigh since.

-- name: put_verdict
-- The first one stands.
INSERT INTO verdicts (cascade_id, version_id, step, at, winner, detail)
VALUES (:cascade_id, :version_id, :step, :now, :winner, :detail)
ON CONFLICT (version_id, step) DO NOTHING;

-- name: put_weights
INSERT INTO variant_weights (version_id, step, weights) VALUES (:version_id, :step, :weights)
ON CONFLICT (version_id, step) DO NOTHING;

-- name: variant_weights
SELECT version_id, step, weights FROM variant_weights;

-- name: verdicts_of
SELECT version_id, step, at, winner, detail FROM verdicts WHERE cascade_id = :cascade_id ORDER BY id DESC;
