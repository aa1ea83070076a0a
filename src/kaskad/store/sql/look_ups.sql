-- name: put_look_ups (sqlite)
INSERT INTO look_ups (account_id, provider_id, contact_id, run_id, step, sent_at, due_at)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7) ON CONFLICT DO NOTHING;

-- name: put_look_ups (postgresql)
INSERT INTO look_ups (account_id, provider_id, contact_id, run_id, step, sent_at, due_at)
SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::bigint[], :c4::bigint[], :c5::integer[],
                     :c6::bigint[], :c7::bigint[]) ON CONFLICT DO NOTHING;

-- name: first_look_up
SELECT MIN(due_at) FROM look_ups;

-- name: claim_look_ups
-- What is due, oldest first. Claiming puts it off to :again_at, so that what a process that dies has claimed comes
-- due again by itself.
UPDATE look_ups SET due_at = :again_at
 WHERE (account_id, provider_id) IN (
       SELECT account_id, provider_id FROM look_ups WHERE due_at <= :now
        ORDER BY due_at, account_id, provider_id LIMIT :limit /* postgresql: FOR UPDATE SKIP LOCKED */)
RETURNING account_id, provider_id, contact_id, run_id, step, sent_at, tries;

-- name: put_off_look_up
UPDATE look_ups SET tries = :tries, due_at = :due_at WHERE account_id = :account_id AND provider_id = :provider_id;

-- name: drop_look_up
DELETE FROM look_ups WHERE account_id = :account_id AND provider_id = :provider_id;
