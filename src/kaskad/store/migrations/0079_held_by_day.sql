-- What is held for messages of a cascade by account and day, for budgets in another currency than the accounts'.

CREATE TABLE held_by_day (
    cascade_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    day        BIGINT NOT NULL,               -- of submission, in UTC; days since 1970
    amount     BIGINT NOT NULL,               -- minor units of the account's currency
    PRIMARY KEY (cascade_id, account_id, day)
) /* sqlite: WITHOUT ROWID */;

INSERT INTO held_by_day (cascade_id, account_id, day, amount)
SELECT r.cascade_id, m.account_id, m.submitted_at / 86400000,
       sum(coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (0, 6, 11, 12) THEN 0 ELSE m.price END))
  FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.submitted_at IS NOT NULL AND m.account_id IS NOT NULL
   AND (m.state NOT IN (0, 6, 11, 12) OR m.spent IS NOT NULL OR m.cost IS NOT NULL)
 GROUP BY r.cascade_id, m.account_id, m.submitted_at / 86400000;
