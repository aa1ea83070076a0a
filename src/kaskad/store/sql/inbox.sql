-- name: put_inbox (sqlite)
-- exception: a queue in the order of arrival, so not spread by contact.
-- What has arrived, made durable before it is answered.
INSERT INTO inbox (received_at, contact_id, run_id, step, kind, event, at, value)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8);

-- name: put_inbox (postgresql)
-- exception: a queue in the order of arrival, so not spread by contact.
-- What has arrived, made durable before it is answered.
INSERT INTO inbox (received_at, contact_id, run_id, step, kind, event, at, value)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::integer[], :c5::integer[], :c6::text[],
                     :c7::bigint[], :c8::text[]);

-- name: fence_runs
-- Wait for a tick that is deciding about these contacts, so that no timer overtakes what we are answering.
SELECT contact_id FROM runs
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND outcome IS NULL /* postgresql: ORDER BY contact_id, id FOR SHARE */;

-- name: inbox_contacts
SELECT contact_id FROM inbox
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: take_inbox
-- exception: a queue in the order of arrival, so not spread by contact.
SELECT id, contact_id, run_id, step, kind, event, at, value FROM inbox
 WHERE set_aside_at IS NULL
 ORDER BY id LIMIT :limit /* postgresql: FOR UPDATE SKIP LOCKED */;

-- name: take_inbox_among
-- Some of it, where it cannot be applied all at once.
SELECT id, contact_id, run_id, step, kind, event, at, value FROM inbox
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND set_aside_at IS NULL
 ORDER BY id /* postgresql: FOR UPDATE SKIP LOCKED */;

-- name: clear_inbox
DELETE FROM inbox WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: any_inbox
SELECT id FROM inbox WHERE set_aside_at IS NULL ORDER BY id LIMIT 1;

-- name: oldest_inbox
SELECT min(received_at) FROM inbox WHERE set_aside_at IS NULL;

-- name: put_orphans (sqlite)
-- A receipt that came before we knew the provider's id (E4).
INSERT INTO orphans (account_id, provider_id, received_at, kind, event, at, value)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7);

-- name: put_orphans (postgresql)
-- A receipt that came before we knew the provider's id (E4).
INSERT INTO orphans (account_id, provider_id, received_at, kind, event, at, value)
SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::bigint[], :c4::integer[], :c5::text[], :c6::bigint[],
                     :c7::text[]);

-- name: take_orphans (sqlite)
DELETE FROM orphans WHERE account_id = :c1 AND provider_id = :c2
RETURNING account_id, provider_id, kind, event, at, value;

-- name: take_orphans (postgresql)
DELETE FROM orphans o USING unnest(:c1::bigint[], :c2::text[]) AS k (account_id, provider_id)
 WHERE o.account_id = k.account_id AND o.provider_id = k.provider_id
RETURNING o.account_id, o.provider_id, o.kind, o.event, o.at, o.value;

-- name: known_orphans
-- Receipts whose provider's id became known in another process while they were put here.
SELECT p.contact_id, p.run_id, p.step, o.kind, o.event, o.at, o.value, o.id, o.account_id, o.provider_id,
       p.part
  FROM orphans o
  JOIN provider_ids p ON p.account_id = o.account_id AND p.provider_id = o.provider_id
 LIMIT :limit /* postgresql: FOR UPDATE OF o SKIP LOCKED */;

-- name: drop_orphans
DELETE FROM orphans WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: any_orphans
SELECT 1 FROM orphans LIMIT 1;

-- name: drop_old_orphans
DELETE FROM orphans WHERE received_at < :before;

-- name: put_raw_webhooks (sqlite)
INSERT INTO raw_webhooks (account_id, received_at, headers, body, problem) VALUES (:c1, :c2, :c3, :c4, :c5);

-- name: put_raw_webhooks (postgresql)
INSERT INTO raw_webhooks (account_id, received_at, headers, body, problem)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::text[], :c4::bytea[], :c5::text[]);

-- name: put_hits (sqlite)
-- An open (link -1) is kept only of a contact who may be tracked: the pixels of letters that went before a
-- withdrawal still answer, and leave no trace.
INSERT INTO hits (contact_id, run_id, step, link, at, method, ip, agent, judge_at)
SELECT :c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9
 WHERE :c4 <> -1 OR EXISTS (SELECT 1 FROM contacts WHERE id = :c1 AND tracking = 1);

