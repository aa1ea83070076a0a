-- How runs went, as reports count it; see the migration `courses` and domain/course.py.

-- name: put_due
INSERT INTO due_runs (keys) /* sqlite: VALUES (:c1) */ /* postgresql: SELECT * FROM unnest(:c1::text[]) */;

-- name: due_runs
SELECT id, keys FROM due_runs WHERE id > :after ORDER BY id LIMIT :limit;

-- name: last_due
SELECT max(id) FROM due_runs;

-- name: claim_due
-- Those that nobody counts, taken until :until (in case clocks are turned back: until no later than that).
-- As an array on PostgreSQL: this queue is often empty when it is analyzed, and a join planned for one row compares
-- all with all. 4 000 took 12 s.
UPDATE due_runs SET again_at = :until
 WHERE id /* sqlite: IN ( */ /* postgresql: = ANY (ARRAY( */
              SELECT id FROM due_runs
               WHERE id <= :last AND (again_at <= :now OR again_at > :until) ORDER BY id LIMIT :limit)
       /* postgresql: ) */
RETURNING id, keys;

-- name: drop_due
-- But nothing that nobody has claimed: where all was counted meanwhile SQLite gives the same ids again.
DELETE FROM due_runs
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND again_at <> 0;

-- name: runs_to_count
-- All runs of these contacts: when each entered, now and as it is counted; then what is the same for all that went
-- alike, itself and as it is counted, and its messages: a row of numbers each, the last of them
-- the hour of submission, counted from that of the entry; and how their amounts changed after they were reserved
-- (an attempt before another one is paid besides it, so what it cost comes on top).
SELECT r.contact_id, r.id, r.entered_at, k.entered_at,
       r.version_id, coalesce(r.value, 0) - r.returned, c.seed, 1 - c.tracking,
       r.holdout, r.outcome, r.outcome_step, r.late, r.marks, r.cascade_id,
       k.course_id, k.version_id, k.value, k.hours, k.returned,
       (SELECT string_agg(concat(m.step, ',', m.channel, ',', m.state, ',', m.mask, ',', m.account_id, ',',
                                 m.variant, ',', m.reason, ',', m.price, ',',
                                 CASE WHEN m.spent IS NULL THEN m.cost ELSE m.spent + coalesce(m.cost,
                                     CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END) END, ',',
                                 m.submitted_at / 3600000 - r.entered_at / 3600000), ';')
          FROM messages m WHERE m.contact_id = r.contact_id AND m.run_id = r.id),
       r.returned,
       (SELECT string_agg(concat(a.step, ',', a.kind, ',',
                                 CASE WHEN a.kind = 6 THEN a.before ELSE a.after - a.before END), ';')
          FROM amounts a WHERE a.contact_id = r.contact_id AND a.run_id = r.id)
  FROM runs r
  JOIN contacts c ON c.id = r.contact_id
  LEFT JOIN run_courses k ON k.contact_id = r.contact_id AND k.run_id = r.id
 WHERE r.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: told_times
-- When what people and machines did with the messages of these runs was first known, and when the person opted out.
SELECT contact_id, run_id, step, kind, min(at) FROM facts
/* sqlite: WHERE contact_id = :c1 AND run_id = :c2 */
/* postgresql: WHERE (contact_id, run_id) IN (SELECT * FROM unnest(:c1::bigint[], :c2::bigint[])) */
   AND kind IN (3, 4, 5, 6, 7, 13, 14, 15, 16, 17, 18, 20, 21)
 GROUP BY contact_id, run_id, step, kind;

-- name: submission_times
-- When the messages of these runs were submitted, and whether they have arrived.
SELECT contact_id, run_id, step, submitted_at, arrived FROM arrivals
/* sqlite: WHERE contact_id = :c1 AND run_id = :c2 */
/* postgresql: WHERE (contact_id, run_id) IN (SELECT * FROM unnest(:c1::bigint[], :c2::bigint[])) */
   AND submitted_at IS NOT NULL AND state NOT IN (0, 1, 11, 12);

