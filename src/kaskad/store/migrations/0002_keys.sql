-- Keys of the API, and the answers that are repeated for an Idempotency-Key.

CREATE TABLE api_keys (
    id           BIGINT PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    hash         /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL UNIQUE, -- SHA-256 of the key, which is nowhere kept
    scopes       TEXT NOT NULL,                 -- JSON: names
    created_at   BIGINT NOT NULL,
    revoked_at   BIGINT
);

CREATE TABLE idempotency_keys (
    caller     TEXT NOT NULL,                   -- name of the API key
    name       TEXT NOT NULL,                   -- the Idempotency-Key
    request    /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL,         -- SHA-256 of method, path and body
    created_at BIGINT NOT NULL,
    status     INTEGER,                         -- NULL: under way
    body       /* sqlite: BLOB */ /* postgresql: BYTEA */,
    PRIMARY KEY (caller, name)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
