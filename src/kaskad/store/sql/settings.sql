-- name: setting
SELECT value FROM settings WHERE name = :name;

-- name: put_setting
INSERT INTO settings (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: add_setting
-- The first to write it wins: 0 rows for the others.
INSERT INTO settings (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING;

-- name: database_now
-- What the database's own clock shows, in milliseconds; SQLite has none but ours.
SELECT /* sqlite: NULL */ /* postgresql: (extract(epoch FROM clock_timestamp()) * 1000)::bigint */;
