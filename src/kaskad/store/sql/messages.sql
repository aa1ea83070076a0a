-- name: messages_of_runs (sqlite)
-- hot
-- example: [[1, 1]]
SELECT contact_id, run_id, step, channel, state, mask, submitted_at, sent_at, attempt, account_id, price, reason,
       deadline_at, cost, spent
  FROM messages WHERE contact_id = :c1 AND run_id = :c2;

-- name: messages_of_runs (postgresql)
-- hot
-- example: [[1, 1]]
SELECT m.contact_id, m.run_id, m.step, m.channel, m.state, m.mask, m.submitted_at, m.sent_at, m.attempt,
       m.account_id, m.price, m.reason, m.deadline_at, m.cost, m.spent
  FROM unnest(:c1::bigint[], :c2::bigint[]) AS k (contact_id, run_id)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id;

-- name: touches_of
-- hot
-- What left us for these contacts since :since, for the frequency caps.
-- example: {"ids": [1], "since": 0}
SELECT contact_id, submitted_at, run_id, channel, lane FROM messages
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND submitted_at >= :since AND state NOT IN (0, 1, 6, 11, 12);

-- name: load_messages (sqlite)
-- hot
-- example: [[1, 1, 0]]
SELECT contact_id, run_id, step, channel, state, mask, cost, attempt, submitted_at, price, account_id, spent
  FROM messages
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: load_messages (postgresql)
-- hot
-- example: [[1, 1, 0]]
SELECT m.contact_id, m.run_id, m.step, m.channel, m.state, m.mask, m.cost, m.attempt, m.submitted_at, m.price,
       m.account_id, m.spent
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
   FOR UPDATE OF m;

-- name: load_refused (sqlite)
-- hot
-- What `load_messages` tells, and of which cascade the run is.
-- example: [[1, 1, 0]]
SELECT m.contact_id, m.run_id, m.step, m.channel, m.state, m.mask, m.cost, m.attempt, m.submitted_at, m.price,
       m.account_id, r.cascade_id
  FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.contact_id = :c1 AND m.run_id = :c2 AND m.step = :c3;

-- name: load_refused (postgresql)
-- hot
-- What `load_messages` tells, and of which cascade the run is.
-- example: [[1, 1, 0]]
SELECT m.contact_id, m.run_id, m.step, m.channel, m.state, m.mask, m.cost, m.attempt, m.submitted_at, m.price,
       m.account_id, r.cascade_id
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
  JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
   FOR UPDATE OF m;

-- name: accounts_of_messages (sqlite)
SELECT contact_id, run_id, step, account_id FROM messages WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: accounts_of_messages (postgresql)
SELECT m.contact_id, m.run_id, m.step, m.account_id
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step;

-- name: put_messages (sqlite)
-- hot
-- A message that is queued, submitted or skipped; c13, c14: why it is submitted, and the run's seq then.
-- One that has left us is never written again: 0 rows then. Of one that was refused, and is skipped after all, it is
-- still known when it went last, and by which account: what that tells of it, and takes for it, counts there.
-- example: [[1, 99, 0, 1, 2, null, null, 1, 3, null, 5, 10, 7, 0]]
INSERT INTO messages (contact_id, run_id, step, channel, state, reason, variant, account_id, lane, not_before,
                      submitted_at, price, why, why_seq, attempt)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, :c11, :c12, :c13, :c14, :c5 = 2)
ON CONFLICT (contact_id, run_id, step) DO UPDATE SET
       channel = excluded.channel, state = excluded.state, reason = excluded.reason,
       variant = excluded.variant, lane = excluded.lane, not_before = excluded.not_before,
       account_id = CASE WHEN messages.submitted_at IS NULL THEN excluded.account_id
                         ELSE coalesce(excluded.account_id, messages.account_id) END,
       submitted_at = coalesce(excluded.submitted_at, messages.submitted_at), sent_at = NULL,
       price = excluded.price, why = excluded.why, why_seq = excluded.why_seq,
       attempt = messages.attempt + excluded.attempt
 WHERE messages.state IN (0, 1);

