-- name: put_opt_in
-- A message that is written again asks for the same link again.
INSERT INTO opt_ins (token_hash, contact_id, account_id, created_at, expires_at, purpose, confirm, topic, consent)
VALUES (:token_hash, :contact_id, :account_id, :created_at, :expires_at, :purpose, :confirm, :topic, :consent)
ON CONFLICT DO NOTHING;

-- name: opt_in
SELECT contact_id, account_id, expires_at, used_at, purpose, confirm, tries, topic, consent, address, token_hash
  FROM opt_ins WHERE token_hash = :token_hash;

-- name: asked_opt_in
-- The link that a chat opened and has not confirmed yet; the newest, should there be several.
SELECT contact_id, account_id, expires_at, used_at, purpose, confirm, tries, topic, consent, address, token_hash
  FROM opt_ins WHERE account_id = :account_id AND address = :address AND used_at IS NULL
 ORDER BY created_at DESC LIMIT 1;

-- name: ask_opt_in
UPDATE opt_ins SET address = :address WHERE token_hash = :token_hash AND used_at IS NULL;

-- name: miss_opt_in
UPDATE opt_ins SET tries = tries + 1 WHERE token_hash = :token_hash AND used_at IS NULL;

-- name: use_opt_in
-- 0 rows: somebody else was quicker.
UPDATE opt_ins SET used_at = :at, address = :address WHERE token_hash = :token_hash AND used_at IS NULL;

-- name: drop_old_opt_ins
-- The proof stands with the consent; a link is remembered a while longer, so that the answer to it is right.
DELETE FROM opt_ins WHERE expires_at < :before;

-- name: phones_of
SELECT value FROM addresses WHERE contact_id = :contact_id AND channel IN (8, 9, 10);

-- name: revive_addresses (sqlite)
-- The chat answers again: good, unless it is suppressed.
UPDATE addresses SET health = 0, changed_at = :c4
 WHERE contact_id = :c1 AND channel = :c2 AND value = :c3 AND health = 1;

-- name: revive_addresses (postgresql)
-- The chat answers again: good, unless it is suppressed.
UPDATE addresses a SET health = 0, changed_at = k.at
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::bigint[]) AS k (contact_id, channel, value, at)
 WHERE a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value AND a.health = 1;
