-- The tables of design: one text for SQLite and PostgreSQL. Words that differ stand in marked comments:
-- /* sqlite: … */ and /* postgresql: … */ hold text for one of them; /* by contact */ marks a large table,
-- which SQLite keeps WITHOUT ROWID (clustered by its key) and PostgreSQL may spread by hash of contact_id.
-- Instants are milliseconds since 1970 UTC; codes are those of domain/terms.py; money is in minor units.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL -- JSON
);

CREATE TABLE accounts (
    id         BIGINT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    provider   TEXT NOT NULL,
    channel    INTEGER NOT NULL,
    settings   TEXT NOT NULL,                 -- JSON, no secrets
    secrets    /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL, -- Fernet token over JSON
    priority   INTEGER NOT NULL DEFAULT 0,    -- lower is asked first
    backup_id  BIGINT,
    limits     TEXT NOT NULL,                 -- JSON: concurrency, per_second, burst
    prices     TEXT NOT NULL,                 -- JSON: minor units and currency a message (or SMS part)
    enabled    INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1))
);

CREATE TABLE cascades (
    id         BIGINT PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    state      TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('draft', 'active', 'paused', 'stopped')),
    version_id BIGINT,                        -- the version that new runs enter
    reserved   BIGINT NOT NULL DEFAULT 0,     -- price of everything submitted, minor units
    charged    BIGINT NOT NULL DEFAULT 0,
    changed_at BIGINT NOT NULL
);

CREATE TABLE versions (
    id           BIGINT PRIMARY KEY,
    cascade_id   BIGINT NOT NULL REFERENCES cascades (id),
    number       INTEGER NOT NULL,
    source       TEXT NOT NULL,               -- the text as written, frozen
    activated_at BIGINT NOT NULL,
    UNIQUE (cascade_id, number)
);

CREATE TABLE contacts (
    id          /* sqlite: INTEGER */ /* postgresql: BIGINT */ PRIMARY KEY,
    external_id TEXT UNIQUE,
    zone        TEXT,                         -- IANA names, best first, separated by spaces; NULL: unknown
    language    TEXT,
    country     TEXT,                         -- ISO 3166-1 alpha-2
    tracking    INTEGER NOT NULL DEFAULT 1 CHECK (tracking IN (0, 1)), -- may carry an open pixel
    attributes  TEXT NOT NULL DEFAULT '{}',   -- JSON
    created_at  BIGINT NOT NULL,
    erased_at   BIGINT
);

CREATE TABLE addresses (
    contact_id BIGINT NOT NULL,
    channel    INTEGER NOT NULL,
    value      TEXT NOT NULL,                 -- normalised: lower-case e-mail, E.164, chat id
    health     INTEGER NOT NULL DEFAULT 0 CHECK (health BETWEEN 0 AND 2), -- 0 good, 1 invalid, 2 suppressed
    shared     INTEGER NOT NULL DEFAULT 0 CHECK (shared IN (0, 1)),       -- another contact has it too (E11)
    preferred  INTEGER NOT NULL DEFAULT 0,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (contact_id, channel, value)
) /* by contact */;
CREATE INDEX addresses_value ON addresses (value, channel);

CREATE TABLE consents (                       -- append-only: a withdrawal is another row
    contact_id BIGINT NOT NULL,
    id         BIGINT NOT NULL,               -- 1, 2, … within the contact
    granted    INTEGER NOT NULL CHECK (granted IN (0, 1)),
    purpose    INTEGER NOT NULL,              -- message class code; 9: any
    channels   INTEGER NOT NULL,              -- bits 1 << channel code; 0: all
    topic      TEXT NOT NULL DEFAULT '',      -- '': all
    at         BIGINT NOT NULL,
    expires_at BIGINT,
    proof_id   BIGINT,                        -- NULL: unproven
    PRIMARY KEY (contact_id, id)
) /* by contact */;