-- name: put_messages (postgresql)
-- hot
-- A message that is queued, submitted or skipped; c13, c14: why it is submitted, and the run's seq then.
-- One that has left us is never written again: 0 rows then. Of one that was refused, and is skipped after all, it is
-- still known when it went last, and by which account: what that tells of it, and takes for it, counts there.
-- example: [[1, 99, 0, 1, 2, null, null, 1, 3, null, 5, 10, 7, 0]]
INSERT INTO messages (contact_id, run_id, step, channel, state, reason, variant, account_id, lane, not_before,
                      submitted_at, price, why, why_seq, attempt)
SELECT k.*, (k.state = 2)::integer
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::integer[], :c6::integer[],
              :c7::integer[], :c8::bigint[], :c9::integer[], :c10::bigint[], :c11::bigint[], :c12::bigint[],
              :c13::bigint[], :c14::integer[])
       AS k (contact_id, run_id, step, channel, state, reason, variant, account_id, lane, not_before,
             submitted_at, price, why, why_seq)
ON CONFLICT (contact_id, run_id, step) DO UPDATE SET
       channel = excluded.channel, state = excluded.state, reason = excluded.reason,
       variant = excluded.variant, lane = excluded.lane, not_before = excluded.not_before,
       account_id = CASE WHEN messages.submitted_at IS NULL THEN excluded.account_id
                         ELSE coalesce(excluded.account_id, messages.account_id) END,
       submitted_at = coalesce(excluded.submitted_at, messages.submitted_at), sent_at = NULL,
       price = excluded.price, why = excluded.why, why_seq = excluded.why_seq,
       attempt = messages.attempt + excluded.attempt
 WHERE messages.state IN (0, 1);

-- name: submit_messages (sqlite)
-- hot
-- New messages, submitted at once: c9, c10: why, and the run's seq then. A conflict, where there already is one:
-- on PostgreSQL looking for that beforehand is a fourth of an insert's time.
-- example: [[1, 98, 0, 1, 1, 3, 5, 10, 7, 0]]
INSERT INTO messages (contact_id, run_id, step, channel, account_id, lane, submitted_at, price, why, why_seq, state,
                      attempt)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, 2, 1);

-- name: submit_messages (postgresql)
-- hot
-- New messages, submitted at once: c9, c10: why, and the run's seq then. A conflict, where there already is one:
-- on PostgreSQL looking for that beforehand is a fourth of an insert's time.
-- example: [[1, 98, 0, 1, 1, 3, 5, 10, 7, 0]]
INSERT INTO messages (contact_id, run_id, step, channel, account_id, lane, submitted_at, price, why, why_seq, state,
                      attempt)
SELECT k.*, 2, 1
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[], :c6::integer[],
              :c7::bigint[], :c8::bigint[], :c9::bigint[], :c10::integer[]) AS k;

-- name: accept_messages (sqlite)
-- hot
-- The provider took them. A receipt that was quicker has already said more, so the state only grows.
-- example: [[1, 1, 0, 2, 5, null]]
UPDATE messages SET state = CASE WHEN state IN (1, 2) AND :c4 <> 0 THEN 3 ELSE state END, mask = mask | :c4,
       not_before = CASE WHEN :c4 <> 0 THEN NULL ELSE not_before END,
       sent_at = coalesce(sent_at, :c5), cost = coalesce(:c6, cost)
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: accept_messages (postgresql)
-- hot
-- The provider took them. A receipt that was quicker has already said more, so the state only grows.
-- example: [[1, 1, 0, 2, 5, null]]
UPDATE messages m SET state = CASE WHEN m.state IN (1, 2) AND k.mask <> 0 THEN 3 ELSE m.state END,
       mask = m.mask | k.mask, not_before = CASE WHEN k.mask <> 0 THEN NULL ELSE m.not_before END,
       sent_at = coalesce(m.sent_at, k.at), cost = coalesce(k.cost, m.cost)
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[], :c5::bigint[], :c6::bigint[])
       AS k (contact_id, run_id, step, mask, at, cost)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step;

