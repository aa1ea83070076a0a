-- Of whom a version held out: the index tells it. Where there is a later version, all of its were read to find some of
-- an earlier one.
DROP INDEX runs_held_out;
CREATE INDEX runs_held_out ON runs (cascade_id, entered_at, version_id) WHERE holdout = 1;
