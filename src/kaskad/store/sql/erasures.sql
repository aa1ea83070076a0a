-- Erasing one person. What is counted in reports stays as it was (runs, messages, masks of facts); what names the
-- person, or was written to or by them, goes. Each of the statements may be run again.

-- name: erase_contact
-- 0 rows: somebody was quicker.
UPDATE contacts SET erased_at = :now, tracking = 0, external_id = NULL, zone = NULL, zone_source = NULL,
       zone_at = NULL, language = NULL, country = NULL,
       attributes = '{}', folded = NULL
 WHERE id = :contact_id AND erased_at IS NULL;

-- name: erase_external_ids
DELETE FROM external_ids WHERE contact_id = :contact_id;

-- name: erase_changes
DELETE FROM contact_changes WHERE contact_id = :contact_id;

-- name: erase_addresses
DELETE FROM addresses WHERE contact_id = :contact_id;

-- name: erase_list_members
DELETE FROM list_members WHERE contact_id = :contact_id;

-- name: erase_dialogues
DELETE FROM dialogues WHERE contact_id = :contact_id;

-- name: erase_opt_ins
DELETE FROM opt_ins WHERE contact_id = :contact_id;

-- name: erase_bodies
DELETE FROM message_bodies WHERE contact_id = :contact_id;

-- name: erase_invites
DELETE FROM invites WHERE contact_id = :contact_id;

-- name: erase_run_data
UPDATE run_data SET trigger_key = '', properties = '{}'
 WHERE contact_id = :contact_id AND (trigger_key <> '' OR properties <> '{}');

-- name: erase_attempts
-- Services write addresses into their refusals.
UPDATE attempts SET detail = '' WHERE contact_id = :contact_id AND detail <> '';

-- name: erase_hits
UPDATE hits SET ip = '', agent = '' WHERE contact_id = :contact_id AND (ip <> '' OR agent <> '');

-- name: erase_tasks
UPDATE tasks SET notes = '', zone = '', language = ''
 WHERE contact_id = :contact_id AND (notes <> '' OR zone <> '' OR language <> '');

-- name: erase_inbox
-- Not the erasure itself (kind 35), which ends the runs.
DELETE FROM inbox WHERE contact_id = :contact_id AND kind <> 35;

-- name: erase_outbox
-- That a run or a task has ended is told with the contact's number only.
DELETE FROM outbox WHERE contact_id = :contact_id AND type NOT IN ('run.finished', 'task.withdrawn');

-- name: erase_fact_values
UPDATE facts SET value = NULL WHERE contact_id = :contact_id AND value IS NOT NULL;

-- name: erase_event_properties
UPDATE events SET properties = '{}' WHERE contact_id = :contact_id AND properties <> '{}';

-- name: named_facts
-- Facts under the id that a service gave them: some services make it from the person's address.
SELECT run_id, step, kind, event FROM facts
 WHERE contact_id = :contact_id AND kind <> 35 AND event NOT LIKE 'erased:%';

-- name: rename_facts (sqlite)
UPDATE facts SET event = :c6 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND kind = :c4 AND event = :c5;

-- name: rename_facts (postgresql)
UPDATE facts f SET event = k.fresh
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::text[], :c6::text[])
       AS k (contact_id, run_id, step, kind, event, fresh)
 WHERE f.contact_id = k.contact_id AND f.run_id = k.run_id AND f.step = k.step AND f.kind = k.kind
   AND f.event = k.event;

-- name: named_events
SELECT id FROM events WHERE contact_id = :contact_id AND id NOT LIKE 'erased:%';

-- name: rename_events (sqlite)
UPDATE events SET id = :c3 WHERE contact_id = :c1 AND id = :c2;

-- name: rename_events (postgresql)
UPDATE events e SET id = k.fresh
  FROM unnest(:c1::bigint[], :c2::text[], :c3::text[]) AS k (contact_id, id, fresh)
 WHERE e.contact_id = k.contact_id AND e.id = k.id;

-- name: proofs_of
SELECT DISTINCT p.id, p.detail FROM consents c JOIN proofs p ON p.id = c.proof_id WHERE c.contact_id = :contact_id;

-- name: swap_proof
UPDATE consents SET proof_id = :fresh WHERE contact_id = :contact_id AND proof_id = :old;

-- name: begin_overwriting
-- https://www.sqlite.org/pragma.html#pragma_secure_delete
/* sqlite: PRAGMA secure_delete = ON */ /* postgresql: SELECT 1 */;

-- name: end_overwriting
/* sqlite: PRAGMA secure_delete = FAST */ /* postgresql: SELECT 1 */;

-- name: proofs_in_use
-- Which of the proofs consents of some contacts have.
SELECT DISTINCT proof_id FROM consents
 WHERE contact_id > :after AND contact_id <= :until
   AND proof_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: empty_proof
-- The row stays: somebody may come to have the very same proof at this moment.
UPDATE proofs SET detail = '{"erased":' || id || '}' WHERE id = :id;

-- name: mail_domain_in_use
SELECT 1 FROM addresses
 WHERE contact_id > :after AND contact_id <= :until AND channel = :channel
   AND substr(value, /* sqlite: instr(value, '@') */ /* postgresql: strpos(value, '@') */ + 1) = :domain LIMIT 1;