-- name: fold_messages (sqlite)
-- hot
-- New facts: the mask is their union, the state follows from it.
-- example: [[1, 1, 0, 6, 4, null, null]]
UPDATE messages SET mask = mask | :c4, state = :c5, cost = coalesce(:c6, cost),
       not_before = CASE WHEN :c5 = 1 THEN not_before END, reason = coalesce(:c7, reason)
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: fold_messages (postgresql)
-- hot
-- New facts: the mask is their union, the state follows from it.
-- example: [[1, 1, 0, 6, 4, null, null]]
UPDATE messages m SET mask = m.mask | k.mask, state = k.state, cost = coalesce(k.cost, m.cost),
       not_before = CASE WHEN k.state = 1 THEN m.not_before END, reason = coalesce(k.reason, m.reason)
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[], :c5::integer[], :c6::bigint[],
              :c7::integer[])
       AS k (contact_id, run_id, step, mask, state, cost, reason)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step;

-- name: leave_by_messages (sqlite)
-- The person opted out after these messages: what they are stays as it is.
UPDATE messages SET mask = mask | 8192 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: leave_by_messages (postgresql)
-- The person opted out after these messages: what they are stays as it is.
UPDATE messages m SET mask = m.mask | 8192
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step;

-- name: arrived_of_runs
-- The messages of these runs that have arrived, and when they were submitted.
SELECT contact_id, run_id, step, channel, submitted_at FROM arrivals
/* sqlite: WHERE contact_id = :c1 AND run_id = :c2 */
/* postgresql: WHERE (contact_id, run_id) IN (SELECT * FROM unnest(:c1::bigint[], :c2::bigint[])) */
   AND arrived = 1 AND submitted_at IS NOT NULL;

-- name: deliver_messages (sqlite)
-- hot
-- Plain delivery receipts, which move no run. What the state becomes is `state_of`'s, and tested against it.
-- Not of what had failed: that may change what it costs. Told by ranges and
-- pairs, as SQLite makes a table for every longer list, and that for each row (half of the time).
-- example: [[1, 1, 0]]
UPDATE messages SET mask = mask | 4, state = CASE WHEN state IN (5, 8) THEN state ELSE 4 END
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3
   AND state BETWEEN 2 AND 10 AND state NOT IN (6, 7) AND state <> 9;

-- name: deliver_messages (postgresql)
-- hot
-- Plain delivery receipts, which move no run. What the state becomes is `state_of`'s, and tested against it.
-- Not of what had failed: that may change what it costs.
-- example: [[1, 1, 0]]
UPDATE messages m SET mask = m.mask | 4, state = CASE WHEN m.state IN (5, 8) THEN m.state ELSE 4 END
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step AND m.state IN (2, 3, 4, 5, 8, 10);

-- name: keep_reasons (sqlite)
-- Why messages were submitted, before they are submitted again for another reason.
INSERT INTO decisions (contact_id, run_id, seq, at, input_id)
SELECT contact_id, run_id, why_seq, submitted_at, why FROM messages
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND why IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: keep_reasons (postgresql)
-- Why messages were submitted, before they are submitted again for another reason.
INSERT INTO decisions (contact_id, run_id, seq, at, input_id)
SELECT m.contact_id, m.run_id, m.why_seq, m.submitted_at, m.why
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
 WHERE m.why IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: requeue_messages (sqlite)
-- It is proven that nothing was accepted (c6: 1, so nothing is reserved any more), or the key makes repeating safe:
-- handed over again later.
UPDATE messages SET state = 1, not_before = :c4, account_id = :c5, price = CASE WHEN :c6 = 1 THEN 0 ELSE price END
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND state IN (1, 2);

-- name: requeue_messages (postgresql)
-- It is proven that nothing was accepted (c6: 1, so nothing is reserved any more), or the key makes repeating safe:
-- handed over again later.
UPDATE messages m SET state = 1, not_before = k.not_before, account_id = k.account_id,
       price = CASE WHEN k.released = 1 THEN 0 ELSE m.price END
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[], :c5::bigint[], :c6::integer[])
       AS k (contact_id, run_id, step, not_before, account_id, released)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step AND m.state IN (1, 2);

