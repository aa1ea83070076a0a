-- name: save_account
-- By name: a new account gets the next id, a known one keeps its own.
INSERT INTO accounts (id, name, provider, channel, settings, secrets, priority, limits, prices, enabled, weight)
SELECT coalesce(max(id), 0) + 1, :name, :provider, :channel, :settings, :secrets, :priority,
       :limits, :prices, :enabled, :weight
  FROM accounts WHERE true
ON CONFLICT (name) DO UPDATE SET
       provider = excluded.provider, channel = excluded.channel, settings = excluded.settings,
       secrets = excluded.secrets, priority = excluded.priority,
       limits = excluded.limits, prices = excluded.prices, enabled = excluded.enabled, weight = excluded.weight
RETURNING id;

-- name: accounts
-- Also those that were deleted: what went through them is still reported.
SELECT id, name, provider, channel, settings, secrets, priority, limits, prices, enabled, weight
  FROM accounts ORDER BY channel, priority, id;

-- name: services
-- What the service of each account tells of messages, as bits of kinds of facts; and its prices.
SELECT id, tells, prices FROM accounts;

-- name: account_tells
SELECT id, provider, tells FROM accounts;

-- name: put_account_tells
UPDATE accounts SET tells = :tells WHERE id = :id;

-- name: live_accounts
-- In the order in which they are asked.
SELECT id, name, provider, channel, settings, secrets, priority, limits, prices, enabled, weight
  FROM accounts WHERE deleted_at IS NULL ORDER BY channel, priority, id;

-- name: delete_account
-- The row stays without its secrets, so that its id, which messages keep, never becomes another account's.
UPDATE accounts SET deleted_at = :now, name = name || ' (' || id || ')', secrets = :secrets, enabled = 0
 WHERE name = :name AND deleted_at IS NULL;

-- name: queue_lengths
-- Messages that wait for each account; no more are counted than :most, so that it takes as long however many wait.
SELECT a.id, (SELECT count(*) FROM (
           SELECT 1 FROM messages m WHERE m.account_id = a.id AND m.not_before IS NOT NULL LIMIT :most) AS counted)
  FROM accounts a;

-- name: put_account_secrets
UPDATE accounts SET secrets = :secrets WHERE id = :id;

-- name: account_holds
SELECT account_id, held_at, why FROM account_holds;

-- name: hold_account
INSERT INTO account_holds (account_id, held_at, why) VALUES (:account_id, :now, :why)
ON CONFLICT (account_id) DO NOTHING;

-- name: resume_account
DELETE FROM account_holds WHERE account_id = :account_id;

-- name: count_failures
-- How many hand-overs of an account have ended otherwise than accepted since an instant; no more are counted than :most.
SELECT count(*) FROM (
    SELECT 1 FROM attempts WHERE account_id = :account_id AND ended_at >= :since LIMIT :most
) AS counted;

-- name: last_failure
SELECT ended_at, reason, detail FROM attempts WHERE account_id = :account_id ORDER BY ended_at DESC LIMIT 1;

-- name: enable_account
UPDATE accounts SET enabled = :enabled WHERE name = :name AND deleted_at IS NULL;
