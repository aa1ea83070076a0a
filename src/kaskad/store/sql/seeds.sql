-- name: seeds
-- Seed and test contacts: they get what others get, and are in no figure.
SELECT id FROM contacts WHERE seed = 1 AND erased_at IS NULL ORDER BY id;

-- name: mark_seed
UPDATE contacts SET seed = :seed WHERE id = :id AND seed <> :seed;

-- name: segment_watch
-- Who was in a cascade's segment when it was last looked at.
SELECT segment, checked_at, members FROM segment_watches WHERE cascade_id = :cascade_id;

-- name: put_segment_watch
INSERT INTO segment_watches (cascade_id, segment, checked_at, members)
VALUES (:cascade_id, :segment, :now, :members)
ON CONFLICT (cascade_id) DO UPDATE
   SET segment = excluded.segment, checked_at = excluded.checked_at, members = excluded.members
 WHERE segment_watches.checked_at <= :before;
