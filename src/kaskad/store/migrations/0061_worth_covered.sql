-- The amounts that runs brought are read from the index alone: ten times as quick as from the rows.
DROP INDEX run_courses_worth;
CREATE INDEX run_courses_worth ON run_courses (version_id, entered_at, course_id, value) WHERE value <> 0;
