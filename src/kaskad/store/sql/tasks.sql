-- name: put_tasks (sqlite)
-- Messages that a call desk takes in this transaction.
INSERT INTO tasks (contact_id, run_id, step, attempt, account_id, cascade_id, version_id, opened_at, due_at,
                   not_before, sla_ms, price, urgent, lane, language, zone, why)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c8, :c10, :c11, :c12, :c13, :c14, :c15, :c16);

-- name: put_tasks (postgresql)
-- Messages that a call desk takes in this transaction.
INSERT INTO tasks (contact_id, run_id, step, attempt, account_id, cascade_id, version_id, opened_at, due_at,
                   not_before, sla_ms, price, urgent, lane, language, zone, why)
SELECT k.contact_id, k.run_id, k.step, k.attempt, k.account_id, k.cascade_id, k.version_id, k.opened_at, k.due_at,
       k.opened_at, k.sla_ms, k.price, k.urgent, k.lane, k.language, k.zone, k.why
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[], :c6::bigint[],
              :c7::bigint[], :c8::bigint[], :c9::bigint[], :c10::bigint[], :c11::bigint[], :c12::integer[],
              :c13::integer[], :c14::text[], :c15::text[], :c16::text[])
       AS k (contact_id, run_id, step, attempt, account_id, cascade_id, version_id, opened_at, due_at, sla_ms,
             price, urgent, lane, language, zone, why);

-- name: take_calls (sqlite)
-- The desk has taken these messages: they are sent, and their silence ends at :c5.
UPDATE messages SET state = 3, mask = mask | 2, sent_at = :c4, deadline_at = :c5
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: take_calls (postgresql)
-- The desk has taken these messages: they are sent, and their silence ends at :c5.
UPDATE messages m SET state = 3, mask = m.mask | 2, sent_at = k.at, deadline_at = k.deadline_at
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[], :c5::bigint[])
       AS k (contact_id, run_id, step, at, deadline_at)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step;

-- name: leave_tasks (sqlite)
-- Their runs have gone on: whoever has them on the screen loses them.
UPDATE tasks SET state = :c4, closed_at = :c5, ended = :c6
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND state <= 1
RETURNING contact_id, run_id, step, attempt, state, dials, price, cascade_id, account_id, ended, closed_at;

-- name: leave_tasks (postgresql)
-- Their runs have gone on: whoever has them on the screen loses them.
UPDATE tasks t SET state = k.state, closed_at = k.at, ended = k.ended
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[], :c6::text[])
       AS k (contact_id, run_id, step, state, at, ended)
 WHERE t.contact_id = k.contact_id AND t.run_id = k.run_id AND t.step = k.step AND t.state <= 1
RETURNING t.contact_id, t.run_id, t.step, t.attempt, t.state, t.dials, t.price, t.cascade_id, t.account_id, t.ended,
          t.closed_at;

-- name: forget_calls (sqlite)
-- Messages whose task nobody has dialled: they touched nobody and cost nothing. A refused one stays that.
UPDATE messages SET state = CASE WHEN state = 6 THEN 6 ELSE 12 END, price = 0
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3;

-- name: forget_calls (postgresql)
-- Messages whose task nobody has dialled: they touched nobody and cost nothing. A refused one stays that.
UPDATE messages m SET state = CASE WHEN m.state = 6 THEN 6 ELSE 12 END, price = 0
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[]) AS k (contact_id, run_id, step)
 WHERE m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step;

-- name: live_tasks
-- How many tasks of an account are open or claimed.
SELECT count(*) FROM tasks WHERE account_id = :account_id AND state <= 1;

-- name: tasks_left
-- Whose run has ended without them, as older releases let it.
SELECT DISTINCT t.contact_id, t.run_id FROM tasks t JOIN runs r ON r.contact_id = t.contact_id AND r.id = t.run_id
 WHERE t.state <= 1 AND r.outcome IS NOT NULL LIMIT :limit;

-- name: opened_tasks
-- How many tasks of an account were opened since an instant; those that ended undialled do not count.
SELECT count(*) FROM tasks
 WHERE account_id = :account_id AND opened_at >= :since AND (state <= 2 OR dials > 0);

-- name: next_task
-- The task to give to an agent now: who asked for a person first, then promised calls, then the best lane, the
-- oldest. One that was claimed and not dialled comes again when its lease ends. Not one that another has just now.
SELECT t.contact_id, t.run_id, t.step, t.attempt
  FROM tasks t JOIN runs r ON r.contact_id = t.contact_id AND r.id = t.run_id
  JOIN cascades c ON c.id = t.cascade_id AND c.state = 'active'
 WHERE t.state <= 1 AND t.not_before <= :now AND t.due_at > :now
   AND (t.state = 0 OR (t.lease_until <= :now AND (t.dialled_at IS NULL OR t.dialled_at < t.claimed_at)))
   AND (:account_id = 0 OR t.account_id = :account_id)
 ORDER BY t.urgent DESC, CASE WHEN t.call_back_at IS NULL THEN 1 ELSE 0 END, t.lane, t.due_at,
          t.contact_id, t.run_id
 LIMIT 1 /* postgresql: FOR UPDATE OF r, t SKIP LOCKED */;