-- name: drop_mail_domain
DELETE FROM mail_domains WHERE domain = :domain;

-- name: put_search
INSERT INTO erasure_searches (erasure_id, contact_id, told) VALUES (:erasure_id, :contact_id, :told);

-- name: first_search
-- :erasure_id 0 is any.
SELECT erasure_id, contact_id, stage, place, told FROM erasure_searches
 WHERE :erasure_id = 0 OR erasure_id = :erasure_id ORDER BY erasure_id LIMIT 1;

-- name: move_search
-- 0 rows: another process has gone on with it.
UPDATE erasure_searches SET stage = :next_stage, place = :next_place, told = :told
 WHERE erasure_id = :erasure_id AND stage = :stage AND place = :place;

-- name: end_search
DELETE FROM erasure_searches WHERE erasure_id = :erasure_id;

-- name: provider_ids_after
-- Ids at services are looked up by themselves only, so all are looked through.
SELECT account_id, provider_id, contact_id FROM provider_ids
 WHERE (account_id, provider_id) > (:account_id, :provider_id) ORDER BY account_id, provider_id LIMIT :limit;

-- name: drop_provider_ids (sqlite)
DELETE FROM provider_ids WHERE account_id = :c1 AND provider_id = :c2;

-- name: drop_provider_ids (postgresql)
DELETE FROM provider_ids p USING unnest(:c1::bigint[], :c2::text[]) AS k (account_id, provider_id)
 WHERE p.account_id = k.account_id AND p.provider_id = k.provider_id;

-- name: look_ups_of
SELECT account_id, provider_id FROM look_ups
 WHERE contact_id = :contact_id
    OR contact_id IN (SELECT old_id FROM merged_contacts WHERE contact_id = :contact_id);

-- name: drop_look_ups (sqlite)
DELETE FROM look_ups WHERE account_id = :c1 AND provider_id = :c2;

-- name: drop_look_ups (postgresql)
DELETE FROM look_ups l USING unnest(:c1::bigint[], :c2::text[]) AS k (account_id, provider_id)
 WHERE l.account_id = k.account_id AND l.provider_id = k.provider_id;

-- name: message_places
SELECT run_id, step, account_id FROM messages WHERE contact_id = :contact_id AND account_id IS NOT NULL;

-- name: kept_webhooks
-- What came whole from services, in the order of arrival; the same in the next five.
SELECT id, headers, body FROM raw_webhooks WHERE id > :after ORDER BY id LIMIT :limit;

-- name: kept_deliveries
SELECT id, body, answer FROM deliveries WHERE id > :after ORDER BY id LIMIT :limit;

-- name: kept_crm_jobs
SELECT id, payload, answer FROM crm_jobs WHERE id > :after ORDER BY id LIMIT :limit;

-- name: kept_orphans
SELECT id, provider_id, value FROM orphans WHERE id > :after ORDER BY id LIMIT :limit;

-- name: kept_notes
SELECT id, notes, problem FROM imports WHERE id > :after ORDER BY id LIMIT :limit;

-- name: kept_rejects
-- Numbered by import and row, in one number.
SELECT import_id * 4294967296 + row, reason, cells FROM import_rejects
 WHERE (import_id, row) > (:after / 4294967296, :after % 4294967296) ORDER BY import_id, row LIMIT :limit;

-- name: drop_kept_webhooks
DELETE FROM raw_webhooks WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
RETURNING id;

-- name: drop_kept_deliveries
DELETE FROM deliveries WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
RETURNING id;

-- name: drop_kept_crm_jobs
DELETE FROM crm_jobs WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
RETURNING id;

-- name: drop_kept_orphans
DELETE FROM orphans WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
RETURNING id;

-- name: drop_kept_rejects
DELETE FROM import_rejects
 WHERE (import_id, row) IN (
       SELECT v / 4294967296, v % 4294967296
         FROM /* sqlite: (SELECT value AS v FROM carray(:ids)) */ /* postgresql: unnest(:ids::bigint[]) AS u (v) */)
RETURNING row;

-- name: drop_kept_notes
-- The figures of the import stay.
UPDATE imports SET notes = '[]', problem = ''
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
RETURNING id;

-- name: put_erasure
INSERT INTO erasures (contact_id, at, who, hashes, counts) VALUES (:contact_id, :at, :who, :hashes, :counts)
RETURNING id;

-- name: erasures
-- :hash '' is all; else those who had the address of that hash.
SELECT id, e.contact_id, at, who, hashes, counts, s.stage
  FROM erasures e LEFT JOIN erasure_searches s ON s.erasure_id = e.id
 WHERE id > :after AND (:hash = '' OR hashes LIKE '%' || :hash || '%') ORDER BY id LIMIT :limit;

-- name: erasure
SELECT id, e.contact_id, at, who, hashes, counts, s.stage
  FROM erasures e LEFT JOIN erasure_searches s ON s.erasure_id = e.id WHERE id = :id;

-- name: count_erasure
UPDATE erasures SET counts = :counts WHERE id = :id;

-- name: erased_since
SELECT contact_id FROM erasures WHERE at >= :since ORDER BY contact_id;
