-- Conversations with CRMs that are to be held: what has changed there is asked, what happened here is told.

CREATE TABLE crm_jobs (                         -- times are the world's
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    account_id BIGINT NOT NULL,
    kind       INTEGER NOT NULL CHECK (kind IN (0, 1)), -- 0 ask what has changed, 1 write into the journal
    key        TEXT NOT NULL,                   -- the same is done once
    payload    TEXT NOT NULL,                   -- JSON
    created_at BIGINT NOT NULL,
    next_at    BIGINT,                          -- of the next attempt; NULL: there is none
    ended_at   BIGINT,
    state      INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2), -- 0 waiting, 1 done, 2 given up
    attempts   INTEGER NOT NULL DEFAULT 0,
    answer     TEXT NOT NULL DEFAULT '',        -- what came of the last attempt
    UNIQUE (account_id, kind, key),
    CHECK ((state = 0) = (next_at IS NOT NULL)),
    CHECK ((state = 0) = (ended_at IS NULL))
);
CREATE INDEX crm_jobs_due ON crm_jobs (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX crm_jobs_ended ON crm_jobs (ended_at) WHERE ended_at IS NOT NULL;
