-- What cascades did, and people with them, lies in the order of its time, each as far from the one before: half to two
-- thirds of the room. Blocks that are made are made anew. PostgreSQL no longer compresses what is kept of them: it would
-- unpack all of it for every question, which takes it longer than reading it.
DELETE FROM run_blocks;
DELETE FROM run_columns;
DELETE FROM deed_columns;
DELETE FROM run_touched;
/* postgresql:
ALTER TABLE run_columns ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE deed_columns ALTER COLUMN data SET STORAGE EXTERNAL;
*/
