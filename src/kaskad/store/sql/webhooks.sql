-- name: add_webhook
INSERT INTO webhooks (id, url, description, types, secrets, enabled, created_at)
SELECT coalesce(max(id), 0) + 1, :url, :description, :types, :secrets, :enabled, :now FROM webhooks
RETURNING id;

-- name: webhooks
SELECT id, url, description, types, secrets, enabled, disabled_why, created_at FROM webhooks ORDER BY id;

-- name: change_webhook
UPDATE webhooks SET url = :url, description = :description, types = :types, enabled = :enabled,
       disabled_why = CASE WHEN :enabled = 1 THEN '' ELSE disabled_why END
 WHERE id = :id;

-- name: put_webhook_secrets
UPDATE webhooks SET secrets = :secrets WHERE id = :id;

-- name: disable_webhook
UPDATE webhooks SET enabled = 0, disabled_why = :why WHERE id = :id AND enabled = 1;

-- name: delete_webhook
DELETE FROM webhooks WHERE id = :id;

-- name: put_outbox (sqlite)
INSERT INTO outbox (at, contact_id, run_id, step, type, once, detail) VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7);

-- name: put_outbox (postgresql)
INSERT INTO outbox (at, contact_id, run_id, step, type, once, detail)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::integer[], :c5::text[], :c6::text[],
                     :c7::text[]);

-- name: outbox
-- What is to be worded next, with what is known of its run, message and contact; the oldest first.
SELECT o.id, o.at, o.contact_id, o.run_id, o.step, o.type, o.once, o.detail, r.version_id, r.cascade_id, m.channel,
       c.external_id, r.holdout
  FROM (SELECT id, at, contact_id, run_id, step, type, once, detail FROM outbox ORDER BY id LIMIT :limit) AS o
  LEFT JOIN runs r ON r.contact_id = o.contact_id AND r.id = o.run_id
  LEFT JOIN messages m ON m.contact_id = o.contact_id AND m.run_id = o.run_id AND m.step = o.step
  LEFT JOIN contacts c ON c.id = o.contact_id
 ORDER BY o.id;

-- name: clear_outbox
DELETE FROM outbox WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: put_deliveries (sqlite)
-- Told once for each webhook: the same event again is dropped.
INSERT INTO deliveries (webhook_id, message_id, type, body, created_at, next_at) VALUES (:c1, :c2, :c3, :c4, :c5, :c5)
ON CONFLICT (webhook_id, message_id) DO NOTHING;

-- name: put_deliveries (postgresql)
-- Told once for each webhook: the same event again is dropped.
INSERT INTO deliveries (webhook_id, message_id, type, body, created_at, next_at)
SELECT k.webhook_id, k.message_id, k.type, k.body, k.now, k.now
  FROM unnest(:c1::bigint[], :c2::text[], :c3::text[], :c4::text[], :c5::bigint[])
       AS k (webhook_id, message_id, type, body, now)
ON CONFLICT (webhook_id, message_id) DO NOTHING;

-- name: failing_webhooks
-- Webhooks for which something waits that was tried in vain, with the last answer, how often, and since when the
-- oldest of it waits. What is told again has its answer still, and was tried 0 times.
SELECT webhook_id, max(answer), max(attempts), min(created_at) FROM deliveries
 WHERE next_at IS NOT NULL AND (attempts > 1 OR answer <> '')
 GROUP BY webhook_id;

-- name: due_delivery
SELECT 1 FROM deliveries WHERE webhook_id = :webhook_id AND next_at <= :now LIMIT 1;

-- name: delivery_of
SELECT 1 FROM deliveries WHERE webhook_id = :webhook_id AND message_id = :message_id;

-- name: claim_deliveries
-- Begin the attempts that are due. One whose process dies comes due again at :again_at.
UPDATE deliveries SET attempts = attempts + 1, next_at = :again_at
 WHERE id IN (SELECT id FROM deliveries WHERE webhook_id = :webhook_id AND next_at <= :now
               ORDER BY next_at LIMIT :limit /* postgresql: FOR UPDATE SKIP LOCKED */)
RETURNING id, message_id, type, body, attempts;

-- name: give_back_delivery
-- What was claimed and not begun: its receiver is gone, or the server stops.
UPDATE deliveries SET attempts = attempts - 1, next_at = :now
 WHERE id = :id AND attempts = :attempts AND state = 0;

