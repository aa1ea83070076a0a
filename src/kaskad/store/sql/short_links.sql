-- name: put_short_links (sqlite)
-- A message that is written again has the same codes.
INSERT INTO short_links (contact_id, run_id, step, link, code, expires_at)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6) ON CONFLICT DO NOTHING;

-- name: put_short_links (postgresql)
INSERT INTO short_links (contact_id, run_id, step, link, code, expires_at)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::text[], :c6::bigint[])
    ON CONFLICT DO NOTHING;

-- name: short_link
SELECT contact_id, run_id, step, link FROM short_links WHERE code = :code AND expires_at >= :now;

-- name: erase_short_links
DELETE FROM short_links WHERE contact_id = :contact_id;

-- name: drop_old_short_links
DELETE FROM short_links WHERE code IN (
    SELECT code FROM short_links WHERE expires_at < :now ORDER BY expires_at LIMIT :limit);
