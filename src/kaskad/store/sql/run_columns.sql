-- As what runs are counted, kept by column; see the migration `run_columns`.

-- name: lock_counter
-- Wait until no other process counts, and let none count until this transaction ends.
/* sqlite: SELECT 1 */ /* postgresql: SELECT 1 FROM (SELECT pg_advisory_xact_lock(5277301)) AS held */;

-- name: next_turn
-- Begin a turn, where anything is kept by column. By how much it grows is drawn by lot: what a process keeps in memory
-- goes by turns, and where a copy of the database takes over none is to be another one.
INSERT INTO run_turn (id, turn)
SELECT 1, 1 + /* sqlite: abs(random() % 1000000) */ /* postgresql: floor(random() * 1000000)::bigint */
 WHERE EXISTS (SELECT 1 FROM run_blocks)
ON CONFLICT (id) DO UPDATE SET turn = run_turn.turn + excluded.turn
RETURNING turn;

-- name: last_turn
SELECT coalesce(max(turn), 0) FROM run_turn;

-- name: touch_runs
INSERT INTO run_touched (contact_id, turn)
/* sqlite: VALUES (:c1, :c2) */ /* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[]) */
ON CONFLICT (contact_id) DO UPDATE SET turn = excluded.turn;

-- name: run_blocks
SELECT block, made, generation FROM run_blocks;

-- name: run_block_due
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM run_blocks WHERE block = :block AND made = 1)
            OR EXISTS (SELECT 1 FROM run_touched WHERE contact_id BETWEEN :first AND :last);

-- name: begin_run_block
INSERT INTO run_blocks (block, generation) VALUES (:block, :generation)
ON CONFLICT (block) DO UPDATE SET generation = excluded.generation;

-- name: end_run_block
-- Another generation than it was begun with, in which the columns were still those of before.
UPDATE run_blocks SET made = 1, generation = :made_as WHERE block = :block AND generation = :generation;

-- name: drop_run_block
DELETE FROM run_blocks WHERE block = :block;

-- name: drop_run_columns
DELETE FROM run_columns WHERE block = :block;

-- name: put_run_columns
INSERT INTO run_columns (cascade_id, block, data)
/* sqlite: VALUES (:c1, :c2, :c3) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bytea[]) */;

-- name: run_columns_of
-- The columns of a cascade in some blocks.
SELECT block, data FROM run_columns
 WHERE cascade_id = :cascade_id
   AND block /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: touched_runs
-- Who was counted anew since the blocks were made, and in which turn last.
SELECT contact_id, turn FROM run_touched;

-- name: touched_runs_of
-- Who of some blocks was counted anew since they were made, and in which turn last.
SELECT t.contact_id, t.turn
  FROM (/* sqlite: SELECT value AS block FROM carray(:ids) */ /* postgresql: SELECT unnest(CAST(:ids AS bigint[])) AS block */) AS b
 CROSS JOIN run_touched t
 WHERE t.contact_id BETWEEN b.block * 8192 AND b.block * 8192 + 8191;

-- name: count_touched_runs
SELECT count(*) FROM (SELECT 1 AS one FROM run_touched LIMIT :most) AS few;

-- name: touched_run_blocks
SELECT DISTINCT contact_id / 8192 FROM run_touched;

-- name: drop_touched_runs
-- Forget that contacts were counted anew, up to a turn.
DELETE FROM run_touched WHERE contact_id BETWEEN :first AND :last AND turn <= :turn;

-- name: counted_within
-- As what the runs of contacts from one id to another are counted, by cascade.
SELECT v.cascade_id, k.contact_id, k.version_id, k.course_id, k.entered_at, k.value, k.returned
  FROM run_courses k CROSS JOIN versions v
 WHERE v.id = k.version_id AND k.contact_id BETWEEN :first AND :last;

