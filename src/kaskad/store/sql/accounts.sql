-- name: save_account
-- By name: a new account gets the next id, a known one keeps its own.
INSERT INTO accounts (id, name, provider, channel, settings, secrets, priority, limits, prices, enabled)
SELECT coalesce(max(id), 0) + 1, :name, :provider, :channel, :settings, :secrets, :priority,
       :limits, :prices, :enabled
  FROM accounts WHERE true
ON CONFLICT (name) DO UPDATE SET
       provider = excluded.provider, channel = excluded.channel, settings = excluded.settings,
       secrets = excluded.secrets, priority = excluded.priority,
       limits = excluded.limits, prices = excluded.prices, enabled = excluded.enabled
RETURNING id;

-- name: accounts
-- In the order in which they are asked.
SELECT id, name, provider, channel, settings, secrets, priority, limits, prices, enabled
  FROM accounts ORDER BY channel, priority, id;

-- name: put_account_secrets
UPDATE accounts SET secrets = :secrets WHERE id = :id;
