-- name: add_api_key
INSERT INTO api_keys (id, name, hash, scopes, created_at)
SELECT coalesce(max(id), 0) + 1, :name, :hash, :scopes, :now FROM api_keys
RETURNING id;

-- name: api_keys
SELECT id, name, scopes, created_at, revoked_at, used_at FROM api_keys ORDER BY id;

-- name: api_key_by_hash
SELECT id, name, scopes, created_at, revoked_at, used_at FROM api_keys WHERE hash = :hash AND revoked_at IS NULL;

-- name: revoke_api_key
-- The name becomes free for another key.
UPDATE api_keys SET revoked_at = :now, name = name || ' (' || id || ')' WHERE name = :name AND revoked_at IS NULL;

-- name: use_api_key
UPDATE api_keys SET used_at = :now WHERE id = :id;

-- name: begin_idempotent
-- 0 rows where the key is known already.
INSERT INTO idempotency_keys (caller, name, request, created_at) VALUES (:caller, :name, :request, :now)
ON CONFLICT DO NOTHING;

-- name: idempotent
SELECT request, created_at, status, body FROM idempotency_keys WHERE caller = :caller AND name = :name;

-- name: mark_idempotent
-- In the transaction of what is carried out: 0 says that something was, and that its answer is not kept (yet). 0 rows
-- where the request has been given up since.
UPDATE idempotency_keys SET status = coalesce(status, 0)
 WHERE caller = :caller AND name = :name AND created_at = :now;

-- name: drop_unmarked
DELETE FROM idempotency_keys WHERE caller = :caller AND name = :name AND status IS NULL;

-- name: end_idempotent
UPDATE idempotency_keys SET status = :status, body = :body WHERE caller = :caller AND name = :name;

-- name: drop_idempotent
DELETE FROM idempotency_keys WHERE caller = :caller AND name = :name;

-- name: drop_old_idempotent
DELETE FROM idempotency_keys WHERE created_at < :before;

-- name: api_key_by_id
SELECT id, name, scopes, created_at, revoked_at, used_at FROM api_keys WHERE id = :id AND revoked_at IS NULL;

-- name: add_sign_in
INSERT INTO sign_ins (hash, expires_at) VALUES (:hash, :expires_at);

-- name: use_sign_in
-- 0 rows where it was used before or has expired.
DELETE FROM sign_ins WHERE hash = :hash AND expires_at > :now;

-- name: drop_old_sign_ins
DELETE FROM sign_ins WHERE expires_at <= :now;
