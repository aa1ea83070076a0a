-- Calls by people: one task for each message that an own call desk has taken.

ALTER TABLE messages ADD COLUMN deadline_at BIGINT; -- when silence ends, where an agent says so and not the clocks

CREATE TABLE tasks (
    contact_id   BIGINT NOT NULL,
    run_id       INTEGER NOT NULL,
    account_id   INTEGER NOT NULL,
    cascade_id   INTEGER NOT NULL,
    version_id   INTEGER NOT NULL,
    opened_at    BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,             -- then it expires, unless somebody has it on the phone
    not_before   BIGINT NOT NULL,             -- before that nobody is given it
    sla_ms       BIGINT NOT NULL,             -- the time for it that began with `opened_at`, or with a call back
    price        BIGINT NOT NULL DEFAULT 0,   -- reserved; given back where it is never dialled
    claimed_at   BIGINT,
    lease_until  BIGINT,                      -- an agent who has not dialled by then has left it to others
    dialled_at   BIGINT,
    call_back_at BIGINT,                      -- what the person was promised
    closed_at    BIGINT,
    step         SMALLINT NOT NULL,
    attempt      SMALLINT NOT NULL,           -- of the message
    state        SMALLINT NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4), -- open, claimed, done, withdrawn, expired
    urgent       SMALLINT NOT NULL DEFAULT 0 CHECK (urgent IN (0, 1)),
    lane         SMALLINT NOT NULL,
    dials        SMALLINT NOT NULL DEFAULT 0,
    misses       SMALLINT NOT NULL DEFAULT 0, -- calls that nobody took
    disposition  SMALLINT,                    -- of the last call
    agent        TEXT,                        -- who has it, or had it last
    language     TEXT NOT NULL DEFAULT '',
    zone         TEXT NOT NULL DEFAULT '',    -- of the contact, the likeliest first
    why          TEXT NOT NULL DEFAULT '',    -- it is urgent
    ended        TEXT NOT NULL DEFAULT '',    -- why it was withdrawn
    notes        TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (contact_id, run_id, step, attempt),
    CHECK ((state > 1) = (closed_at IS NOT NULL)),
    CHECK (state <> 1 OR (agent IS NOT NULL AND lease_until IS NOT NULL))
) /* by contact */;
CREATE INDEX tasks_live ON tasks (account_id, urgent, lane, due_at) WHERE state <= 1;
CREATE INDEX tasks_opened ON tasks (account_id, opened_at);
CREATE INDEX tasks_state ON tasks (state, due_at, contact_id, run_id, step, attempt);
