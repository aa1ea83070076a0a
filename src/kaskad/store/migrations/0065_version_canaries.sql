-- Canaries of versions: a share of those who would enter the running version enter the next one, which becomes the
-- version for all once they have fared well. One of a cascade is under way at a time, and not beside a trial.

CREATE TABLE version_canaries (
    id         BIGINT PRIMARY KEY,
    cascade_id BIGINT NOT NULL REFERENCES cascades (id),
    base_id    BIGINT NOT NULL REFERENCES versions (id), -- what runs, and who is not in the share enters
    version_id BIGINT NOT NULL REFERENCES versions (id), -- what the share enters
    share      INTEGER NOT NULL CHECK (share BETWEEN 1 AND 9999), -- of 10 000
    people     BIGINT NOT NULL,               -- so many must have entered …
    mature_ms  BIGINT NOT NULL,               -- … and so long after that their figures are looked at
    started_at BIGINT NOT NULL,
    started_by TEXT NOT NULL,
    due_at     BIGINT,                        -- when that is; NULL: too few are in yet
    state      TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'passed', 'stopped')),
    ended_at   BIGINT,
    ended_by   TEXT NOT NULL DEFAULT '',      -- '': nobody, its figures did
    why        TEXT NOT NULL DEFAULT '',
    looked_at  BIGINT                         -- since when no alarm tells any more that it was stopped
);
CREATE UNIQUE INDEX version_canaries_running ON version_canaries (cascade_id) WHERE state = 'running';
