-- name: put_facts (sqlite)
-- hot
-- A fact is kept once, however often it is told.
-- example: [[1, 1, 0, 2, "e", 5, null]]
INSERT INTO facts (contact_id, run_id, step, kind, event, at, value) VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7)
ON CONFLICT DO NOTHING;

-- name: put_facts (postgresql)
-- hot
-- A fact is kept once, however often it is told.
-- example: [[1, 1, 0, 2, "e", 5, null]]
INSERT INTO facts (contact_id, run_id, step, kind, event, at, value)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::text[], :c6::bigint[],
                     :c7::text[])
ON CONFLICT DO NOTHING;

-- name: facts_of_runs (sqlite)
-- hot
-- example: [[1, 1]]
SELECT contact_id, run_id, step, kind, at FROM facts WHERE contact_id = :c1 AND run_id = :c2;

-- name: facts_of_runs (postgresql)
-- hot
-- example: [[1, 1]]
SELECT f.contact_id, f.run_id, f.step, f.kind, f.at
  FROM unnest(:c1::bigint[], :c2::bigint[]) AS k (contact_id, run_id)
  JOIN facts f ON f.contact_id = k.contact_id AND f.run_id = k.run_id;

-- name: facts_of_run
SELECT step, kind, event, at, value FROM facts WHERE contact_id = :contact_id AND run_id = :run_id ORDER BY at, kind;

-- name: put_decisions (sqlite)
-- hot
-- example: [[1, 1, 0, 5, 7]]
INSERT INTO decisions (contact_id, run_id, seq, at, input_id) VALUES (:c1, :c2, :c3, :c4, :c5)
ON CONFLICT DO NOTHING;

-- name: put_decisions (postgresql)
-- hot
-- example: [[1, 1, 0, 5, 7]]
INSERT INTO decisions (contact_id, run_id, seq, at, input_id)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::bigint[], :c5::bigint[])
ON CONFLICT DO NOTHING;

-- name: put_inputs (sqlite)
INSERT INTO decision_inputs (id, detail) VALUES (:c1, :c2) ON CONFLICT DO NOTHING;

-- name: put_inputs (postgresql)
INSERT INTO decision_inputs (id, detail) SELECT * FROM unnest(:c1::bigint[], :c2::text[]) ON CONFLICT DO NOTHING;

-- name: decisions_of_run
-- Those of submissions stand with their messages.
SELECT d.seq, d.at, i.detail
  FROM (SELECT seq, at, input_id FROM decisions WHERE contact_id = :contact_id AND run_id = :run_id
        UNION
        SELECT why_seq, submitted_at, why FROM messages
         WHERE contact_id = :contact_id AND run_id = :run_id AND why IS NOT NULL) AS d
  JOIN decision_inputs i ON i.id = d.input_id
 ORDER BY d.seq;

-- name: put_events (sqlite)
-- Returns those not known before: only they may enrol.
INSERT INTO events (contact_id, id, name, at, properties) VALUES (:c1, :c2, :c3, :c4, :c5)
ON CONFLICT DO NOTHING RETURNING contact_id, id;

-- name: put_events (postgresql)
-- Returns those not known before: only they may enrol.
INSERT INTO events (contact_id, id, name, at, properties)
SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::text[], :c4::bigint[], :c5::text[])
ON CONFLICT DO NOTHING RETURNING contact_id, id;

-- name: events_of_contacts
SELECT contact_id, name, at, properties FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND at >= :since;

-- name: event_names_among
-- The names of some events, and how many there are of each: nothing finds all names without reading every event.
SELECT name, count(*) FROM (SELECT name FROM events LIMIT :limit) AS looked GROUP BY name ORDER BY name;
