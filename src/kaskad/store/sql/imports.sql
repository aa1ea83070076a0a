-- name: add_import
INSERT INTO imports (id, source, owner, dry_run, size, columns, started_at, beat_at)
SELECT coalesce(max(id), 0) + 1, :source, :owner, :dry_run, :size, :columns, :now, :beat_at FROM imports
RETURNING id;

-- name: import
SELECT id, source, owner, state, dry_run, size, columns, seen, made, changed, rejected, notes, problem, started_at,
       beat_at, ended_at
  FROM imports WHERE id = :id;

-- name: advance_import
UPDATE imports SET seen = :seen, made = made + :made, changed = changed + :changed, beat_at = :beat_at
 WHERE id = :id;

-- name: note_import
UPDATE imports SET rejected = :rejected, notes = :notes WHERE id = :id;

-- name: end_import
UPDATE imports SET state = :state, problem = :problem, ended_at = :now WHERE id = :id;
