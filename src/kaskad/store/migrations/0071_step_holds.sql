-- Steps that are paused by themselves: people who come to one wait there, or pass it over; the rest of the cascade goes on.

CREATE TABLE step_holds (
    version_id BIGINT NOT NULL REFERENCES versions (id),
    step       INTEGER NOT NULL,
    skip       INTEGER NOT NULL CHECK (skip IN (0, 1)), -- 0: people wait at it
    at         BIGINT NOT NULL,
    held_by    TEXT NOT NULL,                 -- '': a guardrail
    why        TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (version_id, step)
);
