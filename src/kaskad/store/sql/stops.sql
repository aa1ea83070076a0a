-- name: put_stop
-- The same words of the same instant are told once.
INSERT INTO stops (contact_id, at, channels, said)
SELECT :contact_id, :at, :channels, :said
 WHERE NOT EXISTS (SELECT 1 FROM stops WHERE contact_id = :contact_id AND at = :at AND said = :said);

-- name: stops_after
SELECT id, contact_id, at, channels, verdict, looked_at, looked_by, said FROM stops
 WHERE id > :after AND (:all = 1 OR verdict = 0) ORDER BY id LIMIT :limit;

-- name: stop
SELECT id, contact_id, at, channels, verdict, looked_at, looked_by, said FROM stops WHERE id = :id;

-- name: open_stops_of
SELECT id, contact_id, at, channels, verdict, looked_at, looked_by, said FROM stops
 WHERE contact_id = :contact_id AND verdict = 0 ORDER BY id;

-- name: judge_stop
-- 0 rows: somebody else was quicker.
UPDATE stops SET verdict = :verdict, looked_at = :now, looked_by = :by WHERE id = :id AND verdict = 0;

-- name: drop_old_stops
DELETE FROM stops WHERE id IN (
    SELECT id FROM (SELECT id, at FROM stops ORDER BY id LIMIT :limit) AS oldest WHERE at < :before);

-- name: erase_stops
DELETE FROM stops WHERE contact_id = :contact_id;
