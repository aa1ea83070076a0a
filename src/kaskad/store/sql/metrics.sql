-- name: metric_inbox
SELECT count(*), min(received_at) FROM inbox WHERE set_aside_at IS NULL;
