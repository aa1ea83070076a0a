-- name: add_import
INSERT INTO imports (id, source, owner, dry_run, size, columns, shape, guessed, header, started_at, beat_at)
SELECT coalesce(max(id), 0) + 1, :source, :owner, :dry_run, :size, :columns, :shape, :guessed, :header, :now, :beat_at
  FROM imports
RETURNING id;

-- name: import
SELECT id, source, owner, state, dry_run, size, columns, seen, made, changed, rejected, notes, problem, started_at,
       beat_at, ended_at, shape, guessed, header, counts
  FROM imports WHERE id = :id;

-- name: advance_import
UPDATE imports SET seen = :seen, made = made + :made, changed = changed + :changed, beat_at = :beat_at
 WHERE id = :id;

-- name: note_import
UPDATE imports SET rejected = :rejected, notes = :notes, counts = :counts WHERE id = :id;

-- name: end_import
UPDATE imports SET state = :state, problem = :problem, ended_at = :now WHERE id = :id;

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
