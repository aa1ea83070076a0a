-- Outgoing webhooks: who is told of which events, what is to be told, and what was.

CREATE TABLE webhooks (
    id           BIGINT PRIMARY KEY,
    url          TEXT NOT NULL,
    description  TEXT NOT NULL DEFAULT '',
    types        TEXT NOT NULL,                 -- JSON: names of event types
    secrets      /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL, -- Fernet token over JSON: secrets and until when each counts
    enabled      INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    disabled_why TEXT NOT NULL DEFAULT '',      -- where Kaskad did it by itself
    created_at   BIGINT NOT NULL
);

CREATE TABLE outbox (                           -- events of the tick that somebody subscribed to, not yet worded
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    at         BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,                 -- 0: concerns the contact, not one run
    step       INTEGER NOT NULL,                -- -1: the run
    type       TEXT NOT NULL,
    once       TEXT NOT NULL,                   -- what tells it from another event of that type and place
    detail     TEXT NOT NULL                    -- JSON
);

CREATE TABLE deliveries (                       -- one event on its way to one webhook; times are the world's
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    webhook_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at    BIGINT,                          -- of the next attempt; NULL: there is none
    ended_at   BIGINT,
    state      INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2), -- 0 waiting, 1 delivered, 2 given up
    attempts   INTEGER NOT NULL DEFAULT 0,
    message_id TEXT NOT NULL,                   -- the header webhook-id, the same at each attempt
    type       TEXT NOT NULL,
    body       TEXT NOT NULL,
    answer     TEXT NOT NULL DEFAULT '',        -- to the last attempt
    UNIQUE (webhook_id, message_id),
    CHECK ((state = 0) = (next_at IS NOT NULL)),
    CHECK ((state = 0) = (ended_at IS NULL))
);
CREATE INDEX deliveries_due ON deliveries (webhook_id, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;
