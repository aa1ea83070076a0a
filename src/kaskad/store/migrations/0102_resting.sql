-- What a defect of ours lets rest for an hour, whichever process has noticed: people see it, and it goes when it is over.
CREATE TABLE resting (
    contact_id BIGINT NOT NULL,               -- 0: a part of the work
    run_id     BIGINT NOT NULL,
    step       INTEGER NOT NULL,              -- whose clicks and openings are not judged; -1: the run rests
    part       TEXT NOT NULL DEFAULT '',
    until_at   BIGINT NOT NULL,
    defect     TEXT NOT NULL,
    PRIMARY KEY (contact_id, run_id, step, part)
);
