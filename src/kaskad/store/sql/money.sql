-- What messages cost, and what of it need not have been paid. Seed contacts are in no figure; only what was handed
-- over from :since until before :until counts; where :cascade_id is 0, that of all cascades.
-- A message costs what its provider took for all its attempts, else its price once it has left us.

-- name: money_hours
-- By cascade, version, step, account and hour: messages that have left us and those under way, their prices and costs.
-- What has been refused or taken back since, or waits for another attempt, may have cost something before.
SELECT r.cascade_id, r.version_id, m.step, m.account_id, m.submitted_at / 3600000,
       sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN 1 ELSE 0 END),
       coalesce(sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END), 0),
       coalesce(sum(CASE WHEN m.state = 2 THEN 0 ELSE coalesce(m.spent, 0)
                    + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END) END), 0),
       coalesce(sum(CASE WHEN m.state = 2 THEN coalesce(m.spent, 0) + coalesce(m.cost, m.price) ELSE 0 END), 0)
  FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.submitted_at >= :since AND m.submitted_at < :until
   AND (m.state IN (2, 3, 4, 5, 7, 8, 9, 10) OR m.spent IS NOT NULL OR m.cost IS NOT NULL)
   AND (:cascade_id = 0 OR r.cascade_id = :cascade_id)
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY r.cascade_id, r.version_id, m.step, m.account_id, m.submitted_at / 3600000;

-- name: money_changes
-- How amounts changed after they were reserved: by account and why, how many and by how much together. An attempt
-- before another one (6) is paid besides it, so what it cost comes on top.
SELECT m.account_id, a.kind, count(*), sum(CASE WHEN a.kind = 6 THEN a.before ELSE a.after - a.before END)
  FROM amounts a JOIN messages m ON m.contact_id = a.contact_id AND m.run_id = a.run_id AND m.step = a.step
  JOIN runs r ON r.contact_id = a.contact_id AND r.id = a.run_id
 WHERE m.submitted_at >= :since AND m.submitted_at < :until
   AND (:cascade_id = 0 OR r.cascade_id = :cascade_id)
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY m.account_id, a.kind ORDER BY m.account_id, a.kind;

-- name: waste_late
-- Messages that left although the person had done something about another one of the run before: with what they did.
SELECT m.contact_id, m.run_id, m.step, r.version_id, m.account_id,
       coalesce(m.spent, 0) + coalesce(m.cost, m.price), o.step, o.channel, f.kind
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
  JOIN facts f ON f.contact_id = m.contact_id AND f.run_id = m.run_id AND f.step >= 0 AND f.step <> m.step
   AND f.kind IN (3, 4, 5, 6, 7, 20, 21) AND f.at < m.submitted_at
  JOIN messages o ON o.contact_id = f.contact_id AND o.run_id = f.run_id AND o.step = f.step
 WHERE r.cascade_id = :cascade_id AND r.outcome IS NOT NULL AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1);

-- name: waste_double
-- Messages that followed one of another cascade to the same person by less than :gap.
SELECT r.version_id, m.step, m.account_id, count(*), sum(coalesce(m.spent, 0) + coalesce(m.cost, m.price))
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND EXISTS (SELECT 1 FROM messages o JOIN runs q ON q.contact_id = o.contact_id AND q.id = o.run_id
                WHERE o.contact_id = m.contact_id AND q.cascade_id <> r.cascade_id
                  AND o.submitted_at < m.submitted_at AND o.submitted_at > m.submitted_at - :gap
                  AND o.state IN (3, 4, 5, 7, 8, 9, 10))
 GROUP BY r.version_id, m.step, m.account_id;

-- name: waste_dead
-- Messages to an address that was known to be invalid before they left. Calls go to the number of SMS (8).
SELECT r.version_id, m.step, m.account_id, count(*), sum(coalesce(m.spent, 0) + coalesce(m.cost, m.price))
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
  JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
  JOIN addresses a ON a.contact_id = m.contact_id
   AND a.channel = CASE WHEN m.channel IN (9, 10) THEN 8 ELSE m.channel END
   AND a.health = 1 AND a.changed_at < m.submitted_at
   AND a.value = /* sqlite: json_extract(b.body, '$.to') */ /* postgresql: CAST(b.body AS json) ->> 'to' */
 WHERE r.cascade_id = :cascade_id AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY r.version_id, m.step, m.account_id;

-- name: waste_failed
-- Messages that were paid for and have not arrived as far as anybody knows: failed (7, 8, 9), or never heard of (10).
SELECT r.version_id, m.step, m.account_id, CASE WHEN m.state = 10 THEN 1 ELSE 0 END, count(*),
       sum(coalesce(m.spent, 0) + coalesce(m.cost, m.price))
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND coalesce(m.spent, 0) + coalesce(m.cost, m.price) > 0
 GROUP BY r.version_id, m.step, m.account_id, CASE WHEN m.state = 10 THEN 1 ELSE 0 END;

-- name: waste_texts
-- Texts of SMS (8) that have left, the latest contacts first.
SELECT r.version_id, m.step, m.account_id, coalesce(m.spent, 0) + coalesce(m.cost, m.price), b.body
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
  JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
 WHERE r.cascade_id = :cascade_id AND m.channel = 8 AND m.submitted_at >= :since AND m.submitted_at < :until
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 ORDER BY r.contact_id DESC LIMIT :limit;
