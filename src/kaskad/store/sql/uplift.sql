-- What measuring effects asks besides the counts; analytics/uplift.py and analytics/attribution.py.

-- name: worth_scan
-- What runs brought that brought money, by version and course; as `course_scan`. The amounts of a course are one text,
-- on PostgreSQL eight bytes each: a row for each amount takes longer to send and to read than to count here.
SELECT version_id, course_id, /* sqlite: string_agg(value, ',') */ /* postgresql: string_agg(int8send(value), '') */
  FROM run_courses
 WHERE value <> 0
   AND version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id
                         AND (:version_id = 0 OR id = :version_id))
   AND entered_at >= :since AND entered_at < :until
 GROUP BY version_id, course_id;

-- name: held_out_touched
-- Contamination: of the last :limit runs held out from a cascade, how many there are, and of how many the person
-- got a message of another cascade within the time in which the goal counts. The version is asked for as a range, which
-- the index tells of: PostgreSQL read the rows of all versions, and of an early one there may be none among the last. Other
-- runs are told by their version: that stands in the index of PostgreSQL, which reads no row of a run then.
SELECT count(*), coalesce(sum(touched), 0)
  FROM (SELECT CASE WHEN EXISTS (
                 SELECT 1 FROM arrivals m JOIN runs o ON o.contact_id = m.contact_id AND o.id = m.run_id
                  WHERE m.contact_id = r.contact_id
                    AND o.version_id NOT IN (SELECT id FROM versions WHERE cascade_id = :cascade_id)
                    AND m.submitted_at >= r.entered_at AND m.submitted_at < r.entered_at + :within
                    AND m.arrived = 1) THEN 1 ELSE 0 END AS touched
          FROM runs r
         WHERE r.holdout = 1 AND r.cascade_id = :cascade_id
           AND r.version_id BETWEEN :version_id AND CASE WHEN :version_id = 0 THEN 2147483647 ELSE :version_id END
           AND r.entered_at >= :since AND r.entered_at < :until
           AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
         ORDER BY r.entered_at DESC LIMIT :limit) AS held;

-- name: held_out_touched_among
-- The same, of these people: a statement of its own, since one that may be of all looks at the runs of all.
SELECT count(*), coalesce(sum(touched), 0)
  FROM (SELECT CASE WHEN EXISTS (
                 SELECT 1 FROM arrivals m JOIN runs o ON o.contact_id = m.contact_id AND o.id = m.run_id
                  WHERE m.contact_id = r.contact_id AND o.cascade_id <> r.cascade_id
                    AND m.submitted_at >= r.entered_at AND m.submitted_at < r.entered_at + :within
                    AND m.arrived = 1) THEN 1 ELSE 0 END AS touched
          FROM runs r
         WHERE r.contact_id IN (/* sqlite: SELECT value FROM carray(:ids) */ /* postgresql: SELECT unnest(CAST(:ids AS bigint[])) */)
           AND r.holdout = 1 AND +r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
           AND r.entered_at >= :since AND r.entered_at < :until
           AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
         ORDER BY r.entered_at DESC LIMIT :limit) AS held;

-- name: first_entered
-- The hour in which the first of those entered a cascade who entered from an instant on.
SELECT CAST(min(hour) AS BIGINT) * 3600000 FROM course_counts
 WHERE version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id) AND hours = 1 AND hour >= :since / 3600000;

-- name: goals_between
-- The last goals of a period, each once however many runs have it as theirs: by contact and event.
SELECT contact_id, event, min(at) FROM facts
 WHERE kind = 32 AND at >= :since AND at < :until AND contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY contact_id, event ORDER BY min(at) DESC, contact_id, event LIMIT :limit;

-- name: arrived_touches
-- The messages that have arrived of these contacts, with when they left us: since an instant.
SELECT contact_id, run_id, coalesce(sent_at, submitted_at), step, channel FROM arrivals
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND arrived = 1 AND submitted_at IS NOT NULL AND coalesce(sent_at, submitted_at) >= :since;

-- name: ways_of
-- Of which version the runs of these contacts are. Nothing else is asked, so that PostgreSQL finds it in the index.
SELECT contact_id, id, version_id FROM runs
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: everybody
-- How many contacts there are; who of them is erased, and who became known from the :first of four instants in order on:
-- four times the number, and how many of the others had come by then. Numbers are told as texts, on PostgreSQL by the
-- eight bytes of each, and of whom the count alone tells all nobody is named. One look at the whole table: block by block
-- by the index it took PostgreSQL twice as long.
SELECT count(*),
       /* sqlite: string_agg(id, ',') */ /* postgresql: string_agg(int8send(id), '') */ FILTER (WHERE erased_at IS NOT NULL),
       /* sqlite: string_agg( */ /* postgresql: string_agg(int8send( */
           4 * id + CASE WHEN created_at < :second THEN 0 WHEN created_at < :third THEN 1
                         WHEN created_at < :fourth THEN 2 ELSE 3 END
       /* sqlite: , ',') */ /* postgresql: ), '') */ FILTER (WHERE created_at >= :first)
  FROM contacts;

-- name: contacts_there
-- Of these contacts those who are neither seeds nor erased, and when they became known.
SELECT id, created_at FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND erased_at IS NULL AND seed = 0;

-- name: count_of_block
-- How many contacts there are of these numbers: fewer where some were given to nobody.
SELECT count(*) FROM contacts WHERE id BETWEEN :least AND :most;

-- name: ids_of_block
-- Whose numbers are not all there.
SELECT /* sqlite: string_agg(id, ',') */ /* postgresql: string_agg(int8send(id), '') */
  FROM contacts WHERE id BETWEEN :least AND :most;

-- name: events_of_all
-- Events of a name in a period, in no order: whose, when and their properties, each as one text, which is quicker than
-- rows. Looks at all events: asked where there is a control group, and remembered.
SELECT /* sqlite: string_agg(contact_id, ',') */ /* postgresql: string_agg(int8send(contact_id), '') */,
       /* sqlite: string_agg(at, ',') */ /* postgresql: string_agg(int8send(at), '') */, string_agg(properties, ',')
  FROM (SELECT contact_id, at, properties FROM events WHERE name = :name AND at >= :since AND at < :until LIMIT :limit) AS e;

-- name: when_events_of_all
-- When all of them were, as one text: which are the last ones is found in that sooner than by sorting them.
SELECT /* sqlite: string_agg(at, ',') */ /* postgresql: string_agg(int8send(at), '') */ FROM events
 WHERE name = :name AND at >= :since AND at < :until;
