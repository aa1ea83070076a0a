-- Launches that begin at a date: until then they are "paused", as one is that waits for its canary.

CREATE TABLE launch_dates (
    launch_id    BIGINT PRIMARY KEY,
    wall_at      BIGINT NOT NULL,               -- what a clock shows then, as if it were UTC
    clock        TEXT NOT NULL CHECK (clock IN ('brand', 'own')), -- of the brand's zone, or of each person's own
    canary       TEXT NOT NULL DEFAULT '',      -- as it was asked for
    canary_after TEXT NOT NULL DEFAULT '',
    state        TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'begun', 'missed')),
    why          TEXT NOT NULL DEFAULT ''       -- it was missed
);

CREATE TABLE launch_parts (                     -- people by when it is their hour; a part goes once it has begun
    launch_id BIGINT NOT NULL,
    opens_at  BIGINT NOT NULL,
    list_id   BIGINT NOT NULL,
    PRIMARY KEY (launch_id, opens_at)
);

ALTER TABLE launches ADD COLUMN opens_at BIGINT;      -- nobody enters before; NULL: from started_at on
ALTER TABLE launches ADD COLUMN part_list_id BIGINT;  -- who enters from opens_at on; NULL: whom it is for
ALTER TABLE launches ADD COLUMN enrolled_before BIGINT NOT NULL DEFAULT 0; -- by parts before this one
