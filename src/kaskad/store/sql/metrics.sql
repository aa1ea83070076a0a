-- name: metric_messages
-- Every message and skip, by channel, state and account, and what they cost in minor units: the provider's figure,
-- else the price of what it took. A scan of the whole table: asked for rarely.
SELECT channel, state, account_id, count(*),
       coalesce(sum(coalesce(spent, 0) + coalesce(cost, CASE WHEN state IN (3, 4, 5, 7, 8, 9, 10) THEN price ELSE 0 END)), 0)
  FROM messages GROUP BY channel, state, account_id;

-- name: metric_live_runs
SELECT cascade_id, count(*) FROM runs WHERE outcome IS NULL GROUP BY cascade_id;

-- name: metric_inbox
SELECT count(*), min(received_at) FROM inbox;
