-- Which of a step's channels people react to: what was drawn, what came of it, and the chances that follow.

CREATE TABLE choices (                        -- drawn, and its step's time is not over yet
    contact_id BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    run_id     INTEGER NOT NULL,
    version_id INTEGER NOT NULL,
    arms       INTEGER NOT NULL,              -- bits of the channels that it was drawn from
    step       SMALLINT NOT NULL,
    channel    SMALLINT NOT NULL,
    chance     SMALLINT NOT NULL CHECK (chance BETWEEN 1 AND 10000),
    crowd      TEXT NOT NULL,                 -- the group of people for whom the chances were
    PRIMARY KEY (contact_id, run_id, step)
) /* by contact */;
CREATE INDEX choices_due ON choices (version_id, step, at);

CREATE TABLE learnt (                         -- what came of choices, counted
    version_id INTEGER NOT NULL,
    step       INTEGER NOT NULL,
    crowd      TEXT NOT NULL,
    arms       INTEGER NOT NULL,
    channel    INTEGER NOT NULL,
    chance     INTEGER NOT NULL,
    choices    BIGINT NOT NULL,
    hits       BIGINT NOT NULL,
    cost       BIGINT NOT NULL,               -- minor units
    PRIMARY KEY (version_id, step, crowd, arms, channel, chance)
);

CREATE TABLE channel_chances (
    version_id INTEGER NOT NULL,
    step       INTEGER NOT NULL,
    at         BIGINT NOT NULL,
    detail     TEXT NOT NULL,                 -- JSON (Chances in domain/version.py)
    PRIMARY KEY (version_id, step)
);

CREATE TABLE contact_hours (                  -- at which hours of the week a person has reacted
    contact_id BIGINT PRIMARY KEY,
    reactions  INTEGER NOT NULL,              -- how many, whatever their age
    counts     TEXT NOT NULL                  -- JSON: hour of the week -> what they are worth now
) /* by contact: contact_id */;
