-- What changes together is due together: a row for each some hundred runs instead of one for each run.
CREATE TABLE due_runs (                       -- runs to be counted anew; append-only, so that no tick waits
    id       /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    again_at BIGINT NOT NULL DEFAULT 0,       -- a process counts these; from then on any other may
    keys     TEXT NOT NULL                    -- JSON: contact, run, contact, run …; each contact less the one before
);

INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || run_id || ']' FROM courses_due;

/* sqlite:
DROP TRIGGER seeds_counted;
CREATE TRIGGER seeds_counted AFTER UPDATE OF seed ON contacts WHEN new.seed <> old.seed BEGIN
    INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs WHERE contact_id = new.id;
END;
*/
/* postgresql:
CREATE OR REPLACE FUNCTION count_seed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs WHERE contact_id = new.id;
    RETURN NULL;
END $$;
*/

DROP TABLE courses_due;
