-- name: put_audit
INSERT INTO audit (at, who, action, object) VALUES (:at, :who, :action, :object);

-- name: audit
-- The newest first, those before :before; the filters that are '' filter nothing.
SELECT id, at, who, action, object FROM audit
 WHERE id < :before AND at >= :since AND (:who = '' OR who = :who) AND (:object = '' OR object = :object)
 ORDER BY id DESC LIMIT :limit;
