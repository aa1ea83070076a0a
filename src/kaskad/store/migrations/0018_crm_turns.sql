-- Whose turn it is among an account's conversations, without a look at all that wait and have ended.

DROP INDEX crm_jobs_due;
CREATE INDEX crm_jobs_due ON crm_jobs (account_id, next_at, id) WHERE next_at IS NOT NULL;
