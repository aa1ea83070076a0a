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
UPDATE addresses SET health = 2, changed_at = :c3
 WHERE channel = :c1 AND value = :c2 AND health < 2
   AND contact_id IN (SELECT contact_id FROM address_book WHERE value = :c2 AND channel = :c1);

-- name: suppress_addresses (postgresql)
UPDATE addresses a SET health = 2, changed_at = k.at
  FROM unnest(:c1::integer[], :c2::text[], :c3::bigint[]) AS k (channel, value, at)
 WHERE a.channel = k.channel AND a.value = k.value AND a.health < 2;

-- name: any_suppression
SELECT 1 FROM suppressions LIMIT 1;

-- name: addresses_at (sqlite)
-- Mail addresses of some contacts at a domain, or below it (:c6): those that are suppressed (:c5 2), or those that
-- are not (0).
SELECT contact_id, value FROM addresses
 WHERE contact_id > :c3 AND contact_id <= :c4 AND channel = :c2 AND (health = 2) = (:c5 = 2)
   AND (substr(value, instr(value, '@') + 1) = :c1 OR (:c6 AND substr(value, -length(:c1) - 1) = '.' || :c1));

-- name: addresses_at (postgresql)
-- Mail addresses of some contacts at a domain, or below it (:c6): those that are suppressed (:c5 2), or those that
-- are not (0).
SELECT a.contact_id, a.value
  FROM unnest(:c1::text[], :c2::integer[], :c3::bigint[], :c4::bigint[], :c5::integer[],
              :c6::integer[]) AS k (domain, channel, after, until, health, below)
  JOIN addresses a ON a.contact_id > k.after AND a.contact_id <= k.until AND a.channel = k.channel
   AND (a.health = 2) = (k.health = 2)
   AND (substr(a.value, strpos(a.value, '@') + 1) = k.domain
        OR (k.below = 1 AND right(a.value, length(k.domain) + 1) = '.' || k.domain));

-- name: suppress_at (sqlite)
UPDATE addresses SET health = 2, changed_at = :c4
 WHERE contact_id = :c1 AND channel = :c2 AND value = :c3 AND health < 2;

-- name: suppress_at (postgresql)
UPDATE addresses a SET health = 2, changed_at = k.at
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::bigint[]) AS k (contact_id, channel, value, at)
 WHERE a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value AND a.health < 2;

-- name: lift_at (sqlite)
-- Whether the domain takes mail at all is looked up anew.
UPDATE addresses SET health = 0, changed_at = :c4
 WHERE contact_id = :c1 AND channel = :c2 AND value = :c3 AND health = 2;

-- name: lift_at (postgresql)
-- Whether the domain takes mail at all is looked up anew.
UPDATE addresses a SET health = 0, changed_at = k.at
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::bigint[]) AS k (contact_id, channel, value, at)
 WHERE a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value AND a.health = 2;

-- name: drop_suppressions (sqlite)
DELETE FROM suppressions WHERE hash = :c1;

-- name: drop_suppressions (postgresql)
DELETE FROM suppressions WHERE hash IN (SELECT unnest(:c1::bytea[]));
