-- All that is kept encrypted, to be written anew under another key: `store/sealed.py`.

-- name: sealed_accounts
SELECT id, secrets FROM accounts;

-- name: seal_account
UPDATE accounts SET secrets = :token WHERE id = :key;

-- name: sealed_webhooks
SELECT id, secrets FROM webhooks;

-- name: seal_webhook
UPDATE webhooks SET secrets = :token WHERE id = :key;

-- name: sealed_sites
SELECT id, secret FROM sites;

-- name: seal_site
UPDATE sites SET secret = :token WHERE id = :key;

-- name: sealed_users
SELECT id, totp FROM users WHERE totp IS NOT NULL;

-- name: seal_user
UPDATE users SET totp = :token WHERE id = :key;

-- name: sealed_searches
SELECT erasure_id, told FROM erasure_searches;

-- name: seal_search
UPDATE erasure_searches SET told = :token WHERE erasure_id = :key;

-- name: sealed_pages
SELECT account_id, number, lines FROM crm_pages;

-- name: seal_page
UPDATE crm_pages SET lines = :token WHERE account_id = :key AND number = :more;

-- name: sealed_answers
SELECT caller, name, body FROM idempotency_keys WHERE body IS NOT NULL;

-- name: seal_answer
UPDATE idempotency_keys SET body = :token WHERE caller = :key AND name = :more;
