-- What messages cost, by the hour of their submission, as sums of money are told (domain/spent.py). What was counted
-- already is taken over from the legs; what these did not say is told once all runs are counted anew, a piece after
-- each tick.

CREATE TABLE spent_counts (
    hour       INTEGER NOT NULL,              -- since 1970 UTC
    version_id INTEGER NOT NULL,
    step       INTEGER NOT NULL,
    account_id BIGINT NOT NULL,               -- 0: none
    kind       TEXT NOT NULL,                 -- of domain/spent.py
    messages   BIGINT NOT NULL,
    price      BIGINT NOT NULL,               -- minor units
    cost       BIGINT NOT NULL,
    PRIMARY KEY (hour, version_id, step, account_id, kind)
) /* sqlite: WITHOUT ROWID */;

INSERT INTO spent_counts (hour, version_id, step, account_id, kind, messages, price, cost)
WITH legs AS (
    SELECT k.hour, k.version_id, k.messages,
           CAST(/* sqlite: p.detail */ /* postgresql: CAST(p.detail AS json) */ ->> 1 AS BIGINT) AS step,
           CAST(/* sqlite: p.detail */ /* postgresql: CAST(p.detail AS json) */ ->> 3 AS BIGINT) AS state,
           coalesce(CAST(/* sqlite: p.detail */ /* postgresql: CAST(p.detail AS json) */ ->> 5 AS BIGINT), 0)
               AS account_id,
           CAST(/* sqlite: p.detail */ /* postgresql: CAST(p.detail AS json) */ ->> 8 AS BIGINT) AS price,
           CAST(/* sqlite: p.detail */ /* postgresql: CAST(p.detail AS json) */ ->> 9 AS BIGINT) AS cost
      FROM leg_counts k JOIN course_parts p ON p.id = k.part_id WHERE k.hours = 1
), kinds AS (
    SELECT '' AS kind UNION ALL SELECT 'failed' UNION ALL SELECT 'unheard'
)
SELECT hour, version_id, step, account_id, kind,
       sum(CASE WHEN kind <> '' OR state IN (3, 4, 5, 7, 8, 9, 10) THEN messages ELSE 0 END),
       sum(CASE WHEN kind = '' THEN messages * price ELSE 0 END), sum(messages * cost)
  FROM legs JOIN kinds ON (kind = '' AND (state IN (3, 4, 5, 7, 8, 9, 10) OR cost <> 0))
                       OR (kind = 'failed' AND state IN (7, 8, 9) AND cost <> 0)
                       OR (kind = 'unheard' AND state = 10 AND cost <> 0)
 GROUP BY hour, version_id, step, account_id, kind;

INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs;
