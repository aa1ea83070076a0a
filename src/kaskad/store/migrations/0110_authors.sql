-- The editor noted who wrote a text by the full name, approvals go by what the API calls somebody: people by their
-- addresses. Where the name is that of just one of them, and of no key, the address is noted in its place.

UPDATE approvals SET by = (SELECT email FROM users WHERE users.name = approvals.by)
 WHERE act = 'written'
   AND (SELECT count(*) FROM users WHERE users.name = approvals.by) = 1
   AND NOT EXISTS (SELECT 1 FROM api_keys WHERE api_keys.name = approvals.by);

UPDATE drafts SET saved_by = (SELECT email FROM users WHERE users.name = drafts.saved_by)
 WHERE (SELECT count(*) FROM users WHERE users.name = drafts.saved_by) = 1
   AND NOT EXISTS (SELECT 1 FROM api_keys WHERE api_keys.name = drafts.saved_by);