-- name: reopen_messages (sqlite)
-- A failed message that is tried again: as if it had not been sent, but for the count of its attempts and what
-- these cost.
UPDATE messages SET state = 0, mask = 0, reason = NULL, price = 0, cost = NULL,
       spent = coalesce(spent, 0) + coalesce(cost, CASE WHEN state = 6 THEN 0 ELSE price END)
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND state IN (6, 7, 9);

-- name: reopen_messages (postgresql)
-- A failed message that is tried again: as if it had not been sent, but for the count of its attempts and what
-- these cost.
UPDATE messages m SET state = 0, mask = 0, reason = NULL, price = 0, cost = NULL,
       spent = coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state = 6 THEN 0 ELSE m.price END)
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step AND m.state IN (6, 7, 9);

-- name: keep_attempt_costs (sqlite)
-- What attempts cost that have failed and are made again, at :c4.
INSERT INTO amounts (contact_id, run_id, step, at, kind, before, after)
SELECT contact_id, run_id, step, :c4, 6, coalesce(cost, price), 0 FROM messages
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND state IN (7, 9) AND coalesce(cost, price) > 0
ON CONFLICT DO NOTHING;

-- name: keep_attempt_costs (postgresql)
-- What attempts cost that have failed and are made again, at :c4.
INSERT INTO amounts (contact_id, run_id, step, at, kind, before, after)
SELECT m.contact_id, m.run_id, m.step, k.at, 6, coalesce(m.cost, m.price), 0
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[]) AS k (contact_id, run_id, step, at)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
 WHERE m.state IN (7, 9) AND coalesce(m.cost, m.price) > 0
ON CONFLICT DO NOTHING;

-- name: put_amounts (sqlite)
-- What changed of amounts since they were reserved; of one kind at one instant after those that are there.
INSERT INTO amounts (contact_id, run_id, step, at, kind, before, after, source, number)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8,
        (SELECT count(*) FROM amounts a
          WHERE a.contact_id = :c1 AND a.run_id = :c2 AND a.step = :c3 AND a.at = :c4 AND a.kind = :c5));

-- name: put_amounts (postgresql)
-- What changed of amounts since they were reserved; of one kind at one instant after those that are there.
INSERT INTO amounts (contact_id, run_id, step, at, kind, before, after, source, number)
SELECT k.contact_id, k.run_id, k.step, k.at, k.kind, k.before, k.after, k.source,
       (SELECT count(*) FROM amounts a
         WHERE a.contact_id = k.contact_id AND a.run_id = k.run_id AND a.step = k.step AND a.at = k.at
           AND a.kind = k.kind)
       + row_number() OVER (PARTITION BY k.contact_id, k.run_id, k.step, k.at, k.kind ORDER BY k.place) - 1
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[], :c5::integer[], :c6::bigint[],
              :c7::bigint[], :c8::text[])
       WITH ORDINALITY AS k (contact_id, run_id, step, at, kind, before, after, source, place);

-- name: spent_of (sqlite)
-- What earlier attempts of these messages cost.
SELECT contact_id, run_id, step, spent FROM messages WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: spent_of (postgresql)
-- What earlier attempts of these messages cost.
SELECT m.contact_id, m.run_id, m.step, m.spent
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step;

-- name: sum_of
SELECT state, submitted_at, sent_at, price, cost, coalesce(spent, 0) FROM messages
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step;

-- name: amounts_of
SELECT at, kind, before, after, source FROM amounts
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step ORDER BY at, kind, number;

-- name: withdraw_messages (sqlite)
-- A queued message, or one that was taken back, that will not be sent now (c4: 0, postponed) or ever (c4: 12, cancelled).
UPDATE messages SET state = :c4, not_before = NULL
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND (state = 1 OR state = 0 AND sent_at IS NULL);