-- name: counted_of_contacts
SELECT contact_id, run_id, course_id, version_id, entered_at, value, hours, returned FROM run_courses
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: first_reactions (sqlite)
-- The steps of these runs by when a person first reacted to them, the first one first.
SELECT contact_id, run_id, step FROM facts
 WHERE contact_id = :c1 AND run_id = :c2 AND step >= 0 AND kind IN (3, 4, 5, 6, 7, 20, 21)
 ORDER BY at, step LIMIT 1;

-- name: first_reactions (postgresql)
-- The steps of these runs by when a person first reacted to them, the first one first.
SELECT k.contact_id, k.run_id,
       (SELECT f.step FROM facts f
         WHERE f.contact_id = k.contact_id AND f.run_id = k.run_id AND f.step >= 0
           AND f.kind IN (3, 4, 5, 6, 7, 20, 21)
         ORDER BY f.at, f.step LIMIT 1)
  FROM unnest(:c1::bigint[], :c2::bigint[]) AS k (contact_id, run_id);

-- name: told_failures (sqlite)
-- What providers said of the failures of these messages.
SELECT contact_id, run_id, step, at, kind, value FROM facts
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND kind BETWEEN 8 AND 11 AND value IS NOT NULL;

-- name: told_failures (postgresql)
-- What providers said of the failures of these messages. Each is looked for by itself: planned while there were no
-- facts yet, a join would go through all of them for each message.
SELECT f.contact_id, f.run_id, f.step, f.at, f.kind, f.value
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[]) AS k (contact_id, run_id, step)
 CROSS JOIN LATERAL (SELECT * FROM facts
                      WHERE contact_id = k.contact_id AND run_id = k.run_id AND step = k.step
                        AND kind BETWEEN 8 AND 11 AND value IS NOT NULL OFFSET 0) AS f;

-- name: put_courses
INSERT INTO courses (id, detail)
/* sqlite: VALUES (:c1, :c2) */ /* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::text[]) */
ON CONFLICT DO NOTHING;

-- name: put_course_parts
INSERT INTO course_parts (id, detail, live)
/* sqlite: VALUES (:c1, :c2, :c3) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::integer[]) */
ON CONFLICT DO NOTHING;

-- name: add_counts
INSERT INTO course_counts (version_id, hours, hour, part_id, runs, value, returned)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[],
                                    :c6::bigint[], :c7::bigint[]) */
ON CONFLICT (version_id, hours, hour, part_id) DO UPDATE
   SET runs = course_counts.runs + excluded.runs, value = course_counts.value + excluded.value,
       returned = course_counts.returned + excluded.returned;

-- name: drop_empty_counts
DELETE FROM course_counts
/* sqlite: WHERE version_id = :c1 AND hours = :c2 AND hour = :c3 AND part_id = :c4 AND runs = 0 */
/* postgresql: USING unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[])
       AS k (version_id, hours, hour, part_id)
 WHERE course_counts.version_id = k.version_id AND course_counts.hours = k.hours AND course_counts.hour = k.hour
   AND course_counts.part_id = k.part_id AND course_counts.runs = 0 */;

-- name: add_leg_counts
INSERT INTO leg_counts (hours, hour, version_id, part_id, messages)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[]) */
ON CONFLICT (hours, hour, version_id, part_id) DO UPDATE
   SET messages = leg_counts.messages + excluded.messages;

-- name: drop_empty_leg_counts
DELETE FROM leg_counts
/* sqlite: WHERE hours = :c1 AND hour = :c2 AND version_id = :c3 AND part_id = :c4 AND messages = 0 */
/* postgresql: USING unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[])
       AS k (hours, hour, version_id, part_id)
 WHERE leg_counts.hours = k.hours AND leg_counts.hour = k.hour AND leg_counts.version_id = k.version_id
   AND leg_counts.part_id = k.part_id AND leg_counts.messages = 0 */;

-- name: legs_between
-- The messages submitted between two hours, by version and what became of them: those of :by hours together, by the first
-- of these (where :by is 0 those of all, by 0).
SELECT k.hour, k.version_id, p.detail, k.messages
  FROM (SELECT coalesce(hour / nullif(:by, 0) * :by, 0) AS hour, version_id, part_id, CAST(sum(messages) AS BIGINT) AS messages
          FROM leg_counts
         WHERE hours = :hours AND hour >= :since AND hour < :until
         GROUP BY coalesce(hour / nullif(:by, 0) * :by, 0), version_id, part_id) AS k
  JOIN course_parts p ON p.id = k.part_id;