-- name: end_delivery
-- Only of the attempt that was begun: a slow one whose turn was taken meanwhile says nothing any more.
UPDATE deliveries SET state = :state, next_at = :next_at, ended_at = :ended_at, answer = :answer
 WHERE id = :id AND attempts = :attempts AND state = 0;

-- name: last_delivery
SELECT coalesce(max(id), 0) FROM deliveries;

-- name: deliveries_to_replay
-- What was given up (:state 2), or waits for a later attempt (0); what is due before :later may be under way.
SELECT id FROM deliveries
 WHERE webhook_id = :webhook_id AND state = :state AND id > :after AND id <= :last AND created_at >= :since
   AND (state = 2 OR (attempts > 0 AND next_at > :later))
 ORDER BY id LIMIT :limit;

-- name: replay_deliveries
-- They are tried now as if for the first time, unless meanwhile they have begun, or were taken.
UPDATE deliveries SET attempts = 0, state = 0, next_at = :now, ended_at = NULL
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND (state = 2 OR (state = 0 AND attempts > 0 AND next_at > :later))
RETURNING id;

-- name: replay_delivery
-- The same of one, also where it was taken: its answer then is no sign that the receiver fails.
UPDATE deliveries SET attempts = 0, state = 0, next_at = :now, ended_at = NULL,
       answer = CASE WHEN state = 1 THEN '' ELSE answer END
 WHERE webhook_id = :webhook_id AND message_id = :message_id AND created_at >= :since
   AND (state <> 0 OR (attempts > 0 AND next_at > :later));

-- name: deliveries
-- :state -1 is all. Those of each state lie together, in the order of their ids.
SELECT id, message_id, type, body, created_at, next_at, ended_at, state, attempts, answer FROM deliveries
 WHERE id IN (
       SELECT id FROM (SELECT id FROM deliveries
                        WHERE webhook_id = :webhook_id AND state = 0 AND :state IN (-1, 0) AND id > :after
                        ORDER BY id LIMIT :limit) AS waiting
       UNION ALL
       SELECT id FROM (SELECT id FROM deliveries
                        WHERE webhook_id = :webhook_id AND state = 1 AND :state IN (-1, 1) AND id > :after
                        ORDER BY id LIMIT :limit) AS delivered
       UNION ALL
       SELECT id FROM (SELECT id FROM deliveries
                        WHERE webhook_id = :webhook_id AND state = 2 AND :state IN (-1, 2) AND id > :after
                        ORDER BY id LIMIT :limit) AS given_up)
 ORDER BY id LIMIT :limit;

-- name: latest_deliveries
-- The newest first, those before :before; :state -1 is all.
SELECT id, message_id, type, body, created_at, next_at, ended_at, state, attempts, answer FROM deliveries
 WHERE id IN (
       SELECT id FROM (SELECT id FROM deliveries
                        WHERE webhook_id = :webhook_id AND state = 0 AND :state IN (-1, 0) AND id < :before
                        ORDER BY id DESC LIMIT :limit) AS waiting
       UNION ALL
       SELECT id FROM (SELECT id FROM deliveries
                        WHERE webhook_id = :webhook_id AND state = 1 AND :state IN (-1, 1) AND id < :before
                        ORDER BY id DESC LIMIT :limit) AS delivered
       UNION ALL
       SELECT id FROM (SELECT id FROM deliveries
                        WHERE webhook_id = :webhook_id AND state = 2 AND :state IN (-1, 2) AND id < :before
                        ORDER BY id DESC LIMIT :limit) AS given_up)
 ORDER BY id DESC LIMIT :limit;

-- name: count_deliveries
-- By webhook and state, with when the first of those that wait came to be. Counted in an index, without the bodies.
SELECT k.webhook_id, k.state, k.many, CASE WHEN k.state = 0 THEN d.created_at END
  FROM (SELECT webhook_id, state, count(*) AS many, min(id) AS first FROM deliveries GROUP BY webhook_id, state) AS k
  JOIN deliveries d ON d.id = k.first;

-- name: drop_deliveries_of
-- Some of them, so that other writes need not wait for a long list.
DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE webhook_id = :webhook_id LIMIT :limit);

-- name: drop_old_deliveries
DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE ended_at < :before LIMIT :limit);
