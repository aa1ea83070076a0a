-- name: suppressed (sqlite)
SELECT hash FROM suppressions WHERE hash = :c1;

-- name: suppressed (postgresql)
SELECT hash FROM suppressions WHERE hash IN (SELECT unnest(:c1::bytea[]));

-- name: put_suppressions
INSERT INTO suppressions (hash, reason, at)
/* sqlite: VALUES (:c1, :c2, :c3) */
/* postgresql: SELECT * FROM unnest(:c1::bytea[], :c2::text[], :c3::bigint[]) */
ON CONFLICT DO NOTHING;

-- name: suppress_addresses (sqlite)
UPDATE addresses SET health = 2, changed_at = :c3 WHERE channel = :c1 AND value = :c2 AND health < 2;

-- name: suppress_addresses (postgresql)
UPDATE addresses a SET health = 2, changed_at = k.at
  FROM unnest(:c1::integer[], :c2::text[], :c3::bigint[]) AS k (channel, value, at)
 WHERE a.channel = k.channel AND a.value = k.value AND a.health < 2;

-- name: any_suppression
SELECT 1 FROM suppressions LIMIT 1;
