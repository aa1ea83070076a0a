-- name: look_contacts
-- hot
-- example: {"ids": [1]}
SELECT id, zone, language, country, tracking, attributes FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND erased_at IS NULL;

-- name: look_addresses
-- hot
-- example: {"ids": [1]}
-- The best address of a channel comes last: healthy, the main one, then the first in the contact's own order
-- (0: has none), the one that was last confirmed; of equal ones on WhatsApp (3) the number, and not the id that
-- stands for it; then the first by its letters, so that it is always the same.
SELECT contact_id, channel, value, health, shared, preferred, main, confirmed_at FROM addresses
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY contact_id, health DESC, main, CASE WHEN preferred = 0 THEN 0 ELSE 1 END, preferred DESC,
       coalesce(confirmed_at, 0), CASE WHEN channel = 3 AND value LIKE '+%' THEN 1 ELSE 0 END,
       value /* postgresql: COLLATE "C" */ DESC;

-- name: look_consents
-- hot
-- example: {"ids": [1]}
SELECT contact_id, granted, purpose, channels, topic, at, expires_at,
       CASE WHEN proof_id IS NULL THEN 0 ELSE 1 END, brand FROM consents
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: look_alike (sqlite)
-- hot
-- example: {"ids": [1], "channel": 1, "now": 5, "since": 0}
-- Of contacts that a step reaches on one channel, all that it asks about: a row for each address there and each
-- consent, with how many messages have left us for the contact since :since (see touches_of). The last column
-- says whether the consent holds now.
SELECT c.id, a.value, c.tracking, c.language, c.attributes,
       (SELECT count(*) FROM messages m
         WHERE m.contact_id = c.id AND m.submitted_at >= :since AND m.state NOT IN (0, 1, 6, 11, 12)),
       c.zone, c.country, a.health, a.shared,
       k.granted, k.purpose, k.channels, k.topic, k.brand, CASE WHEN k.proof_id IS NULL THEN 0 ELSE 1 END,
       CASE WHEN k.at <= :now AND (k.expires_at IS NULL OR k.expires_at > :now) THEN 1 ELSE 0 END
  FROM contacts c
  JOIN addresses a ON a.contact_id = c.id AND a.channel = :channel
  LEFT JOIN consents k ON k.contact_id = c.id
 WHERE c.id IN (SELECT value FROM carray(:ids)) AND c.erased_at IS NULL;

-- name: look_alike (postgresql)
-- hot
-- example: {"ids": [1], "channel": 1, "now": 5, "since": 0}
-- Of contacts that a step reaches on one channel, all that it asks about: a row for each address there and each
-- consent, with how many messages have left us for the contact since :since (see touches_of). The last column
-- says whether the consent holds now.
SELECT c.id, a.value, c.tracking, c.language, c.attributes,
       (SELECT count(*) FROM messages m
         WHERE m.contact_id = c.id AND m.submitted_at >= :since AND m.state NOT IN (0, 1, 6, 11, 12)),
       c.zone, c.country, a.health, a.shared,
       k.granted, k.purpose, k.channels, k.topic, k.brand, CASE WHEN k.proof_id IS NULL THEN 0 ELSE 1 END,
       CASE WHEN k.at <= :now AND (k.expires_at IS NULL OR k.expires_at > :now) THEN 1 ELSE 0 END
  FROM unnest(:ids::bigint[]) AS v (id)
  JOIN contacts c ON c.id = v.id AND c.erased_at IS NULL
  JOIN addresses a ON a.contact_id = v.id AND a.channel = :channel
  LEFT JOIN consents k ON k.contact_id = v.id;

-- name: touched_by_sharers
-- Steps of a version that already reached somebody with the same address, by whichever version of its cascade (E11).
SELECT s.step FROM addresses a
  JOIN messages m ON m.contact_id = a.contact_id
       AND (m.channel = a.channel OR (a.channel = 8 AND m.channel IN (9, 10))) -- calls go to the SMS number
  JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
  JOIN step_names sent ON sent.version_id = r.version_id AND sent.step = m.step
  JOIN step_names s ON s.version_id = :version_id AND s.id = sent.id
 WHERE a.value = :value AND a.contact_id <> :contact_id AND r.cascade_id = :cascade_id
   /* sqlite: AND a.contact_id IN (SELECT contact_id FROM address_book WHERE value = :value) */
   AND m.submitted_at >= :since AND m.state NOT IN (0, 1, 6, 11, 12);

-- name: reserve_money
UPDATE cascades SET reserved = reserved + :amount WHERE id = :id;

-- name: add_held
INSERT INTO held_by_day (cascade_id, account_id, day, amount)
/* sqlite: VALUES (:c1, :c2, :c3, :c4) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[]) */
ON CONFLICT (cascade_id, account_id, day) DO UPDATE SET amount = held_by_day.amount + excluded.amount;

-- name: held_of
SELECT account_id, day, amount FROM held_by_day WHERE cascade_id = :cascade_id;

-- name: charge_money
UPDATE cascades SET charged = charged + :amount WHERE id = :id;

-- name: reserved_money
-- What a cascade has spent of its budget: what all it has sent cost, or is to cost as far as that is not known.
SELECT reserved FROM cascades WHERE id = :id /* postgresql: FOR NO KEY UPDATE */;

-- name: lock_sums
-- Keeps other processes from what these cascades hold and are charged, in the order in which all write it.
SELECT id FROM cascades
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */
          /* postgresql: = ANY(:ids) ORDER BY id FOR NO KEY UPDATE */;
