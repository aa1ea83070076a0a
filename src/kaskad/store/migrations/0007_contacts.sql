-- Searching contacts, segments, and imports of files.

ALTER TABLE contacts ADD COLUMN folded TEXT;  -- the names in lower case, for the search; NULL: none
CREATE INDEX contacts_folded ON contacts (folded) WHERE folded IS NOT NULL;

/* postgresql:
CREATE INDEX addresses_prefix ON addresses (value text_pattern_ops);
CREATE INDEX external_ids_prefix ON external_ids (external_id text_pattern_ops);
*/

CREATE TABLE segments (
    id         BIGINT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    conditions TEXT NOT NULL,                 -- JSON: [[attribute, value], …], all of which hold
    created_at BIGINT NOT NULL
);

CREATE TABLE imports (
    id         BIGINT PRIMARY KEY,
    source     TEXT NOT NULL,                 -- name of the file
    owner      TEXT NOT NULL,                 -- the process that carries it out
    state      TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    dry_run    SMALLINT NOT NULL CHECK (dry_run IN (0, 1)),
    size       BIGINT NOT NULL,               -- rows of the file, about
    columns    TEXT NOT NULL,                 -- JSON: what each was taken for
    seen       BIGINT NOT NULL DEFAULT 0,     -- rows read
    made       BIGINT NOT NULL DEFAULT 0,
    changed    BIGINT NOT NULL DEFAULT 0,
    rejected   BIGINT NOT NULL DEFAULT 0,
    notes      TEXT NOT NULL DEFAULT '[]',    -- JSON: what could not be read, the first of it
    problem    TEXT NOT NULL DEFAULT '',      -- why it failed
    started_at BIGINT NOT NULL,
    beat_at    BIGINT NOT NULL,               -- last sign of life, by the wall clock
    ended_at   BIGINT
);
