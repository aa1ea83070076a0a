-- name: next_date_look
SELECT next_at FROM date_looks;

-- name: take_date_look
-- How far the round has come, for the one process that takes the next piece.
SELECT began_at, after FROM date_looks WHERE next_at <= :now /* postgresql: FOR UPDATE SKIP LOCKED */;

-- name: put_date_look
UPDATE date_looks SET began_at = :began_at, after = :after, next_at = :next_at;

-- name: piece_of_contacts
-- The last of the next contacts.
SELECT max(id) FROM (SELECT id FROM contacts WHERE id > :after ORDER BY id LIMIT :limit) AS piece;

-- name: dated_contacts
-- Contacts of a piece whose attribute's text may be a date that is near.
SELECT id, zone, value
  FROM (SELECT id, zone, substr(attributes /* postgresql: ::json */ ->> :name, 1, 10) AS value FROM contacts
         WHERE id > :after AND id <= :until AND erased_at IS NULL) AS piece
 WHERE substr(value, :start /* postgresql: ::integer */, 10) BETWEEN :low AND :high
    OR substr(value, :start /* postgresql: ::integer */, 10) BETWEEN :low2 AND :high2
 ORDER BY id;

-- name: trigger_keys
SELECT r.contact_id, d.trigger_key
  FROM runs r JOIN run_data d ON d.contact_id = r.contact_id AND d.run_id = r.id
 WHERE r.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND r.cascade_id = :cascade_id;

-- name: add_date_look
INSERT INTO date_looks (id, began_at, after, next_at) VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING;
