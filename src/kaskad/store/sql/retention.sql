-- What is kept of people for a time only. The first statements take the oldest rows, at most :limit of them; the
-- rest goes through contacts, a range at a time.

-- name: drop_old_hits
DELETE FROM hits WHERE id IN (
    SELECT id FROM (SELECT id, at FROM hits ORDER BY id LIMIT :limit) AS oldest WHERE at < :before);

-- name: drop_old_raw_webhooks
-- Also those that could not be read.
DELETE FROM raw_webhooks WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM raw_webhooks ORDER BY id LIMIT :limit) AS oldest
     WHERE received_at < :before);

-- name: first_contact_after
SELECT min(id) FROM contacts WHERE id > :after;

-- name: last_contact
SELECT max(id) FROM contacts;

-- name: drop_old_bodies
DELETE FROM message_bodies
 WHERE contact_id > :after AND contact_id <= :until
   AND EXISTS (SELECT 1 FROM messages m
                WHERE m.contact_id = message_bodies.contact_id AND m.run_id = message_bodies.run_id
                  AND m.step = message_bodies.step AND m.submitted_at < :before);

-- name: empty_old_replies
-- Kind 7: what people wrote. That they did stays.
UPDATE facts SET value = NULL
 WHERE contact_id > :after AND contact_id <= :until AND kind = 7 AND at < :before AND value IS NOT NULL;

-- name: empty_old_attempts
-- Services write addresses into their refusals; why a submission was refused stays.
UPDATE attempts SET detail = ''
 WHERE contact_id > :after AND contact_id <= :until AND ended_at < :before AND detail <> '';

-- name: empty_old_import_notes
UPDATE imports SET notes = '[]' WHERE ended_at < :before AND notes <> '[]';

-- name: empty_old_notes
UPDATE tasks SET notes = ''
 WHERE contact_id > :after AND contact_id <= :until AND closed_at < :before AND notes <> '';

-- name: drop_old_events
DELETE FROM events WHERE contact_id > :after AND contact_id <= :until AND at < :before;

-- name: drop_old_changes
DELETE FROM contact_changes WHERE contact_id > :after AND contact_id <= :until AND at < :before;

-- name: forget_old_zones
-- What a site knew a long time ago: the person may have moved.
UPDATE contacts SET zone = NULL, zone_source = NULL, zone_at = NULL
 WHERE id > :after AND id <= :until AND zone_source = 3 AND zone_at < :before;

-- name: empty_old_triggers
UPDATE run_data SET properties = '{}'
 WHERE contact_id > :after AND contact_id <= :until AND properties <> '{}'
   AND EXISTS (SELECT 1 FROM runs r
                WHERE r.contact_id = run_data.contact_id AND r.id = run_data.run_id AND r.finished_at < :before);

-- name: drop_old_proofs
-- What is kept of erased people as proof.
DELETE FROM consents
 WHERE contact_id > :after AND contact_id <= :until
   AND EXISTS (SELECT 1 FROM contacts c WHERE c.id = consents.contact_id AND c.erased_at < :before);
