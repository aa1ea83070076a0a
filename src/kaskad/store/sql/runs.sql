-- name: claim_due_runs
-- exception: a queue, claimed by age: every part holds timers.
-- The runs whose timer is due, oldest first; not those about whom something lies unapplied in the inbox, nor those
-- whose message is under way and whose guard has not run out: `submit_runs` leaves these where they were due.
SELECT r.contact_id, r.id, r.cascade_id, r.version_id, r.slot, r.state, r.phase, r.step, r.branch, r.seq,
       coalesce(r.guard_at, r.wake_at), r.due_at, r.entered_at, r.holdout, r.outcome, r.outcome_step, r.late,
       r.finished_at, r.marks
  FROM runs r
 WHERE r.wake_at <= :now AND (r.guard_at IS NULL OR r.guard_at <= :now)
   AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.contact_id = r.contact_id)
 ORDER BY r.wake_at
 LIMIT :limit /* postgresql: FOR UPDATE OF r SKIP LOCKED */;

-- name: claim_due_runs_besides
-- exception: a queue, claimed by age: every part holds timers.
-- The same from :since on, without those at the places :ids whose turn comes by `claim_backlog`; but where they have
-- been due since :overdue they are claimed too. A place is 4096 times the version, 8 times the step + 1, and the phase.
SELECT r.contact_id, r.id, r.cascade_id, r.version_id, r.slot, r.state, r.phase, r.step, r.branch, r.seq,
       coalesce(r.guard_at, r.wake_at), r.due_at, r.entered_at, r.holdout, r.outcome, r.outcome_step, r.late,
       r.finished_at, r.marks
  FROM runs r
 WHERE r.wake_at >= :since AND r.wake_at <= :now AND (r.guard_at IS NULL OR r.guard_at <= :now)
   AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.contact_id = r.contact_id)
   AND (r.wake_at <= :overdue OR NOT (r.version_id * 4096 + (r.step + 1) * 8 + r.phase
        /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */))
 ORDER BY r.wake_at
 LIMIT :limit /* postgresql: FOR UPDATE OF r SKIP LOCKED */;

-- name: claim_backlog
-- exception: a queue, claimed by age: every part holds timers.
-- The runs at these places whose timer has been due since :since or later, oldest first; else as `claim_due_runs`.
SELECT r.contact_id, r.id, r.cascade_id, r.version_id, r.slot, r.state, r.phase, r.step, r.branch, r.seq,
       coalesce(r.guard_at, r.wake_at), r.due_at, r.entered_at, r.holdout, r.outcome, r.outcome_step, r.late,
       r.finished_at, r.marks
  FROM runs r
 WHERE r.wake_at >= :since AND r.wake_at <= :now AND (r.guard_at IS NULL OR r.guard_at <= :now)
   AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.contact_id = r.contact_id)
   AND r.version_id * 4096 + (r.step + 1) * 8 + r.phase
       /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY r.wake_at
 LIMIT :limit /* postgresql: FOR UPDATE OF r SKIP LOCKED */;

-- name: load_runs (sqlite)
-- hot
-- example: [[1, 1]]
SELECT contact_id, id, cascade_id, version_id, slot, state, phase, step, branch, seq,
       coalesce(guard_at, wake_at), due_at, entered_at, holdout, outcome, outcome_step, late, finished_at, marks
  FROM runs WHERE contact_id = :c1 AND id = :c2;

-- name: load_runs (postgresql)
-- hot
-- example: [[1, 1]]
SELECT r.contact_id, r.id, r.cascade_id, r.version_id, r.slot, r.state, r.phase, r.step, r.branch, r.seq,
       coalesce(r.guard_at, r.wake_at), r.due_at, r.entered_at, r.holdout, r.outcome, r.outcome_step, r.late,
       r.finished_at, r.marks
  FROM unnest(:c1::bigint[], :c2::bigint[]) AS k (contact_id, id)
  JOIN runs r ON r.contact_id = k.contact_id AND r.id = k.id
   FOR UPDATE OF r;

-- name: lock_runs
-- hot
-- example: {"ids": [1]}
-- Every worker locks in the same order, so that none waits for one that waits for it.
SELECT contact_id FROM runs
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY contact_id, id /* postgresql: FOR UPDATE */;

-- name: runs_of_contacts
-- All runs of these contacts, for re-entry, goals and opt-outs.
SELECT contact_id, id, cascade_id, version_id, slot, state, phase, step, branch, seq,
       coalesce(guard_at, wake_at), due_at, entered_at, holdout, outcome, outcome_step, late, finished_at, marks
  FROM runs WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY contact_id, id;

-- name: insert_runs (sqlite)
-- hot
-- example: [[1, 99, 1, 1, 0, 0, -1, 0, 0, 0, 0]]
INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, phase, step, wake_at, due_at, entered_at,
                  holdout, state, seq)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, :c11, 0, 0)
ON CONFLICT DO NOTHING;

-- name: insert_runs (postgresql)
-- hot
-- example: [[1, 99, 1, 1, 0, 0, -1, 0, 0, 0, 0]]
INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, phase, step, wake_at, due_at, entered_at,
                  holdout, state, seq)
