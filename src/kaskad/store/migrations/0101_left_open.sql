-- Messages that older releases left "created" though their run had ended, or had gone on by a branch: reports told them as
-- waiting for good. Those that never left are cancelled, those that had failed are failed. In doubt they stay as they are.
CREATE TEMPORARY TABLE left_open AS
SELECT m.contact_id, m.run_id, m.step, m.sent_at
  FROM messages m
  JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.state = 0 AND m.mask & 4194304 = 0
   AND (r.outcome IS NOT NULL OR (r.step <> m.step AND m.sent_at IS NULL));

INSERT INTO due_runs (keys) SELECT DISTINCT '[' || contact_id || ',' || run_id || ']' FROM left_open;

UPDATE messages SET state = 12
 WHERE (contact_id, run_id, step) IN (SELECT contact_id, run_id, step FROM left_open WHERE sent_at IS NULL);

UPDATE messages SET state = 7, mask = mask | 512
 WHERE (contact_id, run_id, step) IN (SELECT contact_id, run_id, step FROM left_open WHERE sent_at IS NOT NULL);

DROP TABLE left_open;