-- name: legs_by_day
-- What became of a cascade's messages (of one version, or with 0 of all) that were submitted between two hours, by day;
-- :offset is how many seconds the clock of these days is ahead of UTC.
SELECT (k.hour * 3600 + :offset) / 86400, p.detail, sum(k.messages)
  FROM leg_counts k JOIN versions v ON v.id = k.version_id JOIN course_parts p ON p.id = k.part_id
 WHERE k.hours = 1 AND k.hour >= :since AND k.hour < :until AND v.cascade_id = :cascade_id
   AND (:version_id = 0 OR v.id = :version_id)
 GROUP BY (k.hour * 3600 + :offset) / 86400, k.part_id, p.detail;

-- name: add_spent_counts
INSERT INTO spent_counts (hour, version_id, step, account_id, kind, messages, price, cost)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::text[],
                                    :c6::bigint[], :c7::bigint[], :c8::bigint[]) */
ON CONFLICT (hour, version_id, step, account_id, kind) DO UPDATE
   SET messages = spent_counts.messages + excluded.messages, price = spent_counts.price + excluded.price,
       cost = spent_counts.cost + excluded.cost;

-- name: drop_empty_spent_counts
DELETE FROM spent_counts
/* sqlite: WHERE hour = :c1 AND version_id = :c2 AND step = :c3 AND account_id = :c4 AND kind = :c5 AND */
/* postgresql: USING unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::text[])
       AS k (hour, version_id, step, account_id, kind)
 WHERE spent_counts.hour = k.hour AND spent_counts.version_id = k.version_id AND spent_counts.step = k.step
   AND spent_counts.account_id = k.account_id AND spent_counts.kind = k.kind AND */
       messages = 0 AND price = 0 AND cost = 0;

-- name: spent_between
-- What messages of these versions, submitted from one hour until before another, cost by version, step, account, kind and
-- day; :offset is how many seconds the clock of these days is ahead of UTC. Sums are cast as PostgreSQL would send them
-- as texts of digits, of which thousands take longer to read than to add up.
SELECT version_id, step, account_id, kind, (hour * 3600 + :offset) / 86400,
       CAST(sum(messages) AS BIGINT), CAST(sum(price) AS BIGINT), CAST(sum(cost) AS BIGINT)
  FROM spent_counts
 WHERE version_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND hour >= :since AND hour < :until
 GROUP BY version_id, step, account_id, kind, (hour * 3600 + :offset) / 86400;

-- name: put_run_courses
INSERT INTO run_courses (contact_id, run_id, course_id, version_id, entered_at, value, hours, returned)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[],
                                    :c6::bigint[], :c7::text[], :c8::bigint[]) */
ON CONFLICT (contact_id, run_id) DO UPDATE
   SET course_id = excluded.course_id, version_id = excluded.version_id, entered_at = excluded.entered_at,
       value = excluded.value, hours = excluded.hours, returned = excluded.returned;

-- name: drop_run_courses
DELETE FROM run_courses
/* sqlite: WHERE contact_id = :c1 AND run_id = :c2 */
/* postgresql: USING unnest(:c1::bigint[], :c2::bigint[]) AS k (contact_id, run_id)
 WHERE run_courses.contact_id = k.contact_id AND run_courses.run_id = k.run_id */;

-- name: part_sums (sqlite)
-- How many runs of a cascade (:c2) that entered between two hours have each part, by version (:c3; 0: all), what their
-- goals were worth, and what of that came back; each stretch of hours with its place (:c1) among those asked for.
-- Texts are looked up for the sums: PostgreSQL sorted all counts by them.
SELECT :c1, k.version_id, p.detail, k.runs, k.value, k.returned
  FROM (SELECT version_id, part_id, sum(runs) AS runs, sum(value) AS value, sum(returned) AS returned
          FROM course_counts
         WHERE version_id IN (SELECT id FROM versions WHERE cascade_id = :c2 AND (:c3 = 0 OR id = :c3))
           AND hours = :c4 AND hour >= :c5 AND hour < :c6
         GROUP BY version_id, part_id) AS k
  JOIN course_parts p ON p.id = k.part_id;