-- name: counted_among
-- As what the runs of a cascade of some contacts are counted.
SELECT contact_id, version_id, course_id, entered_at, value, returned FROM run_courses
 WHERE contact_id IN (/* sqlite: SELECT value FROM carray(:ids) */ /* postgresql: SELECT unnest(CAST(:ids AS bigint[])) */)
   AND version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id);

-- name: drop_deed_columns
DELETE FROM deed_columns WHERE block = :block;

-- name: put_deed_columns
INSERT INTO deed_columns (word, cascade_id, block, data)
/* sqlite: VALUES (:c1, :c2, :c3, :c4) */
/* postgresql: SELECT * FROM unnest(:c1::text[], :c2::bigint[], :c3::bigint[], :c4::bytea[]) */;

-- name: deed_columns
-- What is kept under a word of a cascade (0: of all).
SELECT block, data FROM deed_columns WHERE word = :word AND (:cascade_id = 0 OR cascade_id = :cascade_id);

-- name: deed_columns_of
-- The same of some blocks.
SELECT block, data FROM deed_columns
 WHERE word = :word AND (:cascade_id = 0 OR cascade_id = :cascade_id)
   AND block /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: runs_within
-- When contacts from one id to another entered, and how and when that ended, by cascade.
SELECT cascade_id, contact_id, entered_at, finished_at, outcome FROM runs WHERE contact_id BETWEEN :first AND :last;

-- name: sends_within
-- When messages to these contacts were submitted, by cascade; as `sends_of`.
SELECT r.cascade_id, m.contact_id, m.submitted_at
  FROM messages m CROSS JOIN runs r
 WHERE r.contact_id = m.contact_id AND r.id = m.run_id AND m.contact_id BETWEEN :first AND :last
   AND m.submitted_at IS NOT NULL AND m.state NOT IN (0, 1, 6, 11, 12);

-- name: reactions_within
-- What these contacts did with messages, and when, by cascade; as `reactions_of`, of what a person does.
SELECT r.cascade_id, f.contact_id, f.at, f.kind
  FROM facts f CROSS JOIN runs r
 WHERE r.contact_id = f.contact_id AND r.id = f.run_id AND f.contact_id BETWEEN :first AND :last
   AND f.step >= 0 AND f.kind IN (3, 4, 5, 6, 7, 20, 21);

-- name: mails_within
-- The mails that contacts from one id to another were handed, that have left or were refused (3 to 10), by UTC day:
-- account, state, reason, of their facts whether the person opted out by them or called them spam (24576, as in the
-- view `arrivals`), and whether the latter came within :window ms. As `mails_by_domain`.
SELECT m.contact_id, m.submitted_at / 86400000, coalesce(m.account_id, 0), m.state, coalesce(m.reason, 0), m.mask & 24576,
       CASE WHEN m.mask & 16384 <> 0
             AND EXISTS (SELECT 1 FROM facts f WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id
                            AND f.step = m.step AND f.kind = 14 AND f.at <= m.submitted_at + :window) THEN 1 ELSE 0 END
  FROM messages m
 WHERE m.contact_id BETWEEN :first AND :last AND m.channel = 1 AND m.state BETWEEN 3 AND 10 AND m.submitted_at IS NOT NULL;

-- name: touches_within
-- The messages to contacts from one id to another that may have arrived, as the view `arrivals` says: when they left us,
-- of which version, step and channel, and what tells whether they have.
SELECT m.contact_id, coalesce(m.sent_at, m.submitted_at), r.version_id, m.step, m.channel, coalesce(m.account_id, 0),
       m.state, m.mask & 24576
  FROM messages m CROSS JOIN runs r
 WHERE r.contact_id = m.contact_id AND r.id = m.run_id AND m.contact_id BETWEEN :first AND :last
   AND m.submitted_at IS NOT NULL AND (m.state IN (3, 4, 5, 10) OR m.state IN (7, 8, 9) AND m.mask & 24576 <> 0)
 ORDER BY m.contact_id, m.run_id, m.step;
