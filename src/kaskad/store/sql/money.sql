-- What of the cost of messages need not have been paid, as far as counts do not say it (domain/spent.py). Seed contacts
-- are in no figure; only what was handed over from :since until before :until counts.
-- A message costs what its provider took for all its attempts, else its price once it has left us.

-- name: waste_double
-- Messages that followed one of another cascade to the same person by less than :gap, as they are counted.
SELECT version_id, step, account_id, count(*), sum(cost) FROM double_messages
 WHERE version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id)
   AND submitted_at >= :since AND submitted_at < :until AND after_ms < :gap
 GROUP BY version_id, step, account_id;

-- name: waste_double_anew
-- The same of gaps that are wider than what is kept; only who has been in several cascades can have got such.
WITH several AS MATERIALIZED (
    SELECT contact_id FROM runs GROUP BY contact_id HAVING min(cascade_id) <> max(cascade_id)
)
SELECT r.version_id, m.step, m.account_id, count(*), sum(coalesce(m.spent, 0) + coalesce(m.cost, m.price))
  FROM several s CROSS JOIN runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.contact_id = s.contact_id AND r.cascade_id = :cascade_id AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND EXISTS (SELECT 1 FROM messages o JOIN runs q ON q.contact_id = o.contact_id AND q.id = o.run_id
                WHERE o.contact_id = m.contact_id AND q.cascade_id <> r.cascade_id
                  AND o.submitted_at < m.submitted_at AND o.submitted_at > m.submitted_at - :gap
                  AND o.state IN (3, 4, 5, 7, 8, 9, 10))
 GROUP BY r.version_id, m.step, m.account_id;

-- name: double_messages_kept
-- What is kept of these contacts.
SELECT contact_id, run_id, step, version_id, account_id, submitted_at, after_ms, cost FROM double_messages
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: contacts_of_several
-- Those of these contacts who have been in several cascades; most have not, and are not worth a join.
SELECT contact_id FROM runs
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 GROUP BY contact_id HAVING min(cascade_id) <> max(cascade_id);

-- name: double_messages_now
-- What should be kept of these contacts: each message that left within a day after one of another cascade.
SELECT m.contact_id, m.run_id, m.step, r.version_id, coalesce(m.account_id, 0), m.submitted_at,
       min(m.submitted_at - o.submitted_at), coalesce(m.spent, 0) + coalesce(m.cost, m.price)
  FROM runs r
  JOIN runs q ON q.contact_id = r.contact_id AND q.cascade_id <> r.cascade_id
  JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
  JOIN messages o ON o.contact_id = q.contact_id AND o.run_id = q.id
 WHERE r.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND o.state IN (3, 4, 5, 7, 8, 9, 10)
   AND o.submitted_at < m.submitted_at AND o.submitted_at > m.submitted_at - 86400000
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY m.contact_id, m.run_id, m.step, r.version_id, m.account_id, m.submitted_at, m.spent, m.cost, m.price;

-- name: put_double_messages
INSERT INTO double_messages (contact_id, run_id, step, version_id, account_id, submitted_at, after_ms, cost)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[],
                                    :c6::bigint[], :c7::bigint[], :c8::bigint[]) */
ON CONFLICT (contact_id, run_id, step) DO UPDATE
   SET version_id = excluded.version_id, account_id = excluded.account_id, submitted_at = excluded.submitted_at,
       after_ms = excluded.after_ms, cost = excluded.cost;

-- name: drop_double_messages
DELETE FROM double_messages
/* sqlite: WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 */
/* postgresql: USING unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[]) AS k (contact_id, run_id, step)
 WHERE double_messages.contact_id = k.contact_id AND double_messages.run_id = k.run_id
   AND double_messages.step = k.step */;

-- name: waste_dead
-- Messages to an address that was known to be invalid before they left. Calls go to the number of SMS (8). Begun with
-- such addresses (the CROSS JOIN says so to SQLite): most people have none. PostgreSQL does not join by IS NOT DISTINCT
-- FROM, so that it reads the JSON of their bodies only, not that of all.
SELECT r.version_id, m.step, m.account_id, count(*), sum(coalesce(m.spent, 0) + coalesce(m.cost, m.price))
  FROM addresses a CROSS JOIN runs r
  JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
  JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
 WHERE a.health = 1 AND r.contact_id = a.contact_id AND a.changed_at < m.submitted_at
   AND a.channel = CASE WHEN m.channel IN (9, 10) THEN 8 ELSE m.channel END
   AND a.value /* sqlite: = json_extract(b.body, '$.to') */ /* postgresql: IS NOT DISTINCT FROM CAST(b.body AS json) ->> 'to' */
   AND r.cascade_id = :cascade_id AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY r.version_id, m.step, m.account_id;

-- name: waste_texts
-- Texts of SMS (8) that have left, the latest contacts first. By runs, in this order on SQLite: cascades have fewer than
-- there are bodies.
SELECT r.version_id, m.step, m.account_id, coalesce(m.spent, 0) + coalesce(m.cost, m.price), b.body
  FROM runs r CROSS JOIN messages m CROSS JOIN message_bodies b
 WHERE m.contact_id = r.contact_id AND m.run_id = r.id
   AND b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
   AND r.cascade_id = :cascade_id AND m.channel = 8 AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 ORDER BY r.contact_id DESC LIMIT :limit;

-- name: waste_texts_of_many (sqlite)
-- The same where there are many more than :limit.
SELECT r.version_id, m.step, m.account_id, coalesce(m.spent, 0) + coalesce(m.cost, m.price), b.body
  FROM messages m CROSS JOIN runs r CROSS JOIN message_bodies b
 WHERE r.contact_id = m.contact_id AND r.id = m.run_id
   AND b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
   AND r.cascade_id = :cascade_id AND m.channel = 8 AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 ORDER BY m.contact_id DESC LIMIT :limit;

-- name: waste_texts_of_many (postgresql)
-- The same where there are many more than :limit. Message by message, so that it ends early: as a join all are looked at.
SELECT t.version_id, m.step, m.account_id, coalesce(m.spent, 0) + coalesce(m.cost, m.price), t.body
  FROM messages m
 CROSS JOIN LATERAL (SELECT r.version_id, b.body
                       FROM runs r JOIN message_bodies b ON b.contact_id = r.contact_id AND b.run_id = r.id
                      WHERE r.contact_id = m.contact_id AND r.id = m.run_id AND b.step = m.step
                        AND r.cascade_id = :cascade_id OFFSET 0) AS t
 WHERE m.channel = 8 AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 ORDER BY m.contact_id DESC LIMIT :limit;
