-- At which hours of the week people react (domain/rhythm.py).

-- name: reactions_between
-- Clicks (6) and replies (7) of people, of contacts between two numbers.
SELECT DISTINCT f.contact_id, f.run_id, f.step, f.at / 900000 * 900000 AS at, c.zone, c.country
  FROM facts f JOIN contacts c ON c.id = f.contact_id
 WHERE f.contact_id > :after AND f.contact_id <= :until AND f.kind IN (6, 7) AND f.at > :since
   AND c.erased_at IS NULL AND c.seed = 0;

-- name: drop_hours
DELETE FROM contact_hours WHERE contact_id > :after AND contact_id <= :until;

-- name: put_hours
INSERT INTO contact_hours (contact_id, reactions, counts)
/* sqlite: VALUES (:c1, :c2, :c3) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::text[]) */
ON CONFLICT (contact_id) DO UPDATE SET reactions = excluded.reactions, counts = excluded.counts;

-- name: look_hours
SELECT contact_id, reactions, counts FROM contact_hours
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: erase_hours
DELETE FROM contact_hours WHERE contact_id = :contact_id;
