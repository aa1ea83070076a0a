-- name: setting
SELECT value FROM settings WHERE name = :name;

-- name: put_setting
INSERT INTO settings (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: add_setting
-- The first to write it wins: 0 rows for the others.
INSERT INTO settings (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING;
