-- Guardrails: what was stopped and why, from which counts a watch goes on, bounds that people have set for one version
-- or account; and alarms: what was raised, and whom that was told.

CREATE TABLE guard_stops (                      -- something was beyond its bound; until somebody has looked
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    version_id BIGINT NOT NULL,                 -- 0: of an account
    account_id BIGINT NOT NULL,                 -- 0: of a version
    step       INTEGER NOT NULL,                -- -1: of an account
    figure     TEXT NOT NULL,
    bad        BIGINT NOT NULL,
    messages   BIGINT NOT NULL,
    bound      INTEGER NOT NULL,                -- of 10 000
    paused     INTEGER NOT NULL CHECK (paused IN (0, 1)), -- 0: it was told only
    at         BIGINT NOT NULL,
    looked_at  BIGINT,
    looked_by  TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX guard_stops_open ON guard_stops (version_id, account_id, step, figure) WHERE looked_at IS NULL;

CREATE TABLE guard_bases (                      -- what had been counted when somebody looked: the watch begins behind it
    version_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    step       INTEGER NOT NULL,
    figure     TEXT NOT NULL,
    since      BIGINT NOT NULL,                 -- the window's first hour, since 1970 UTC
    bad        BIGINT NOT NULL,
    messages   BIGINT NOT NULL,
    PRIMARY KEY (version_id, account_id, step, figure, since)
);

CREATE TABLE guard_bounds (
    version_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    figure     TEXT NOT NULL,
    bound      INTEGER NOT NULL CHECK (bound BETWEEN 0 AND 9999),
    PRIMARY KEY (version_id, account_id, figure)
);

CREATE TABLE alarms (
    id       /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,                     -- what it is about
    detail   TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    told_at  BIGINT NOT NULL,                   -- last
    over_at  BIGINT
);
CREATE UNIQUE INDEX alarms_standing ON alarms (kind, name) WHERE over_at IS NULL;

CREATE TABLE tellings (                         -- one person or service that is to be told of an alarm
    id       /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    alarm_id BIGINT NOT NULL,
    occasion TEXT NOT NULL CHECK (occasion IN ('raised', 'stands', 'over')),
    account  TEXT NOT NULL,                     -- by which account it goes
    person   TEXT NOT NULL,                     -- the address there
    due_at   BIGINT,                            -- NULL: told, or given up
    attempts INTEGER NOT NULL DEFAULT 0,
    answer   TEXT NOT NULL DEFAULT ''           -- what the last attempt came to
);
CREATE INDEX tellings_due ON tellings (due_at) WHERE due_at IS NOT NULL;
