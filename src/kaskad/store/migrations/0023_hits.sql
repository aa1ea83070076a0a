-- Who clicks for many: asked by address and time. What is judged by is kept with its source and date, and shops'
-- pages tell of themselves under a public key.

CREATE INDEX hits_ip ON hits (ip, at) WHERE link >= 0;

CREATE TABLE ip_ranges (
    name       TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('relay', 'cloud', 'scanner')),
    source     TEXT NOT NULL,                 -- where the list is published
    as_of      TEXT NOT NULL,                 -- the day it is of, YYYY-MM-DD
    networks   TEXT NOT NULL,                 -- in CIDR, one a line, united where they touch
    size       INTEGER NOT NULL,              -- how many
    changed_at BIGINT NOT NULL
);

CREATE TABLE sites (
    id         BIGINT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    write_key  TEXT NOT NULL UNIQUE,          -- public: it stands in the pages
    origins    TEXT NOT NULL,                 -- JSON: the pages that may use it
    events     TEXT NOT NULL,                 -- JSON: what they may tell that a visitor has done
    secret     /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL, -- Fernet token: signs who a visitor is
    per_minute INTEGER NOT NULL CHECK (per_minute > 0), -- requests of one address
    created_at BIGINT NOT NULL
);