SELECT k.*, 0, 0
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[], :c6::integer[],
              :c7::integer[], :c8::bigint[], :c9::bigint[], :c10::bigint[], :c11::integer[]) AS k
ON CONFLICT DO NOTHING;

-- name: update_runs (sqlite)
-- hot
-- Only a run that is still as it was read is changed (c3: its seq then).
-- example: [[1, 1, 0, 1, 3, 0, null, 5, 5, null, null, 0, null]]
UPDATE runs SET state = :c4, phase = :c5, step = :c6, branch = :c7, wake_at = :c8, guard_at = NULL,
       due_at = :c9, outcome = :c10, outcome_step = :c11, late = :c12, finished_at = :c13, seq = seq + 1
 WHERE contact_id = :c1 AND id = :c2 AND seq = :c3;

-- name: update_runs (postgresql)
-- hot
-- Only a run that is still as it was read is changed (c3: its seq then).
-- example: [[1, 1, 0, 1, 3, 0, null, 5, 5, null, null, 0, null]]
UPDATE runs r SET state = k.state, phase = k.phase, step = k.step, branch = k.branch, wake_at = k.wake_at,
       guard_at = NULL, due_at = k.due_at, outcome = k.outcome, outcome_step = k.outcome_step, late = k.late,
       finished_at = k.finished_at, seq = r.seq + 1
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::integer[], :c6::integer[],
              :c7::integer[], :c8::bigint[], :c9::bigint[], :c10::integer[], :c11::integer[], :c12::integer[],
              :c13::bigint[])
       AS k (contact_id, id, seq, state, phase, step, branch, wake_at, due_at, outcome, outcome_step, late,
             finished_at)
 WHERE r.contact_id = k.contact_id AND r.id = k.id AND r.seq = k.seq;

-- name: submit_runs (sqlite)
-- hot
-- A message of theirs is submitted, and nothing else about them changes: as `update_runs`, without touching an
-- index. They are looked at again at c5 (`guard_at`), if nothing is heard until then.
-- example: [[1, 1, 0, 0, 5, 5]]
UPDATE runs SET state = 1, phase = 2, step = :c4, branch = NULL, guard_at = :c5, due_at = :c6, seq = seq + 1
 WHERE contact_id = :c1 AND id = :c2 AND seq = :c3;

-- name: submit_runs (postgresql)
-- hot
-- A message of theirs is submitted, and nothing else about them changes: as `update_runs`, without touching an
-- index. They are looked at again at c5 (`guard_at`), if nothing is heard until then.
-- example: [[1, 1, 0, 0, 5, 5]]
UPDATE runs r SET state = 1, phase = 2, step = k.step, branch = NULL, guard_at = k.guard_at,
       due_at = k.due_at, seq = r.seq + 1
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[], :c6::bigint[])
       AS k (contact_id, id, seq, step, guard_at, due_at)
 WHERE r.contact_id = k.contact_id AND r.id = k.id AND r.seq = k.seq;

-- name: begin_waiting (sqlite)
-- hot
-- The provider took the message and nothing else has happened: the step's clock begins.
-- example: [[1, 1, 0, 5]]
UPDATE runs SET phase = 3, wake_at = :c4, guard_at = NULL, due_at = :c4, seq = seq + 1
 WHERE contact_id = :c1 AND id = :c2 AND seq = :c3;

-- name: begin_waiting (postgresql)
-- hot
-- The provider took the message and nothing else has happened: the step's clock begins.
-- example: [[1, 1, 0, 5]]
UPDATE runs r SET phase = 3, wake_at = k.wake_at, guard_at = NULL, due_at = k.wake_at, seq = r.seq + 1
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[]) AS k (contact_id, id, seq, wake_at)
 WHERE r.contact_id = k.contact_id AND r.id = k.id AND r.seq = k.seq;

-- name: mark_runs (sqlite)
-- What happened to the run itself: a goal, an opt-out, a cancellation.
UPDATE runs SET marks = marks | :c3, value = coalesce(:c4, value) WHERE contact_id = :c1 AND id = :c2;

-- name: mark_runs (postgresql)
-- What happened to the run itself: a goal, an opt-out, a cancellation. Of several rows of one run an UPDATE takes one.
UPDATE runs r SET marks = r.marks | k.mask, value = coalesce(k.value, r.value)
  FROM (SELECT contact_id, id, bit_or(mask) AS mask, max(value) AS value
          FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[])
               AS told (contact_id, id, mask, value)
         GROUP BY contact_id, id) AS k
 WHERE r.contact_id = k.contact_id AND r.id = k.id;

-- name: wake_runs (sqlite)
-- Something has come in about them that nobody decides about any more before the process ends.
-- Ended runs have no `wake_at`, and get none.
UPDATE runs SET wake_at = :c3, guard_at = NULL, seq = seq + 1
 WHERE contact_id = :c1 AND id = :c2 AND coalesce(guard_at, wake_at) > :c3;

