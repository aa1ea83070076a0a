-- Which shapes are of runs under way, so that how many there are is a sum.
ALTER TABLE course_parts ADD COLUMN live SMALLINT; -- of shapes but hold-outs': 1 under way, 0 over; NULL: neither
UPDATE course_parts SET live = CASE WHEN detail LIKE '["run",0,0,%' THEN 1 ELSE 0 END WHERE detail LIKE '["run",0,%';
