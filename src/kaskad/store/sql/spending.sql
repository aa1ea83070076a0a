-- What is held for messages, by account and the day of their submission; kept while the policy has budgets.

-- name: lock_spending
-- Whoever spends by budgets does so alone until its transaction ends.
SELECT name FROM settings WHERE name = 'policy' /* postgresql: FOR UPDATE */;

-- name: spent_since
SELECT account_id, day, amount FROM spending WHERE day >= :day;

-- name: add_spending (sqlite)
INSERT INTO spending (account_id, day, amount) VALUES (:c1, :c2, :c3)
ON CONFLICT (account_id, day) DO UPDATE SET amount = spending.amount + excluded.amount;

-- name: add_spending (postgresql)
INSERT INTO spending (account_id, day, amount) SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[])
ON CONFLICT (account_id, day) DO UPDATE SET amount = spending.amount + excluded.amount;

-- name: clear_spending
DELETE FROM spending WHERE day < :day;

-- name: spent_by_quarter
-- What is held for messages since an instant, by account and quarter of an hour of their submission.
-- What waits, or was refused or taken back, holds no price; attempts before may have cost something.
SELECT account_id, submitted_at / 900000,
       sum(coalesce(spent, 0) + coalesce(cost, CASE WHEN state IN (0, 6, 11, 12) THEN 0 ELSE price END))
  FROM messages
 WHERE submitted_at >= :since AND account_id IS NOT NULL
   AND (state NOT IN (0, 6, 11, 12) OR spent IS NOT NULL OR cost IS NOT NULL)
 GROUP BY account_id, submitted_at / 900000;
