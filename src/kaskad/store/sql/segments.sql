-- What the matcher is told of contacts, and what is kept of them by column.

-- name: lists_of
SELECT m.contact_id, l.name FROM list_members m JOIN lists l ON l.id = m.list_id
 WHERE m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: reach_of
SELECT DISTINCT contact_id, channel FROM addresses
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND health = 0;

-- name: mailboxes_of
-- The domains of the mail addresses of contacts, each contact's preferred one first; as `mails_by_domain` has it.
SELECT contact_id, substr(value, /* sqlite: instr(value, '@') */ /* postgresql: strpos(value, '@') */ + 1) AS domain
  FROM addresses
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND channel = 1
 ORDER BY contact_id, preferred DESC, health, value;

-- name: runs_of_segments
SELECT r.contact_id, c.slug, r.entered_at, r.finished_at, r.outcome FROM runs r JOIN cascades c ON c.id = r.cascade_id
 WHERE r.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: sends_of
SELECT r.contact_id, c.slug, m.submitted_at
  FROM runs r
  JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
  JOIN cascades c ON c.id = r.cascade_id
 WHERE r.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND m.submitted_at IS NOT NULL AND m.state NOT IN (0, 1, 6, 11, 12);

-- name: reactions_of
SELECT r.contact_id, c.slug, f.kind, f.at
  FROM runs r
  JOIN facts f ON f.contact_id = r.contact_id AND f.run_id = r.id
  JOIN cascades c ON c.id = r.cascade_id
 WHERE r.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND f.step >= 0;

-- name: segment_contacts
-- Who of these is there, and who is a seed contact.
SELECT id, seed FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND erased_at IS NULL;

-- name: segment_attributes
SELECT id, attributes, zone, language, country FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: segment_contacts_within
-- The same of a block of contacts, or of a part of it.
SELECT id, seed FROM contacts WHERE id BETWEEN :first AND :last AND erased_at IS NULL;

-- name: segment_events
SELECT contact_id, name, at, properties FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY contact_id, at;

-- name: segment_events_named
SELECT contact_id, at, properties FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND name = :name;

-- name: segment_events_within
-- The same of a block of contacts, which takes a fifth of looking for each of them.
SELECT contact_id, at, properties FROM events WHERE contact_id BETWEEN :first AND :last AND name = :name;

-- name: segment_happened
-- Whose and when the events of a name are, in one order.
SELECT string_agg(CAST(contact_id AS TEXT), ','), string_agg(CAST(at AS TEXT), ',') FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND name = :name;

-- name: segment_happened_within
-- The same of a block of contacts.
SELECT string_agg(CAST(contact_id AS TEXT), ','), string_agg(CAST(at AS TEXT), ',') FROM events
 WHERE contact_id BETWEEN :first AND :last AND name = :name;

-- name: segment_column
-- A column of some blocks.
SELECT block, data FROM segment_columns
 WHERE kind = :kind AND name = :name AND property = :property AND block >= :first AND block <= :last;

-- name: segment_column_size
-- How many bytes a column takes; they are not read for it.
SELECT CAST(coalesce(sum(length(data)), 0) AS bigint) FROM segment_columns
 WHERE kind = :kind AND name = :name AND property = :property;

-- name: segment_blocks
-- Blocks of contacts that are there, and when each was made; one of which nothing is made has none.
SELECT block, built_at, generation FROM segment_blocks ORDER BY block;

-- name: segment_touched
SELECT DISTINCT contact_id FROM segment_touched;

-- name: count_touched
SELECT count(*) FROM (SELECT 1 AS one FROM segment_touched LIMIT :most) AS few;

-- name: touched_blocks
SELECT DISTINCT contact_id / 8192 FROM segment_touched;

-- name: touched_within
SELECT DISTINCT contact_id FROM segment_touched WHERE contact_id BETWEEN :first AND :last;

-- name: block_due
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM segment_blocks WHERE block = :block AND built_at IS NOT NULL)
            OR EXISTS (SELECT 1 FROM segment_touched WHERE contact_id BETWEEN :first AND :last);

-- name: block_built_at
SELECT built_at FROM segment_blocks WHERE block = :block;

-- name: transactions_under_way (sqlite)
SELECT 0, 0;

-- name: transactions_under_way (postgresql)
-- The oldest that writes and has not ended, and the number that comes after all that have begun.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint;

-- name: begin_block
INSERT INTO segment_blocks (block, generation) VALUES (:block, :first)
ON CONFLICT (block) DO UPDATE SET generation = segment_blocks.generation + 1
RETURNING generation;

-- name: take_touched
UPDATE segment_touched SET taken = :generation WHERE contact_id BETWEEN :first AND :last;

-- name: drop_taken
DELETE FROM segment_touched WHERE contact_id BETWEEN :first AND :last AND taken = :generation;

-- name: end_block
UPDATE segment_blocks SET built_at = :now WHERE block = :block AND generation = :generation;

-- name: drop_columns
DELETE FROM segment_columns WHERE block = :block;

-- name: drop_column
DELETE FROM segment_columns WHERE kind = :kind AND name = :name AND property = :property AND block = :block;

-- name: drop_block
DELETE FROM segment_blocks WHERE block = :block;

-- name: drop_touched
DELETE FROM segment_touched WHERE contact_id BETWEEN :first AND :last;

-- name: columns_of_block
SELECT kind, name, property, data FROM segment_columns WHERE block = :block;

-- name: put_columns
INSERT INTO segment_columns (block, kind, name, property, data)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::text[], :c4::text[], :c5::bytea[]) */
ON CONFLICT (kind, name, property, block) DO UPDATE SET data = excluded.data;

-- name: segment_listed
SELECT string_agg(CAST(m.contact_id AS TEXT), ',') FROM list_members m JOIN lists l ON l.id = m.list_id
 WHERE l.name = :name;

-- name: segment_entered
SELECT string_agg(CAST(contact_id AS TEXT), ',') FROM (
    SELECT DISTINCT r.contact_id FROM runs r
     WHERE r.entered_at > :after AND r.entered_at <= :until
       AND (:slug = 'any' OR r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug))) AS found;

-- name: segment_ended
SELECT string_agg(CAST(contact_id AS TEXT), ',') FROM (
    SELECT DISTINCT r.contact_id FROM runs r
     WHERE r.finished_at > :after AND r.finished_at <= :until AND r.outcome = :outcome
       AND (:slug = 'any' OR r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug))) AS found;

-- name: segment_sent
SELECT string_agg(CAST(contact_id AS TEXT), ',') FROM (
    SELECT DISTINCT m.contact_id FROM messages m
     WHERE m.submitted_at > :after AND m.submitted_at <= :until AND m.state NOT IN (0, 1, 6, 11, 12)
       AND (:slug = 'any' OR EXISTS (
           SELECT 1 FROM runs r WHERE r.contact_id = m.contact_id AND r.id = m.run_id
              AND r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug)))) AS found;

-- name: segment_reacted
SELECT string_agg(CAST(contact_id AS TEXT), ',') FROM (
    SELECT DISTINCT f.contact_id FROM facts f
     WHERE f.at > :after AND f.at <= :until AND f.step >= 0 AND (CAST(:kinds AS BIGINT) >> CAST(f.kind AS INTEGER)) & 1 = 1
       AND EXISTS (
           SELECT 1 FROM runs r WHERE r.contact_id = f.contact_id AND r.id = f.run_id
              AND (:slug = 'any' OR r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug)))) AS found;
