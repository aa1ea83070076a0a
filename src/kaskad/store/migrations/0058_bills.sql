-- Bills of providers, held against what we have counted for the same messages.

CREATE TABLE bills (
    id         BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    source     TEXT NOT NULL,                 -- name of the file
    digest     TEXT NOT NULL,                 -- of the file and how it is read
    owner      TEXT NOT NULL,                 -- the process that is at it
    state      TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    currency   TEXT NOT NULL,
    size       BIGINT NOT NULL,               -- lines, about
    seen       BIGINT NOT NULL DEFAULT 0,     -- lines read
    beat_at    BIGINT NOT NULL,               -- by the wall clock
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    taken_at   BIGINT,                        -- when its amounts were taken over
    taken_by   TEXT NOT NULL DEFAULT '',
    columns    TEXT NOT NULL,                 -- JSON: header -> meaning
    report     TEXT NOT NULL DEFAULT '{}',    -- JSON: store/bills.Report
    problem    TEXT NOT NULL DEFAULT ''
);
CREATE INDEX bills_digest ON bills (account_id, digest);

CREATE TABLE bill_lines (                     -- messages that a bill names
    contact_id BIGINT NOT NULL,
    bill_id    BIGINT NOT NULL,
    micros     BIGINT NOT NULL,               -- of all its lines together
    run_id     INTEGER NOT NULL,
    step       SMALLINT NOT NULL,
    lines      INTEGER NOT NULL,
    parts      INTEGER,                       -- as the bill counts them; NULL: it does not
    place      TEXT NOT NULL,                 -- country and operator
    PRIMARY KEY (contact_id, run_id, step, bill_id)
) /* by contact */;
CREATE INDEX bill_lines_bill ON bill_lines (bill_id, contact_id, run_id, step);
