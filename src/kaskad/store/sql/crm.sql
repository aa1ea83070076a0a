-- name: put_crm_jobs (sqlite)
-- The same again is dropped while it waits: CRMs repeat themselves. What is being asked for or was is asked for anew,
-- since a second change may have come under the same key; an entry of the journal is written once.
INSERT INTO crm_jobs (account_id, kind, key, payload, created_at, next_at) VALUES (:c1, :c2, :c3, :c4, :c5, :c5)
ON CONFLICT (account_id, kind, key) DO UPDATE
   SET next_at = excluded.next_at, ended_at = NULL, state = 0, attempts = crm_jobs.attempts + 1
 WHERE crm_jobs.kind = 0 AND crm_jobs.attempts > 0;

-- name: put_crm_jobs (postgresql)
-- The same again is dropped while it waits: CRMs repeat themselves. What is being asked for or was is asked for anew,
-- since a second change may have come under the same key; an entry of the journal is written once.
INSERT INTO crm_jobs (account_id, kind, key, payload, created_at, next_at)
SELECT k.account_id, k.kind, k.key, k.payload, k.now, k.now
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::text[], :c5::bigint[])
       AS k (account_id, kind, key, payload, now)
ON CONFLICT (account_id, kind, key) DO UPDATE
   SET next_at = excluded.next_at, ended_at = NULL, state = 0, attempts = crm_jobs.attempts + 1
 WHERE crm_jobs.kind = 0 AND crm_jobs.attempts > 0;

-- name: due_crm_accounts
-- Accounts with something to do now; asked twice a second, so each takes one step in an index.
SELECT a.id FROM accounts a
 WHERE a.deleted_at IS NULL
   AND EXISTS (SELECT 1 FROM crm_jobs j WHERE j.account_id = a.id AND j.next_at <= :now);

-- name: claim_crm_job
-- Begin what is due for an account, what is so longest first; what a process that dies has begun comes due again.
UPDATE crm_jobs SET attempts = attempts + 1, next_at = :again_at
 WHERE id = (SELECT id FROM crm_jobs WHERE account_id = :account_id AND next_at <= :now
              ORDER BY next_at, id LIMIT 1 /* postgresql: FOR UPDATE SKIP LOCKED */)
RETURNING id, kind, key, payload, attempts, created_at;

-- name: end_crm_job
-- Only of the attempt that was begun: a slow one whose turn was taken meanwhile says nothing any more.
UPDATE crm_jobs SET state = :state, next_at = :next_at, ended_at = :ended_at, answer = :answer
 WHERE id = :id AND attempts = :attempts AND state = 0;

-- name: drop_old_crm_jobs
DELETE FROM crm_jobs WHERE id IN (SELECT id FROM crm_jobs WHERE ended_at < :before LIMIT :limit);

-- name: drop_crm_jobs_of
-- What waits for an account that is deleted is never held.
DELETE FROM crm_jobs WHERE account_id = :account_id AND next_at IS NOT NULL;

-- name: pull_of
SELECT changed_at, place, pages, people, whole FROM crm_pulls WHERE account_id = :account_id;

-- name: begin_pull
INSERT INTO crm_pulls (account_id, changed_at) VALUES (:account_id, :now)
ON CONFLICT (account_id) DO UPDATE SET changed_at = :now, place = '', pages = 0, people = 0, whole = 0;

-- name: advance_pull
-- 0 rows: somebody else has fetched that page.
UPDATE crm_pulls SET changed_at = :now, place = :place, pages = pages + 1, people = people + :people, whole = :whole
 WHERE account_id = :account_id AND pages = :pages AND whole = 0;

-- name: put_pulled
INSERT INTO crm_pages (account_id, number, lines) VALUES (:account_id, :number, :lines);

-- name: pulled
SELECT lines FROM crm_pages WHERE account_id = :account_id ORDER BY number;

-- name: drop_pulled
DELETE FROM crm_pages WHERE account_id = :account_id;

-- name: drop_pull
DELETE FROM crm_pulls WHERE account_id = :account_id;

-- name: old_pulls
SELECT account_id FROM crm_pulls WHERE changed_at < :before;