-- name: wake_runs (postgresql)
-- Something has come in about them that nobody decides about any more before the process ends.
-- Ended runs have no `wake_at`, and get none.
UPDATE runs r SET wake_at = k.now, guard_at = NULL, seq = r.seq + 1
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[]) AS k (contact_id, id, now)
 WHERE r.contact_id = k.contact_id AND r.id = k.id AND coalesce(r.guard_at, r.wake_at) > k.now;

-- name: wake_held_runs
-- Runs that wanted to send while their cascade was paused look again now.
UPDATE runs SET state = 1, wake_at = :now, seq = seq + 1 WHERE cascade_id = :cascade_id AND state = 2;

-- name: next_wake_at
-- When the next timer from an instant on is due, besides the guards of what is under way.
SELECT wake_at FROM runs WHERE wake_at >= :since AND guard_at IS NULL ORDER BY wake_at LIMIT 1;

-- name: next_guard_at
-- When the first guard runs out, of the thousand runs that have been due longest. For a time at which no timer is due:
-- then all that is looked at is under way. In the order of timers, as PostgreSQL then passes over what a burst has left
-- in that index once; all of it together was looked at again each time.
SELECT min(guard_at) FROM (SELECT guard_at FROM runs WHERE wake_at <= :now ORDER BY wake_at LIMIT 1000) AS due;

-- name: live_run_keys_of_cascade
SELECT contact_id, id FROM runs
 WHERE cascade_id = :cascade_id AND outcome IS NULL AND contact_id >= :after
 ORDER BY contact_id LIMIT :limit;

-- name: put_run_data (sqlite)
INSERT INTO run_data (contact_id, run_id, trigger_key, properties) VALUES (:c1, :c2, :c3, :c4)
ON CONFLICT DO NOTHING;

-- name: put_run_data (postgresql)
INSERT INTO run_data (contact_id, run_id, trigger_key, properties)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::text[], :c4::text[]) ON CONFLICT DO NOTHING;

-- name: run_data_of
SELECT contact_id, run_id, trigger_key, properties FROM run_data
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: update_run_properties
UPDATE run_data SET properties = :properties WHERE contact_id = :contact_id AND run_id = :run_id;

-- name: any_run
-- Whether anybody has ever entered.
SELECT 1 FROM runs LIMIT 1;

-- name: runs_in_flight
-- Where the live runs of a cascade stand.
SELECT version_id, step, count(*) FROM runs WHERE cascade_id = :cascade_id AND outcome IS NULL
 GROUP BY version_id, step ORDER BY version_id, step;

-- name: runs_under_way
-- Where live runs of all cascades stand, each place once; hold-outs, who get nothing, are not asked for.
SELECT DISTINCT cascade_id, version_id, step, phase FROM runs WHERE outcome IS NULL AND holdout = 0;

-- name: runs_after
-- Runs of a cascade or of all (:cascade_id 0) that fit the filters, in the order of contact and run, among the next
-- :scan ones: however few fit, a page takes no longer than that. Filters: state and outcome codes (-1: any), and
-- in :ids 256 times the version plus the step, unless :any_step is 1.
SELECT contact_id, id, cascade_id, version_id, state, phase, step, wake_at, entered_at, holdout, outcome, outcome_step,
       late, finished_at
  FROM (SELECT contact_id, id, cascade_id, version_id, state, phase, step,
               coalesce(guard_at, wake_at) AS wake_at, entered_at, holdout, outcome,
               outcome_step, late, finished_at
          FROM runs
         WHERE (contact_id, id) > (:contact_id, :run_id)
         ORDER BY contact_id, id LIMIT :scan) AS next
 WHERE (:cascade_id = 0 OR cascade_id = :cascade_id) AND (:state = -1 OR state = :state)
   AND (:outcome = -1 OR outcome = :outcome)
   AND (:any_step = 1 OR version_id * 256 + step
        /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */)
 ORDER BY contact_id, id LIMIT :limit;

-- name: run_key_after
-- The last of the next :skip + 1 runs; no row where there are not so many.
SELECT contact_id, id FROM runs WHERE (contact_id, id) > (:contact_id, :run_id)
 ORDER BY contact_id, id LIMIT 1 OFFSET :skip;

-- name: runs_of_contact_after
-- The same of one contact, all of whose runs are looked at.
SELECT contact_id, id, cascade_id, version_id, state, phase, step, coalesce(guard_at, wake_at), entered_at, holdout,
       outcome, outcome_step, late, finished_at
  FROM runs
 WHERE contact_id = :contact_id AND id > :run_id AND (:cascade_id = 0 OR cascade_id = :cascade_id)
   AND (:state = -1 OR state = :state) AND (:outcome = -1 OR outcome = :outcome)
   AND (:any_step = 1 OR version_id * 256 + step
        /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */)
 ORDER BY id LIMIT :limit;

-- name: run_by_key
SELECT contact_id, id, cascade_id, version_id, state, phase, step, coalesce(guard_at, wake_at), entered_at, holdout,
       outcome, outcome_step, late, finished_at
  FROM runs WHERE contact_id = :contact_id AND id = :run_id;
