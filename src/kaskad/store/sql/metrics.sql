-- name: metric_inbox
SELECT count(*), min(received_at) FROM inbox;