CREATE TABLE proofs (
    id     /* sqlite: INTEGER */ /* postgresql: BIGINT */ PRIMARY KEY,
    detail TEXT NOT NULL UNIQUE               -- JSON: act, text, language, source, controller, ip, basis …
);

CREATE TABLE suppressions (
    hash   /* sqlite: BLOB */ /* postgresql: BYTEA */ PRIMARY KEY, -- keyed hash of channel kind and value
    reason TEXT NOT NULL,
    at     BIGINT NOT NULL
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE lists (
    id   BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE list_members (
    list_id    BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    PRIMARY KEY (list_id, contact_id)
) /* by contact */;

CREATE TABLE launches (                       -- a broadcast under way
    id         BIGINT PRIMARY KEY,
    version_id BIGINT NOT NULL,
    list_id    BIGINT,                        -- NULL: everybody
    cursor     BIGINT NOT NULL DEFAULT 0,     -- the last contact enrolled
    pace       INTEGER NOT NULL DEFAULT 0,    -- contacts an hour; 0: as fast as it goes
    started_at BIGINT NOT NULL,
    enrolled   BIGINT NOT NULL DEFAULT 0,
    state      TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'done', 'stopped'))
);

CREATE TABLE runs (
    contact_id  BIGINT NOT NULL,
    id          BIGINT NOT NULL,              -- seconds of enrolment, made unique within the contact
    cascade_id  BIGINT NOT NULL,
    version_id  BIGINT NOT NULL,
    slot        BIGINT NOT NULL,              -- hash of the trigger key under parallel_by_key, else 0
    state       INTEGER NOT NULL,
    phase       INTEGER NOT NULL,
    step        INTEGER NOT NULL,             -- the current step; -1 before the first
    branch      INTEGER,                      -- the branch that waits in phase BRANCH
    seq         INTEGER NOT NULL,
    wake_at     BIGINT,
    due_at      BIGINT NOT NULL,              -- when entering the step was due
    entered_at  BIGINT NOT NULL,
    holdout     INTEGER NOT NULL DEFAULT 0 CHECK (holdout IN (0, 1)),
    outcome     INTEGER,
    outcome_step INTEGER,
    late        INTEGER NOT NULL DEFAULT 0 CHECK (late IN (0, 1)),
    finished_at BIGINT,
    value       BIGINT,                       -- of the goal, minor units
    PRIMARY KEY (contact_id, id),
    CHECK ((outcome IS NULL) = (wake_at IS NOT NULL)),  -- every live run has a next instant
    CHECK ((outcome IS NULL) = (state <> 3))
) /* by contact */;
CREATE INDEX runs_due ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE UNIQUE INDEX runs_live ON runs (contact_id, cascade_id, slot) WHERE outcome IS NULL;
CREATE INDEX runs_held ON runs (cascade_id) WHERE state = 2;

CREATE TABLE run_data (
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    trigger_key TEXT NOT NULL DEFAULT '',
    properties TEXT NOT NULL,                 -- JSON: the trigger event's properties
    PRIMARY KEY (contact_id, run_id)
) /* by contact */;

CREATE TABLE messages (
    contact_id   BIGINT NOT NULL,
    run_id       BIGINT NOT NULL,
    step         INTEGER NOT NULL,
    channel      INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    mask         BIGINT NOT NULL DEFAULT 0,   -- bits 1 << fact kind
    reason       INTEGER,                     -- of a skip, a rejection or a failure
    variant      INTEGER,
    account_id   BIGINT,
    lane         INTEGER,
    not_before   BIGINT,                      -- of a queued message
    submitted_at BIGINT,
    sent_at      BIGINT,
    attempt      INTEGER NOT NULL DEFAULT 0,
    price        BIGINT NOT NULL DEFAULT 0,   -- before it is sent
    cost         BIGINT,                      -- after
    PRIMARY KEY (contact_id, run_id, step)
) /* by contact */;
CREATE INDEX messages_queued ON messages (account_id, lane, not_before) WHERE state = 1;

