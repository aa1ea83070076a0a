-- name: create_migrations
CREATE TABLE IF NOT EXISTS migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    partitions INTEGER NOT NULL -- of every large table, on PostgreSQL; 0: none
)

-- name: lock_migrations
-- Two programs that start at once upgrade one after the other. SQLite has one writer anyway.
SELECT /* sqlite: 1 */ /* postgresql: pg_advisory_xact_lock(7526466502) */

-- name: migrations
SELECT number, name, checksum, partitions FROM migrations ORDER BY number

-- name: add_migration
INSERT INTO migrations (number, name, checksum, partitions) VALUES (:number, :name, :checksum, :partitions)
