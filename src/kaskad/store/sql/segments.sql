-- What the matcher is told of contacts (see sql/pieces/segments.sql for what the database answers itself).

-- name: lists_of
SELECT m.contact_id, l.name FROM list_members m JOIN lists l ON l.id = m.list_id
 WHERE m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: reach_of
SELECT DISTINCT contact_id, channel FROM addresses
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND health = 0;

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
