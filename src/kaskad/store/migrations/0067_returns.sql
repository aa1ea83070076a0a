-- What shops say came back of the worth of a goal. Figures count what is left: `value` of counts is net of it.

ALTER TABLE runs ADD COLUMN returned BIGINT NOT NULL DEFAULT 0;           -- of `value`, minor units
ALTER TABLE run_courses ADD COLUMN returned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE course_counts ADD COLUMN returned BIGINT NOT NULL DEFAULT 0;
