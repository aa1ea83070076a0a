-- name: files
-- All files without their content.
SELECT id, name, title, kind, size, digest, saved_at, saved_by, scanned FROM files ORDER BY name;

-- name: file_of
SELECT id, name, title, kind, size, digest, saved_at, saved_by, scanned FROM files WHERE name = :name;

-- name: file_content
SELECT content FROM files WHERE id = :id;

-- name: file_by_id
SELECT id, name, title, kind, size, digest, saved_at, saved_by, scanned FROM files WHERE id = :id;

-- name: put_file
INSERT INTO files (name, title, kind, size, digest, content, saved_at, saved_by, scanned)
VALUES (:name, :title, :kind, :size, :digest, :content, :now, :by, :scanned)
ON CONFLICT (name) DO UPDATE SET
       title = excluded.title, kind = excluded.kind, size = excluded.size, digest = excluded.digest,
       content = excluded.content, saved_at = excluded.saved_at, saved_by = excluded.saved_by,
       scanned = excluded.scanned;

-- name: drop_file
DELETE FROM files WHERE name = :name;

-- name: invite
SELECT sequence, starts_at, ends_at, place, cancelled, uid FROM invites
 WHERE contact_id = :contact_id AND name = :name;

-- name: put_invite
INSERT INTO invites (contact_id, name, uid, sequence, starts_at, ends_at, place, cancelled)
VALUES (:contact_id, :name, :uid, :sequence, :starts_at, :ends_at, :place, :cancelled)
ON CONFLICT (contact_id, name) DO UPDATE SET
       sequence = excluded.sequence, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
       place = excluded.place, cancelled = excluded.cancelled;