CREATE TABLE message_bodies (
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    step       INTEGER NOT NULL,
    body       TEXT NOT NULL,                 -- JSON: to, subject, texts, links
    PRIMARY KEY (contact_id, run_id, step)
) /* by contact */;

CREATE TABLE attempts (                       -- submissions that ended otherwise than accepted
    contact_id   BIGINT NOT NULL,
    run_id       BIGINT NOT NULL,
    step         INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    account_id   BIGINT NOT NULL,
    submitted_at BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    reason       INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    PRIMARY KEY (contact_id, run_id, step, attempt)
) /* by contact */;

CREATE TABLE facts (                          -- append-only
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    step       INTEGER NOT NULL,              -- -1: of the run
    kind       INTEGER NOT NULL,
    event      TEXT NOT NULL,                 -- the provider's event id
    at         BIGINT NOT NULL,
    value      TEXT,                          -- JSON, where the kind has more to tell
    PRIMARY KEY (contact_id, run_id, step, kind, event)
) /* by contact */;

CREATE TABLE provider_ids (                   -- for providers whose receipts carry only their own id
    account_id BIGINT NOT NULL,
    provider_id TEXT NOT NULL,
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    step       INTEGER NOT NULL,
    PRIMARY KEY (account_id, provider_id)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE inbox (                          -- arrived, answered, not yet applied
    id          /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    received_at BIGINT NOT NULL,
    contact_id  BIGINT NOT NULL,
    run_id      BIGINT NOT NULL,              -- 0: concerns the contact, not one run
    step        INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    event       TEXT NOT NULL,
    at          BIGINT NOT NULL,
    value       TEXT
);
CREATE INDEX inbox_contact ON inbox (contact_id);

CREATE TABLE orphans (                        -- receipts that came before the answer to the send (E4)
    id          /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    account_id  BIGINT NOT NULL,
    provider_id TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    kind        INTEGER NOT NULL,
    event       TEXT NOT NULL,
    at          BIGINT NOT NULL,
    value       TEXT
);
CREATE INDEX orphans_provider ON orphans (account_id, provider_id);

CREATE TABLE events (                         -- what CRM and site told us of a contact
    contact_id BIGINT NOT NULL,
    id         TEXT NOT NULL,                 -- the sender's event id
    name       TEXT NOT NULL,
    at         BIGINT NOT NULL,
    properties TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (contact_id, id)
) /* by contact */;

CREATE TABLE hits (                           -- every request to a pixel or link, also of machines
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    step       INTEGER NOT NULL,
    link       INTEGER NOT NULL,              -- -1: the open pixel; -2: the honeypot
    at         BIGINT NOT NULL,
    method     TEXT NOT NULL,
    ip         TEXT NOT NULL,
    agent      TEXT NOT NULL,
    actor      TEXT NOT NULL CHECK (actor IN ('human', 'suspected_machine', 'machine')),
    reasons    TEXT NOT NULL
);
CREATE INDEX hits_message ON hits (contact_id, run_id, step);

CREATE TABLE raw_webhooks (
    id          /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    account_id  BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    headers     TEXT NOT NULL,                -- JSON
    body        /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL,
    problem     TEXT                          -- why it could not be read; NULL: it was
);
CREATE INDEX raw_webhooks_problem ON raw_webhooks (received_at) WHERE problem IS NOT NULL;

CREATE TABLE decisions (                      -- why: one row a decision
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    seq        INTEGER NOT NULL,
    at         BIGINT NOT NULL,
    input_id   BIGINT NOT NULL,
    PRIMARY KEY (contact_id, run_id, seq)
) /* by contact */;

CREATE TABLE decision_inputs (                -- equal inputs and conclusions are kept once
    id     BIGINT PRIMARY KEY,                -- hash of the text
    detail TEXT NOT NULL                      -- JSON: reasons and answers
);
