-- Messages by the hour in which they were submitted, as reports count them: each with what became of it. And what
-- figures ask of a run besides: what came within seven days of its message, which message was the last before an
-- opt-out, whether openings may be noted. All runs are counted anew for it, a piece after each tick.

ALTER TABLE run_courses ADD COLUMN hours TEXT NOT NULL DEFAULT ''; -- of submission, after that of the entry, by message

CREATE TABLE leg_counts (
    hours      INTEGER NOT NULL,              -- counted together: 1, 24
    hour       INTEGER NOT NULL,              -- the first of them, since 1970 UTC
    version_id INTEGER NOT NULL,
    part_id    BIGINT NOT NULL,               -- of the message: see course_parts
    messages   BIGINT NOT NULL,
    PRIMARY KEY (hours, hour, version_id, part_id)
) /* sqlite: WITHOUT ROWID */;

-- Of who takes back that openings are noted, mails are no longer among those that can be seen opened.
/* sqlite:
CREATE TRIGGER tracking_counted AFTER UPDATE OF tracking ON contacts WHEN new.tracking <> old.tracking BEGIN
    INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs WHERE contact_id = new.id;
END;
*/
/* postgresql:
CREATE TRIGGER tracking_counted AFTER UPDATE OF tracking ON contacts FOR EACH ROW
    WHEN (new.tracking <> old.tracking) EXECUTE FUNCTION count_seed();
*/

INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs;
