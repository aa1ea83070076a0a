-- What is taken out as a file, some contacts at a time; those that were erased are among them, without a name.

-- name: contact_ids_after
SELECT id FROM contacts WHERE id > :after ORDER BY id LIMIT :limit;

-- name: list_ids_after
SELECT contact_id FROM list_members WHERE list_id = :list_id AND contact_id > :after
 ORDER BY contact_id LIMIT :limit;

-- name: external_ids_among
SELECT id, external_id FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND external_id IS NOT NULL;

-- name: export_consents
SELECT c.contact_id, c.granted, c.purpose, c.channels, c.topic, c.at, c.expires_at, p.detail, c.brand
  FROM consents c LEFT JOIN proofs p ON p.id = c.proof_id
 WHERE c.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY c.contact_id, c.id;

-- name: export_lists
SELECT m.contact_id, l.name FROM list_members m JOIN lists l ON l.id = m.list_id
 WHERE m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY m.contact_id, l.name;

-- name: export_events
SELECT contact_id, id, name, at, properties FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND at >= :since AND at < :until
 ORDER BY contact_id, at, id;

-- name: export_messages
-- Messages that were submitted in a time, and skips of steps in runs that were entered in it; the columns are those
-- of messages_of_contact, but that the cost is that of reports: the price of what has left, where nobody told another.
SELECT m.contact_id, m.run_id, m.step, m.channel, m.state, m.mask, m.account_id, m.reason, m.variant, m.not_before,
       m.submitted_at, m.sent_at, m.price,
       coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END),
       m.attempt, r.cascade_id, r.version_id
  FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND coalesce(m.submitted_at, r.entered_at) >= :since AND coalesce(m.submitted_at, r.entered_at) < :until
 ORDER BY m.contact_id, m.run_id, m.step;

-- name: export_facts
-- When each kind of fact was first told of a message.
SELECT contact_id, run_id, step, kind, min(at) FROM facts
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND step >= 0
 GROUP BY contact_id, run_id, step, kind ORDER BY 1, 2, 3, 5, 4;

-- name: export_suppressed
SELECT contact_id, channel, value FROM addresses
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND health = 2
 ORDER BY contact_id, channel, value;

-- name: suppressions_after
SELECT hash, reason, at FROM suppressions WHERE hash > :after ORDER BY hash LIMIT :limit;

-- name: suppressions_by_hash (sqlite)
SELECT hash, reason, at FROM suppressions WHERE hash = :c1;

-- name: suppressions_by_hash (postgresql)
SELECT hash, reason, at FROM suppressions WHERE hash IN (SELECT unnest(:c1::bytea[]));

-- name: export_contacts
SELECT id, created_at, language, country, zone, tracking, seed, erased_at FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND created_at >= :since AND created_at < :until
 ORDER BY id;

-- name: export_runs
SELECT contact_id, id, version_id, state, outcome, outcome_step, late, holdout, entered_at, finished_at, value,
       returned
  FROM runs
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND entered_at >= :since AND entered_at < :until
 ORDER BY contact_id, id;

-- name: export_all_facts
SELECT f.contact_id, f.run_id, r.version_id, f.step, f.kind, f.at
  FROM facts f JOIN runs r ON r.contact_id = f.contact_id AND r.id = f.run_id
 WHERE f.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND f.at >= :since AND f.at < :until
 ORDER BY f.contact_id, f.run_id, f.step, f.at, f.kind;

-- name: export_decisions
SELECT d.contact_id, d.run_id, r.version_id, d.seq, d.at, i.detail
  FROM decisions d
  JOIN runs r ON r.contact_id = d.contact_id AND r.id = d.run_id
  JOIN decision_inputs i ON i.id = d.input_id
 WHERE d.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND d.at >= :since AND d.at < :until
 ORDER BY d.contact_id, d.run_id, d.seq;

-- name: export_goals
-- The first of each run counts.
SELECT f.contact_id, f.run_id, r.version_id, min(f.at), r.value, r.returned
  FROM facts f JOIN runs r ON r.contact_id = f.contact_id AND r.id = f.run_id
 WHERE f.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND f.step = -1 AND f.kind = :kind
 GROUP BY f.contact_id, f.run_id, r.version_id, r.value, r.returned
HAVING min(f.at) >= :since AND min(f.at) < :until
 ORDER BY f.contact_id, f.run_id;
