-- name: add_import
INSERT INTO imports (id, source, owner, dry_run, size, columns, shape, guessed, header, digest, started_at, beat_at,
                     since_at)
SELECT coalesce(max(id), 0) + 1, :source, :owner, :dry_run, :size, :columns, :shape, :guessed, :header, :digest, :now,
       :beat_at, :beat_at
  FROM imports
RETURNING id;

-- name: import
SELECT id, source, owner, state, dry_run, size, columns, seen, made, changed, rejected, notes, problem, started_at,
       beat_at, ended_at, shape, guessed, header, counts, cancelled, since_at, since_rows
  FROM imports WHERE id = :id;

-- name: imports_page
-- The latest first, without what was found in them.
SELECT id, source, owner, state, dry_run, size, columns, seen, made, changed, rejected, '[]', problem, started_at,
       beat_at, ended_at, shape, guessed, header, counts, cancelled, since_at, since_rows
  FROM imports WHERE id < :before ORDER BY id DESC LIMIT :limit;

-- name: import_by_digest
-- The last one of this very file that was asked for in this very manner.
SELECT id FROM imports WHERE digest = :digest ORDER BY id DESC LIMIT 1;

-- name: take_over_import
-- Another process goes on with it, unless one has already begun to.
UPDATE imports SET owner = :owner, state = 'running', problem = '', ended_at = NULL, beat_at = :beat_at
 WHERE id = :id AND owner = :owner_before AND state <> 'done' AND cancelled = 0
RETURNING id;

-- name: begin_import
UPDATE imports SET since_at = :beat_at, since_rows = seen, beat_at = :beat_at WHERE id = :id;

-- name: beat_import
UPDATE imports SET beat_at = :beat_at WHERE id = :id;

-- name: advance_import
-- Nothing is returned where another process has taken it over.
UPDATE imports SET seen = :seen, made = made + :made, changed = changed + :changed, rejected = :rejected,
       counts = :counts, beat_at = :beat_at
 WHERE id = :id AND owner = :owner
RETURNING cancelled;

-- name: note_import
UPDATE imports SET notes = :notes WHERE id = :id;

-- name: cancel_import
UPDATE imports SET cancelled = 1 WHERE id = :id AND state = 'running';

-- name: end_import
UPDATE imports SET state = :state, problem = :problem, ended_at = :now WHERE id = :id AND owner = :owner;

-- name: put_import_rejects
INSERT INTO import_rejects (import_id, row, reason, cells)
/* sqlite: VALUES (:c1, :c2, :c3, :c4) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::text[], :c4::text[]) */
ON CONFLICT DO NOTHING;

-- name: import_rejects
SELECT row, reason, cells FROM import_rejects WHERE import_id = :id ORDER BY row;

-- name: drop_import_rejects
-- They hold data of people, which are there to be mended, and for no longer. Some at a time: a tick waits.
DELETE FROM import_rejects WHERE (import_id, row) IN (
    SELECT r.import_id, r.row FROM imports i JOIN import_rejects r ON r.import_id = i.id
     WHERE i.started_at < :before LIMIT 2000
);
