-- Goals that come back, see engine/returns.py.

-- name: goals_and_returns
-- The goals of these contacts' runs and what is known of their returns, goals first, with what each run is worth.
SELECT f.contact_id, f.run_id, f.kind, f.event, f.at, f.value, coalesce(r.value, 0), r.returned, r.marks
  FROM facts f JOIN runs r ON r.contact_id = f.contact_id AND r.id = f.run_id
 WHERE f.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND f.step = -1 AND f.kind IN (:goal, :returned)
 ORDER BY f.contact_id, f.run_id, f.kind, f.at, f.event;

-- name: contacts_with_goals
-- Who of some contacts has come to the goal of a cascade.
SELECT DISTINCT contact_id FROM runs
 WHERE contact_id > :after AND contact_id <= :until AND cascade_id = :cascade_id AND marks & :goal <> 0
 ORDER BY contact_id;

-- name: events_named
-- The events of a name of these contacts.
SELECT contact_id, id, at, properties FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND name = :name
 ORDER BY contact_id, at, id;

-- name: drop_returns (sqlite)
-- These returns give back the goals of other runs.
DELETE FROM facts WHERE contact_id = :c1 AND run_id = :c2 AND step = -1 AND kind = 37 AND event = :c3;

-- name: drop_returns (postgresql)
-- These returns give back the goals of other runs.
DELETE FROM facts f
 USING unnest(:c1::bigint[], :c2::bigint[], :c3::text[]) AS k (contact_id, run_id, event)
 WHERE f.contact_id = k.contact_id AND f.run_id = k.run_id AND f.step = -1 AND f.kind = 37 AND f.event = k.event;

-- name: put_returned (sqlite)
-- What came back of each run's worth, and the bits that say how.
UPDATE runs SET returned = :c3, marks = (marks & ~:c5) | :c4 WHERE contact_id = :c1 AND id = :c2;

-- name: put_returned (postgresql)
-- What came back of each run's worth, and the bits that say how.
UPDATE runs r SET returned = k.returned, marks = (r.marks & ~k.every) | k.marks
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[])
       AS k (contact_id, id, returned, marks, every)
 WHERE r.contact_id = k.contact_id AND r.id = k.id;
