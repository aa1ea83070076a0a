-- Of which version a run is stands beside its key in PostgreSQL's index, where an entry takes 24 bytes with it or without; whose a
-- run is that was held out stands in the index of these. So whoever looks for the runs of ten thousand people reads no rows of
-- theirs. Neither changes while a run goes on (a version only where it is moved to another), so updates leave these indexes alone.
/* postgresql:
ALTER TABLE runs DROP CONSTRAINT runs_pkey, ADD PRIMARY KEY (contact_id, id) INCLUDE (version_id);
DROP INDEX runs_held_out;
CREATE INDEX runs_held_out ON runs (cascade_id, entered_at, version_id) INCLUDE (contact_id) WHERE holdout = 1;
*/
