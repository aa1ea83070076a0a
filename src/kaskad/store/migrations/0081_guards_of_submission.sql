-- A run whose message is under way waits for the answer until then. Its `wake_at` stays where it was: no index changes
-- with a submission, and PostgreSQL writes the run's next version beside the last one, where its page has room.
ALTER TABLE runs ADD COLUMN guard_at BIGINT;