-- name: task_by_key
SELECT contact_id, run_id, step, attempt, account_id, cascade_id, version_id, opened_at, due_at, not_before,
       sla_ms, price, claimed_at, lease_until, dialled_at, call_back_at, closed_at, state, urgent, lane, dials,
       misses, disposition, agent, language, zone, why, ended, notes
  FROM tasks WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND attempt = :attempt;

-- name: live_tasks_of
-- The open and claimed tasks of these contacts.
SELECT contact_id, run_id, step, attempt, account_id, cascade_id, version_id, opened_at, due_at, not_before,
       sla_ms, price, claimed_at, lease_until, dialled_at, call_back_at, closed_at, state, urgent, lane, dials,
       misses, disposition, agent, language, zone, why, ended, notes
  FROM tasks
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND state <= 1;

-- name: tasks_after
-- Tasks in states from :first to :last, those that are due first; the filters that are 0, '' or -1 filter nothing.
SELECT contact_id, run_id, step, attempt, account_id, cascade_id, version_id, opened_at, due_at, not_before,
       sla_ms, price, claimed_at, lease_until, dialled_at, call_back_at, closed_at, state, urgent, lane, dials,
       misses, disposition, agent, language, zone, why, ended, notes
  FROM tasks
 WHERE state BETWEEN :first AND :last
   AND (due_at, contact_id, run_id, step, attempt) > (:due_at, :contact_id, :run_id, :step, :attempt)
   AND due_at <= :until
   AND (:account_id = 0 OR account_id = :account_id) AND (:lane = -1 OR lane = :lane)
   AND (:agent = '' OR agent = :agent) AND (:of_contact = 0 OR contact_id = :of_contact)
 ORDER BY due_at, contact_id, run_id, step, attempt LIMIT :limit;

-- name: claim_task
-- 0 rows: somebody was quicker.
UPDATE tasks SET state = 1, agent = :agent, claimed_at = :now, lease_until = :lease_until,
       disposition = NULL,
       due_at = CASE WHEN due_at > :lease_until THEN due_at ELSE :lease_until END
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND attempt = :attempt AND state <= 1
   AND (state = 0 OR lease_until <= :now);

-- name: dial_task
UPDATE tasks SET dials = dials + :more, dialled_at = :now, lease_until = :lease_until,
       due_at = CASE WHEN due_at > :lease_until THEN due_at ELSE :lease_until END
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND attempt = :attempt
   AND state = 1 AND agent = :agent;

-- name: reopen_task
-- Back among those that may be claimed, from :not_before on; :disposition 0 leaves what was said before.
UPDATE tasks SET state = 0, not_before = :not_before, due_at = :due_at, lease_until = NULL, misses = :misses,
       call_back_at = CASE WHEN :call_back_at > 0 THEN :call_back_at WHEN :disposition > 0 THEN NULL
                           ELSE call_back_at END,
       disposition = CASE WHEN :disposition > 0 THEN :disposition ELSE disposition END
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND attempt = :attempt
   AND state = 1 AND agent = :agent;

-- name: close_task
-- A call that went on while its task was withdrawn or expired has an end too.
UPDATE tasks SET state = 2, closed_at = :now, disposition = :disposition, misses = :misses
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND attempt = :attempt
   AND agent = :agent AND (state = 1 OR (state > 2 AND disposition IS NULL AND dials > 0));

-- name: note_task
UPDATE tasks SET notes = :notes
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND attempt = :attempt;

-- name: set_deadline
UPDATE messages SET deadline_at = :at
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND state NOT IN (0, 1, 11, 12);

-- name: set_call_cost
-- What the first call of a message costs; 0 rows: it was counted before.
UPDATE messages SET cost = :cost
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND cost IS NULL;

-- name: metric_tasks
-- Tasks that are not closed: how many in each state, and the first instant at which one is due.
SELECT account_id, state, urgent, count(*), min(due_at) FROM tasks WHERE state <= 1
 GROUP BY account_id, state, urgent;

-- name: hold_task
-- Nobody is given it before :not_before; who has claimed it keeps it.
UPDATE tasks SET not_before = :not_before
 WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step AND attempt = :attempt AND state <= 1;
