-- Canaries: the first part of a launch goes alone, and the rest waits for how it does.

ALTER TABLE launches ADD COLUMN spared_list_id BIGINT; -- who does not enter by it, having entered by its canary

CREATE TABLE canaries (
    launch_id  BIGINT PRIMARY KEY,              -- what waits
    first_id   BIGINT NOT NULL,                 -- the launch of the first part
    people     BIGINT NOT NULL,
    mature_ms  BIGINT NOT NULL,                 -- so long after all of them are in their figures are looked at
    due_at     BIGINT,                          -- when that is; NULL: they are not all in yet
    state      TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'passed', 'stopped', 'released')),
    why        TEXT NOT NULL DEFAULT '',
    ended_at   BIGINT
);