-- name: withdraw_messages (postgresql)
-- A queued message, or one that was taken back, that will not be sent now (c4: 0, postponed) or ever (c4: 12, cancelled).
UPDATE messages m SET state = k.state, not_before = NULL
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[])
       AS k (contact_id, run_id, step, state)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
   AND (m.state = 1 OR m.state = 0 AND m.sent_at IS NULL);

-- name: queued_messages
-- exception: a queue, claimed by age: every part holds some of it.
-- What may be handed over for an account now, best lane first; not of runs that another worker has. With each: has
-- nothing been tried with it, and is nothing known of it? With :unsent 1 only those that have proven not to have
-- left: another account may take them.
SELECT m.contact_id, m.run_id, m.account_id, m.attempt = 0 AND m.mask = 0, m.lane FROM messages m
       /* postgresql: JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id */
 WHERE m.account_id = :account_id AND m.not_before <= :now AND (:unsent = 0 OR m.mask = 0)
 ORDER BY m.lane, m.not_before
 LIMIT :limit /* postgresql: FOR UPDATE OF r SKIP LOCKED */;

-- name: queued_accounts
-- The accounts for which messages wait, and when the first of these may be handed over. By lane (`MessageClass`), so
-- that the index tells it at once: to look at all who wait took most of the time where they were many.
WITH lanes (lane) AS (VALUES (0), (1), (2), (3)),
heads AS (
    SELECT a.id, (SELECT min(m.not_before) FROM messages m
                   WHERE m.account_id = a.id AND m.lane = l.lane AND m.not_before IS NOT NULL) AS at
      FROM accounts a CROSS JOIN lanes l
)
SELECT id, min(at) FROM heads WHERE at IS NOT NULL GROUP BY id;

-- name: last_message_on_channel
-- The message that a reply without a reference most likely answers: the last one that had left by :until, if any.
SELECT run_id, step FROM messages
 WHERE contact_id = :contact_id AND channel = :channel AND state NOT IN (0, 1, 11, 12)
 ORDER BY CASE WHEN submitted_at <= :until THEN 0 ELSE 1 END, submitted_at DESC LIMIT 1;

-- name: last_written_to
-- Whom of some people a reply without a reference is from most likely: who had got the last message by :until, if any.
SELECT contact_id FROM messages
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND channel = :channel AND state NOT IN (0, 1, 11, 12)
 ORDER BY CASE WHEN submitted_at <= :until THEN 0 ELSE 1 END, submitted_at DESC, contact_id LIMIT 1;

-- name: messages_until
-- What an account had sent to an address until an instant, and of which the fact with this bit is not known.
SELECT m.contact_id, m.run_id, m.step FROM addresses a JOIN messages m ON m.contact_id = a.contact_id
 WHERE a.channel = :channel AND a.value = :value AND m.channel = :channel AND m.account_id = :account_id
   /* sqlite: AND a.contact_id IN (SELECT contact_id FROM address_book WHERE value = :value AND channel = :channel) */
   AND m.state NOT IN (0, 1, 11, 12) AND coalesce(m.sent_at, m.submitted_at) <= :until AND (m.mask & :bit) = 0;

-- name: silent_messages
-- Handed over or sent, and nothing heard since: their receipt TTL may have run out (E5). Some contacts at a
-- time: nobody should wait while all messages are looked through.
SELECT contact_id, run_id, step, channel, coalesce(sent_at, submitted_at), account_id,
       CASE WHEN sent_at IS NULL THEN 1 ELSE 0 END AS unanswered FROM messages
 WHERE contact_id > :after AND contact_id <= :until AND state IN (2, 3)
   AND coalesce(sent_at, submitted_at) < :before;

-- name: last_messaged_contact
SELECT max(contact_id) FROM messages;

-- name: put_bodies (sqlite)
-- hot
-- example: [[1, 99, 0, "{}"]]
INSERT INTO message_bodies (contact_id, run_id, step, body) VALUES (:c1, :c2, :c3, :c4)
ON CONFLICT (contact_id, run_id, step) DO UPDATE SET body = excluded.body;

