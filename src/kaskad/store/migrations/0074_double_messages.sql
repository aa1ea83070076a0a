-- Messages that followed one of another cascade to the same person within a day (store/doubles.py), kept as they are
-- counted: so they need not be looked for among all who have been in several cascades.

CREATE TABLE double_messages (
    contact_id   BIGINT NOT NULL,
    submitted_at BIGINT NOT NULL,
    cost         BIGINT NOT NULL,               -- minor units
    after_ms     INTEGER NOT NULL,              -- since the latest message of another cascade
    run_id       INTEGER NOT NULL,
    step         INTEGER NOT NULL,
    version_id   INTEGER NOT NULL,
    account_id   BIGINT NOT NULL,               -- 0: none
    PRIMARY KEY (contact_id, run_id, step)
) /* by contact */;
CREATE INDEX double_messages_sent ON double_messages (version_id, submitted_at, after_ms, step, account_id, cost);

INSERT INTO double_messages (contact_id, run_id, step, version_id, account_id, submitted_at, after_ms, cost)
WITH several AS MATERIALIZED (
    SELECT contact_id FROM runs GROUP BY contact_id HAVING min(cascade_id) <> max(cascade_id)
)
SELECT m.contact_id, m.run_id, m.step, r.version_id, coalesce(m.account_id, 0), m.submitted_at,
       min(m.submitted_at - o.submitted_at), coalesce(m.spent, 0) + coalesce(m.cost, m.price)
  FROM several s CROSS JOIN runs r
  JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
  JOIN runs q ON q.contact_id = r.contact_id AND q.cascade_id <> r.cascade_id
  JOIN messages o ON o.contact_id = q.contact_id AND o.run_id = q.id
 WHERE r.contact_id = s.contact_id AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND o.state IN (3, 4, 5, 7, 8, 9, 10)
   AND o.submitted_at < m.submitted_at AND o.submitted_at > m.submitted_at - 86400000
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY m.contact_id, m.run_id, m.step, r.version_id, m.account_id, m.submitted_at, m.spent, m.cost, m.price;
