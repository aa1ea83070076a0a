-- Trials between versions: some of those who would enter the running version enter another one instead. One trial of
-- a cascade is under way at a time; who gets which version follows from its id and the contact (domain/trials.py).

CREATE TABLE trials (
    id         BIGINT PRIMARY KEY,
    cascade_id BIGINT NOT NULL REFERENCES cascades (id),
    base_id    BIGINT NOT NULL REFERENCES versions (id), -- what ran when it began, and who is left still enters
    state      TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'promoted', 'ended')),
    started_at BIGINT NOT NULL,
    shared_at  BIGINT NOT NULL,               -- since when the shares are what they are: whom figures compare
    ended_at   BIGINT,
    started_by TEXT NOT NULL,
    ended_by   TEXT NOT NULL DEFAULT '',      -- '': nobody, its rule did
    rule       TEXT NOT NULL DEFAULT '',      -- JSON: when a winner is told apart; '': people decide
    winner_id  BIGINT,                        -- the version that was promoted
    why        TEXT NOT NULL DEFAULT ''       -- in words, why it ended
);
CREATE UNIQUE INDEX trials_running ON trials (cascade_id) WHERE state = 'running';

CREATE TABLE trial_arms (
    trial_id   BIGINT NOT NULL REFERENCES trials (id),
    version_id BIGINT NOT NULL REFERENCES versions (id),
    slots      TEXT NOT NULL,                 -- JSON: which of 10 000 equal shares are its, [[from, until], …]
    PRIMARY KEY (trial_id, version_id)
);

CREATE TABLE verdicts (                       -- that one of several was told apart as the best, and by which figures
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    cascade_id BIGINT NOT NULL REFERENCES cascades (id),
    trial_id   BIGINT,                        -- NULL: of a step's variants …
    version_id BIGINT,                        -- … of this version
    step       INTEGER,
    at         BIGINT NOT NULL,
    winner     TEXT NOT NULL,                 -- the variant's id, or the version's number
    detail     TEXT NOT NULL,                 -- JSON: figures of each, differences, the rule
    UNIQUE (version_id, step)
);

CREATE TABLE variant_weights (                -- instead of what the definition says, which stays as it is
    version_id BIGINT NOT NULL REFERENCES versions (id),
    step       INTEGER NOT NULL,
    weights    TEXT NOT NULL,                 -- JSON: of each variant, in their order
    PRIMARY KEY (version_id, step)
);