-- name: put_bodies (postgresql)
-- hot
-- example: [[1, 99, 0, "{}"]]
INSERT INTO message_bodies (contact_id, run_id, step, body)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::text[])
ON CONFLICT (contact_id, run_id, step) DO UPDATE SET body = excluded.body;

-- name: put_new_bodies (sqlite)
-- hot
-- The words of new messages.
-- example: [[1, 98, 0, "{}"]]
INSERT INTO message_bodies (contact_id, run_id, step, body) VALUES (:c1, :c2, :c3, :c4);

-- name: put_new_bodies (postgresql)
-- hot
-- The words of new messages.
-- example: [[1, 98, 0, "{}"]]
INSERT INTO message_bodies (contact_id, run_id, step, body)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::text[]);

-- name: bodies_of (sqlite)
SELECT contact_id, run_id, step, body FROM message_bodies
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: bodies_of (postgresql)
SELECT b.contact_id, b.run_id, b.step, b.body
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN message_bodies b ON b.contact_id = k.contact_id AND b.run_id = k.run_id AND b.step = k.step;

-- name: went_to (sqlite)
SELECT m.contact_id, m.run_id, m.step, m.channel, b.body FROM messages m
  JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
 WHERE m.contact_id = :c1 AND m.run_id = :c2 AND m.step = :c3;

-- name: went_to (postgresql)
SELECT m.contact_id, m.run_id, m.step, m.channel, b.body
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
  JOIN message_bodies b ON b.contact_id = k.contact_id AND b.run_id = k.run_id AND b.step = k.step;

-- name: soft_bounces
-- What was told of a contact's letters since then that may be soft bounces (10, 19), with the letter for its address.
SELECT f.at, f.value, b.body FROM facts f
  JOIN message_bodies b ON b.contact_id = f.contact_id AND b.run_id = f.run_id AND b.step = f.step
 WHERE f.contact_id = :contact_id AND f.kind IN (10, 19) AND f.at > :since;

-- name: others_to_the_channel (sqlite)
-- What else went to the same contact and channel since then: what was taken (3, 4, 5), and what was refused (6, 7)
-- because the address is in doubt (9); each with the body of the message asked about, for where both went.
SELECT m.contact_id, m.channel, b.body, o.state, o.submitted_at, ob.body
  FROM messages m
  JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
  JOIN messages o ON o.contact_id = m.contact_id AND o.channel = m.channel
   AND NOT (o.run_id = m.run_id AND o.step = m.step) AND o.submitted_at >= :c4
   AND (o.state IN (3, 4, 5) OR (o.state IN (6, 7) AND o.reason = 9))
  JOIN message_bodies ob ON ob.contact_id = o.contact_id AND ob.run_id = o.run_id AND ob.step = o.step
 WHERE m.contact_id = :c1 AND m.run_id = :c2 AND m.step = :c3;

-- name: others_to_the_channel (postgresql)
SELECT m.contact_id, m.channel, b.body, o.state, o.submitted_at, ob.body
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[]) AS k (contact_id, run_id, step, since)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
  JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
  JOIN messages o ON o.contact_id = m.contact_id AND o.channel = m.channel
   AND NOT (o.run_id = m.run_id AND o.step = m.step) AND o.submitted_at >= k.since
   AND (o.state IN (3, 4, 5) OR (o.state IN (6, 7) AND o.reason = 9))
  JOIN message_bodies ob ON ob.contact_id = o.contact_id AND ob.run_id = o.run_id AND ob.step = o.step;

-- name: body_of
SELECT body FROM message_bodies WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step;

-- name: put_attempts (sqlite)
INSERT INTO attempts (contact_id, run_id, step, attempt, account_id, submitted_at, ended_at, reason, detail)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9) ON CONFLICT DO NOTHING;

-- name: put_attempts (postgresql)
INSERT INTO attempts (contact_id, run_id, step, attempt, account_id, submitted_at, ended_at, reason, detail)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[],
                     :c6::bigint[], :c7::bigint[], :c8::integer[], :c9::text[]) ON CONFLICT DO NOTHING;