-- name: part_sums (postgresql)
-- The same. Stretch by stretch, each by the key: how long each is no plan can know, and all counts are many.
SELECT s.place, k.version_id, p.detail, k.runs, k.value, k.returned
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[], :c6::bigint[])
    AS s (place, cascade_id, version_id, hours, since, until)
 CROSS JOIN LATERAL (
        SELECT version_id, part_id, CAST(sum(runs) AS BIGINT) AS runs, CAST(sum(value) AS BIGINT) AS value,
               CAST(sum(returned) AS BIGINT) AS returned
          FROM course_counts
         WHERE version_id IN (SELECT id FROM versions WHERE cascade_id = s.cascade_id
                                 AND (s.version_id = 0 OR id = s.version_id))
           AND hours = s.hours AND hour >= s.since AND hour < s.until
         GROUP BY version_id, part_id) AS k
  JOIN course_parts p ON p.id = k.part_id;

-- name: part_sums_by_week
-- How many runs of a version that entered between two hours have each part, by so many hours each (a :week); with
-- :legs 0 of the shapes only of those that were not held out.
SELECT k.week, p.detail, k.runs
  FROM (SELECT hour / :week AS week, part_id, sum(runs) AS runs FROM course_counts
         WHERE version_id = :version_id AND hours = :hours AND hour >= :since AND hour < :until
           AND (:legs = 1 OR part_id IN (SELECT id FROM course_parts WHERE live IS NOT NULL))
         GROUP BY hour / :week, part_id) AS k
  JOIN course_parts p ON p.id = k.part_id;

-- name: counts_under_way
-- Runs that began and runs under way, by cascade (0: of all); hold-outs, who get nothing, are not counted. Version by
-- version (CROSS JOIN: SQLite keeps to that order), since most counts are of some hour and none of these.
SELECT v.cascade_id, sum(k.runs), coalesce(sum(CASE WHEN p.live = 1 THEN k.runs END), 0)
  FROM versions v CROSS JOIN course_counts k JOIN course_parts p ON p.id = k.part_id
 WHERE k.version_id = v.id AND k.hours = 0 AND p.live IS NOT NULL AND (:cascade_id = 0 OR v.cascade_id = :cascade_id)
 GROUP BY v.cascade_id;

-- name: parts_ever
-- How many runs of all cascades have each part. Version by version, as above.
SELECT p.detail, sum(k.runs)
  FROM versions v CROSS JOIN course_counts k JOIN course_parts p ON p.id = k.part_id
 WHERE k.version_id = v.id AND k.hours = 0
 GROUP BY k.part_id, p.detail;

-- name: accounts_that_carried
-- The accounts by which anything has ever left (domain/figures.LEFT), as far as it is counted.
SELECT DISTINCT s.account
  FROM (SELECT /* sqlite: CAST(detail ->> '$[3]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 3 AS bigint) */ AS state,
               /* sqlite: CAST(detail ->> '$[5]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 5 AS bigint) */ AS account
          FROM course_parts WHERE detail LIKE '["leg",%') AS s
 WHERE s.state IN (3, 4, 5, 7, 8, 9, 10) AND s.account IS NOT NULL;

-- name: version_cascades
SELECT id, cascade_id FROM versions;

-- name: course_scan
-- How many runs of a cascade went each course, by version: of those that entered between two instants.
SELECT version_id, course_id, count(*), sum(value), sum(returned) FROM run_courses
 WHERE version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id
                         AND (:version_id = 0 OR id = :version_id))
   AND entered_at >= :since AND entered_at < :until
 GROUP BY version_id, course_id;

-- name: courses_by_id
SELECT id, detail FROM courses WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: due_again
-- All runs of a contact are to be counted anew.
INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs WHERE contact_id = :contact_id;

-- name: one_counter
-- Whether this process may count until its transaction ends: one does at a time.
/* sqlite: SELECT 1 */ /* postgresql: SELECT CAST(pg_try_advisory_xact_lock(5277301) AS int) */;
