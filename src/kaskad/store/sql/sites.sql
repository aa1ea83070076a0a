-- name: sites
SELECT id, name, write_key, origins, secret, per_minute, events FROM sites ORDER BY name;

-- name: put_site
-- One of the same name keeps its key and its secret.
INSERT INTO sites (id, name, write_key, origins, events, secret, per_minute, created_at)
VALUES ((SELECT coalesce(max(id), 0) + 1 FROM sites), :name, :write_key, :origins, :events, :secret,
        :per_minute, :created_at)
ON CONFLICT (name) DO UPDATE SET origins = excluded.origins, events = excluded.events,
       per_minute = excluded.per_minute;

-- name: drop_site
DELETE FROM sites WHERE name = :name;

-- name: ip_ranges
SELECT name, kind, source, as_of, size, changed_at, networks FROM ip_ranges ORDER BY name;

-- name: ip_range_names
-- Without what makes them long.
SELECT name, kind, source, as_of, size, changed_at FROM ip_ranges ORDER BY name;

-- name: put_ip_ranges
INSERT INTO ip_ranges (name, kind, source, as_of, size, changed_at, networks)
VALUES (:name, :kind, :source, :as_of, :size, :changed_at, :networks)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, source = excluded.source, as_of = excluded.as_of,
       size = excluded.size, changed_at = excluded.changed_at, networks = excluded.networks;

-- name: drop_ip_ranges
DELETE FROM ip_ranges WHERE name = :name;
