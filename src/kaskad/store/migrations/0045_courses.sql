-- What reports count, kept as it is counted. A course is all that figures say of one run but whose it was and when;
-- runs that went alike share it. Its parts are counted each for itself (domain/course.py). Counts outlive the rows
-- that they were made of.

CREATE TABLE courses (
    id     BIGINT PRIMARY KEY,                -- hash of the text
    detail TEXT NOT NULL                      -- JSON: its parts
);

CREATE TABLE course_parts (
    id     BIGINT PRIMARY KEY,                -- hash of the text
    detail TEXT NOT NULL                      -- JSON
);

CREATE TABLE course_counts (
    version_id INTEGER NOT NULL,
    hours      INTEGER NOT NULL,              -- of entries counted together: 1, 24; 0: ever
    hour       INTEGER NOT NULL,              -- the first of them, since 1970 UTC
    part_id    BIGINT NOT NULL,
    runs       BIGINT NOT NULL,
    value      BIGINT NOT NULL,               -- of their goals together, minor units
    PRIMARY KEY (version_id, hours, hour, part_id)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE run_courses (                    -- as what each run is counted; none: it is not
    contact_id BIGINT NOT NULL,
    course_id  BIGINT NOT NULL,
    entered_at BIGINT NOT NULL,
    value      BIGINT NOT NULL,
    run_id     INTEGER NOT NULL,
    version_id INTEGER NOT NULL,
    PRIMARY KEY (contact_id, run_id)
) /* by contact, fillfactor 80 */;

CREATE TABLE courses_due (                    -- runs to be counted anew; append-only, so that no tick waits
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    contact_id BIGINT NOT NULL,
    run_id     INTEGER NOT NULL
);

-- Seed contacts are in no figure.
/* sqlite:
CREATE TRIGGER seeds_counted AFTER UPDATE OF seed ON contacts WHEN new.seed <> old.seed BEGIN
    INSERT INTO courses_due (contact_id, run_id) SELECT contact_id, id FROM runs WHERE contact_id = new.id;
END;
*/
/* postgresql:
CREATE FUNCTION count_seed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO courses_due (contact_id, run_id) SELECT contact_id, id FROM runs WHERE contact_id = new.id;
    RETURN NULL;
END $$;
CREATE TRIGGER seeds_counted AFTER UPDATE OF seed ON contacts FOR EACH ROW WHEN (new.seed <> old.seed)
    EXECUTE FUNCTION count_seed();
*/

INSERT INTO courses_due (contact_id, run_id) SELECT contact_id, id FROM runs;
