-- Calls that nobody took have not arrived, so an opt-out followed the last message before them: these runs are counted anew.
INSERT INTO due_runs (keys)
SELECT DISTINCT '[' || f.contact_id || ',' || f.run_id || ']'
  FROM facts f
  JOIN messages m ON m.contact_id = f.contact_id AND m.run_id = f.run_id AND m.channel IN (9, 10)
 WHERE f.kind = 13;
