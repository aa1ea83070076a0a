-- name: add_approval
INSERT INTO approvals (at, text, act, what, by, note) VALUES (:now, :text, :act, :what, :by, :note);

-- name: approvals_of
-- All that was done about a text, in its order.
SELECT id, at, text, act, what, by, note FROM approvals WHERE text = :text ORDER BY id;

-- name: approvals
-- The latest acts first.
SELECT id, at, text, act, what, by, note FROM approvals
 WHERE id < :before AND act <> 'written' ORDER BY id DESC LIMIT :limit;
