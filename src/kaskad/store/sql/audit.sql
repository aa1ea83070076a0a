-- name: put_audit
INSERT INTO audit (at, who, action, object) VALUES (:at, :who, :action, :object);

-- name: audit
-- The newest first, those before :before; the filters that are '' filter nothing. Each asks its index.
SELECT id, at, who, action, object FROM audit
 WHERE id IN (
       SELECT id FROM (SELECT id FROM audit WHERE :object = '' AND :who = '' AND id < :before AND at >= :since
                        ORDER BY id DESC LIMIT :limit) AS whole
       UNION ALL
       SELECT id FROM (SELECT id FROM audit WHERE :object = '' AND :who <> '' AND who = :who AND id < :before AND at >= :since
                        ORDER BY id DESC LIMIT :limit) AS theirs
       UNION ALL
       SELECT id FROM (SELECT id FROM audit
                        WHERE :object <> '' AND object = :object AND :who IN ('', who) AND id < :before AND at >= :since
                        ORDER BY id DESC LIMIT :limit) AS about)
 ORDER BY id DESC LIMIT :limit;
