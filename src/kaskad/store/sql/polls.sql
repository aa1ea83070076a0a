-- name: claim_poll
-- One process polls an account: its holder goes on, another takes over once that is silent (or at once, :force).
INSERT INTO polls (account_id, holder, held_until) VALUES (:account_id, :holder, :until)
ON CONFLICT (account_id) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
 WHERE polls.holder = excluded.holder OR polls.held_until < :now OR :force = 1
RETURNING cursor;

-- name: advance_poll
-- 0 rows: another process has taken over meanwhile, and goes on where it finds the cursor.
UPDATE polls SET cursor = :cursor WHERE account_id = :account_id AND holder = :holder;

-- name: release_poll
UPDATE polls SET held_until = 0 WHERE account_id = :account_id AND holder = :holder;
