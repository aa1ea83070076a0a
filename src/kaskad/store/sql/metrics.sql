-- name: metric_live_runs
SELECT cascade_id, count(*) FROM runs WHERE outcome IS NULL GROUP BY cascade_id;

-- name: metric_inbox
SELECT count(*), min(received_at) FROM inbox;