-- name: put_hits (postgresql)
-- An open (link -1) is kept only of a contact who may be tracked: the pixels of letters that went before a
-- withdrawal still answer, and leave no trace.
INSERT INTO hits (contact_id, run_id, step, link, at, method, ip, agent, judge_at)
SELECT k.*
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[], :c6::text[],
              :c7::text[], :c8::text[], :c9::bigint[])
       AS k (contact_id, run_id, step, link, at, method, ip, agent, judge_at)
 WHERE k.link <> -1 OR EXISTS (SELECT 1 FROM contacts c WHERE c.id = k.contact_id AND c.tracking = 1);

-- name: count_hits (sqlite)
SELECT contact_id, run_id, step, count(*) FROM hits
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 GROUP BY contact_id, run_id, step;

-- name: count_hits (postgresql)
SELECT h.contact_id, h.run_id, h.step, count(*)
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN hits h ON h.contact_id = k.contact_id AND h.run_id = k.run_id AND h.step = k.step
 GROUP BY h.contact_id, h.run_id, h.step;

-- name: unjudged_messages
-- Messages with hits that are due to be judged: few of all, so begin with those.
SELECT DISTINCT contact_id, run_id, step FROM hits /* sqlite: INDEXED BY hits_unjudged */
 WHERE judge_at <= :now LIMIT :limit;

-- name: next_judgement
SELECT min(judge_at) FROM hits WHERE judge_at IS NOT NULL;

-- name: hits_of_message
SELECT id, at, method, link, ip, agent, actor, judge_at, reasons FROM hits
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step ORDER BY at, id;

-- name: judge_hit
UPDATE hits SET actor = :actor, reasons = :reasons, judge_at = NULL WHERE id = :id;

-- name: sent_at_of
SELECT sent_at, submitted_at, mask FROM messages
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step;

-- name: clicks_of_ips (sqlite)
-- The clicks of an IP address between two instants: (ip, from, to, how many at most).
SELECT ip, at, contact_id FROM hits WHERE ip = :c1 AND link >= 0 AND at BETWEEN :c2 AND :c3 ORDER BY at LIMIT :c4;

-- name: clicks_of_ips (postgresql)
-- The clicks of an IP address between two instants: (ip, from, to, how many at most).
SELECT h.ip, h.at, h.contact_id
  FROM unnest(:c1::text[], :c2::bigint[], :c3::bigint[], :c4::bigint[]) AS k (ip, since, until, most)
  CROSS JOIN LATERAL (SELECT ip, at, contact_id FROM hits
                       WHERE ip = k.ip AND link >= 0 AND at BETWEEN k.since AND k.until
                       ORDER BY at LIMIT k.most) AS h;

-- name: doubt_crowd
-- Clicks of an IP that were judged before it was known to click for many: they are judged again.
UPDATE hits SET judge_at = :now
 WHERE ip = :ip AND link >= 0 AND at BETWEEN :since AND :until AND judge_at IS NULL
   AND reasons NOT LIKE '%crowded_ip%';

-- name: judged_messages
-- Messages with hits since :since that were judged, in the order of their keys, after the one given.
SELECT DISTINCT contact_id, run_id, step FROM hits
 WHERE (contact_id, run_id, step) > (:contact_id, :run_id, :step) AND at >= :since AND judge_at IS NULL
 ORDER BY contact_id, run_id, step LIMIT :limit;

-- name: drop_fact
DELETE FROM facts
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND kind = :kind AND event = :event;

-- name: fact_kinds
SELECT DISTINCT kind FROM facts WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step;

-- name: mask_of
SELECT mask, state FROM messages WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step;

-- name: correct_message
UPDATE messages SET mask = :mask, state = :state
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step;

-- name: correct_outcome
-- What a run is said to have ended with, after facts were corrected; it stays ended.
UPDATE runs SET outcome = :outcome, outcome_step = :outcome_step, late = :late, seq = seq + 1
 WHERE contact_id = :contact_id AND id = :run_id AND seq = :seq AND outcome IS NOT NULL;
