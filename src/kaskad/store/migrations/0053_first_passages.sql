-- Effects are measured on each person's first run through a cascade (docs/uplift.md): which that is belongs to what is
-- counted, as does whether the goal of a message's run has come. All runs are counted anew for it, a piece after
-- each tick. The indexes have few rows: those held out, goals, and runs that brought money.

CREATE INDEX runs_held_out ON runs (cascade_id, entered_at) WHERE holdout = 1;
CREATE INDEX run_courses_worth ON run_courses (version_id, entered_at) WHERE value <> 0;
CREATE INDEX facts_goals ON facts (at) WHERE kind = 32;

INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs;
