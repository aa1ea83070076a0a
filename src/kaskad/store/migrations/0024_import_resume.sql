-- An import that goes on where it was: what is the same, whether it was called off, how fast it is.

ALTER TABLE imports ADD COLUMN digest TEXT NOT NULL DEFAULT '';        -- of the file and of all that was asked
ALTER TABLE imports ADD COLUMN cancelled SMALLINT NOT NULL DEFAULT 0 CHECK (cancelled IN (0, 1));
ALTER TABLE imports ADD COLUMN since_at BIGINT NOT NULL DEFAULT 0;     -- when it last began, by the wall clock
ALTER TABLE imports ADD COLUMN since_rows BIGINT NOT NULL DEFAULT 0;   -- rows that were read by then