-- name: put_provider_ids (sqlite)
-- hot
-- exception: found by the provider's own id, so not spread by contact.
-- example: [[1, "x", 1, 1, 0]]
INSERT INTO provider_ids (account_id, provider_id, contact_id, run_id, step) VALUES (:c1, :c2, :c3, :c4, :c5)
ON CONFLICT DO NOTHING;

-- name: put_provider_ids (postgresql)
-- hot
-- exception: found by the provider's own id, so not spread by contact.
-- example: [[1, "x", 1, 1, 0]]
INSERT INTO provider_ids (account_id, provider_id, contact_id, run_id, step)
SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::bigint[], :c4::bigint[], :c5::integer[])
ON CONFLICT DO NOTHING;

-- name: put_parts (sqlite)
-- The ids of a message that travels as several: delivered when each of them is.
INSERT INTO provider_ids (account_id, provider_id, contact_id, run_id, step, part)
VALUES (:c1, :c2, :c3, :c4, :c5, 1) ON CONFLICT DO NOTHING;

-- name: put_parts (postgresql)
-- The ids of a message that travels as several: delivered when each of them is.
INSERT INTO provider_ids (account_id, provider_id, contact_id, run_id, step, part)
SELECT k.*, 1 FROM unnest(:c1::bigint[], :c2::text[], :c3::bigint[], :c4::bigint[], :c5::integer[]) AS k
ON CONFLICT DO NOTHING;

-- name: by_provider_id
SELECT contact_id, run_id, step, part FROM provider_ids
 WHERE account_id = :account_id AND provider_id = :provider_id;

-- name: parts_of
-- Locked, so that two processes that are told of the last two parts do not both wait for the other's.
SELECT provider_id, part FROM provider_ids
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND account_id = :account_id
   AND part IS NOT NULL
 ORDER BY provider_id /* postgresql: FOR UPDATE */;

-- name: deliver_part
UPDATE provider_ids SET part = 0 WHERE account_id = :account_id AND provider_id = :provider_id;

-- name: by_provider_ids (sqlite)
SELECT account_id, provider_id, contact_id, run_id, step, part FROM provider_ids
 WHERE account_id = :c1 AND provider_id = :c2;

-- name: by_provider_ids (postgresql)
SELECT p.account_id, p.provider_id, p.contact_id, p.run_id, p.step, p.part
  FROM unnest(:c1::bigint[], :c2::text[]) AS k (account_id, provider_id)
  JOIN provider_ids p ON p.account_id = k.account_id AND p.provider_id = k.provider_id;

-- name: next_queued
-- When the next message that still has to wait may be handed over; by lane, as in `queued_accounts`.
WITH lanes (lane) AS (VALUES (0), (1), (2), (3))
SELECT min(l.at) FROM (
    SELECT (SELECT min(m.not_before) FROM messages m
             WHERE m.account_id = :account_id AND m.lane = lanes.lane AND m.not_before > :now) AS at
      FROM lanes
) AS l;

-- name: messages_of_contact
-- A contact's messages and skips in the order of run and step, those after one of them; runs from :first to :last.
SELECT m.contact_id, m.run_id, m.step, m.channel, m.state, m.mask, m.account_id, m.reason, m.variant, m.not_before,
       m.submitted_at, m.sent_at, m.price,
       CASE WHEN m.spent IS NULL THEN m.cost ELSE m.spent + coalesce(m.cost,
            CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END) END,
       m.attempt, r.cascade_id, r.version_id
  FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.contact_id = :contact_id AND m.run_id BETWEEN :first AND :last
   AND (m.run_id, m.step) > (:run_id, :step)
 ORDER BY m.run_id, m.step LIMIT :limit;

-- name: attempts_of
-- Submissions of a message that ended otherwise than accepted.
SELECT attempt, account_id, submitted_at, ended_at, reason, detail FROM attempts
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step ORDER BY attempt;
