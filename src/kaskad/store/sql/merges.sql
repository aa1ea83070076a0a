-- Two contacts that are one person: all rows of :old become rows of :kept. Runs get numbers that are free there
-- (`merged_runs`, written first), so that old links and receipts still find their messages.

-- name: any_merge
SELECT 1 FROM merged_contacts LIMIT 1;

-- name: merged_into
SELECT old_id, contact_id FROM merged_contacts
 WHERE old_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: merged_runs_of
SELECT old_contact, old_run, contact_id, run_id FROM merged_runs
 WHERE old_contact /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: merged_from
-- The numbers that lead to a contact, and since when.
SELECT old_id, at FROM merged_contacts WHERE contact_id = :contact_id ORDER BY at, old_id;

-- name: old_runs_of
SELECT old_contact, old_run, run_id FROM merged_runs WHERE contact_id = :contact_id;

-- name: in_flight
-- Messages whose submission is not answered yet, or may be repeated under its key.
SELECT run_id, step FROM messages
 WHERE contact_id = :contact_id AND ((state = 2 AND sent_at IS NULL) OR (state = 1 AND (mask & 4194304) <> 0))
 LIMIT 1;

-- name: left_over
-- Whether another process has added something to a merged contact in the moment of the merge.
SELECT 1 WHERE EXISTS (SELECT 1 FROM runs WHERE contact_id = :old)
            OR EXISTS (SELECT 1 FROM inbox WHERE contact_id = :old)
            OR EXISTS (SELECT 1 FROM events WHERE contact_id = :old)
            OR EXISTS (SELECT 1 FROM consents WHERE contact_id = :old)
            OR EXISTS (SELECT 1 FROM addresses WHERE contact_id = :old)
            OR EXISTS (SELECT 1 FROM list_members WHERE contact_id = :old);

-- name: put_merged_contact
-- No contact has the number 0: that row says that there will be others.
INSERT INTO merged_contacts (old_id, contact_id, at) VALUES (:old, :kept, :now) ON CONFLICT DO NOTHING;

-- name: lead_on_contacts
UPDATE merged_contacts SET contact_id = :kept WHERE contact_id = :old;

-- name: put_merged_runs (sqlite)
INSERT INTO merged_runs (old_contact, old_run, contact_id, run_id) VALUES (:c1, :c2, :c3, :c4);

-- name: put_merged_runs (postgresql)
INSERT INTO merged_runs (old_contact, old_run, contact_id, run_id)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[]);

-- name: lead_on_runs
-- What led to a run of the one leads to where that run is now.
UPDATE merged_runs SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k
                  WHERE k.old_contact = :old AND k.old_run = merged_runs.run_id)
 WHERE contact_id = :old;

-- name: carry_runs
UPDATE runs SET contact_id = :kept,
       id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = runs.id)
 WHERE contact_id = :old;

-- name: carry_run_data
UPDATE run_data SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = run_data.run_id)
 WHERE contact_id = :old;

-- name: carry_twins
UPDATE run_twins SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = run_twins.run_id),
       into_run = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = run_twins.into_run)
 WHERE contact_id = :old;

-- name: carry_messages
UPDATE messages SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = messages.run_id)
 WHERE contact_id = :old;

-- name: carry_bodies
UPDATE message_bodies SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k
                  WHERE k.old_contact = :old AND k.old_run = message_bodies.run_id)
 WHERE contact_id = :old;

-- name: carry_attempts
UPDATE attempts SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = attempts.run_id)
 WHERE contact_id = :old;

-- name: carry_amounts
UPDATE amounts SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = amounts.run_id)
 WHERE contact_id = :old;

-- name: carry_bill_lines
UPDATE bill_lines SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = bill_lines.run_id)
 WHERE contact_id = :old;

-- name: carry_facts
UPDATE facts SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = facts.run_id)
 WHERE contact_id = :old;

-- name: carry_hits
UPDATE hits SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = hits.run_id)
 WHERE contact_id = :old;

-- name: carry_short_links
UPDATE short_links SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k
                  WHERE k.old_contact = :old AND k.old_run = short_links.run_id)
 WHERE contact_id = :old;

-- name: carry_decisions
UPDATE decisions SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = decisions.run_id)
 WHERE contact_id = :old;

-- name: carry_tasks
UPDATE tasks SET contact_id = :kept,
       run_id = (SELECT k.run_id FROM merged_runs k WHERE k.old_contact = :old AND k.old_run = tasks.run_id)
 WHERE contact_id = :old;

-- name: carry_inbox
UPDATE inbox SET contact_id = :kept,
       run_id = coalesce((SELECT k.run_id FROM merged_runs k
                           WHERE k.old_contact = :old AND k.old_run = inbox.run_id), 0)
 WHERE contact_id = :old;

-- name: carry_outbox
UPDATE outbox SET contact_id = :kept,
       run_id = coalesce((SELECT k.run_id FROM merged_runs k
                           WHERE k.old_contact = :old AND k.old_run = outbox.run_id), 0)
 WHERE contact_id = :old;

-- name: carry_events
-- Not those that both were told of.
UPDATE events SET contact_id = :kept
 WHERE contact_id = :old
   AND NOT EXISTS (SELECT 1 FROM events e WHERE e.contact_id = :kept AND e.id = events.id);

-- name: drop_carried_events
DELETE FROM events WHERE contact_id = :old;

-- name: carry_list_members
INSERT INTO list_members (list_id, contact_id)
SELECT list_id, :kept FROM list_members WHERE contact_id = :old
ON CONFLICT DO NOTHING;

-- name: carry_dialogues
INSERT INTO dialogues (contact_id, account_id, heard_at)
SELECT :kept, account_id, heard_at FROM dialogues WHERE contact_id = :old
ON CONFLICT (contact_id, account_id) DO UPDATE SET heard_at =
       CASE WHEN excluded.heard_at > dialogues.heard_at THEN excluded.heard_at ELSE dialogues.heard_at END;

-- name: carry_opt_ins
UPDATE opt_ins SET contact_id = :kept WHERE contact_id = :old;

-- name: carry_sign_ups
UPDATE sign_ups SET contact_id = :kept WHERE contact_id = :old;

-- name: carry_stops
UPDATE stops SET contact_id = :kept WHERE contact_id = :old;

-- name: carry_threads
UPDATE threads SET contact_id = :kept
 WHERE contact_id = :old AND NOT EXISTS (SELECT 1 FROM threads k WHERE k.contact_id = :kept);

-- name: unite_threads
UPDATE threads SET
       state = CASE WHEN o.state < threads.state THEN o.state ELSE threads.state END,
       unread = threads.unread + o.unread,
       assignee = CASE WHEN threads.assignee = '' THEN o.assignee ELSE threads.assignee END,
       channel = CASE WHEN o.last_in_at > threads.last_in_at THEN o.channel ELSE threads.channel END,
       words = CASE WHEN o.last_at > threads.last_at THEN o.words ELSE threads.words END,
       last_at = CASE WHEN o.last_at > threads.last_at THEN o.last_at ELSE threads.last_at END,
       last_in_at = CASE WHEN o.last_in_at > threads.last_in_at THEN o.last_in_at ELSE threads.last_in_at END,
       last_out_at = CASE WHEN threads.last_out_at IS NULL OR o.last_out_at > threads.last_out_at
                          THEN o.last_out_at ELSE threads.last_out_at END
  FROM threads o
 WHERE threads.contact_id = :kept AND o.contact_id = :old;

-- name: carry_thread_texts
UPDATE thread_texts SET contact_id = :kept
 WHERE contact_id = :old
   AND NOT EXISTS (SELECT 1 FROM thread_texts k WHERE k.contact_id = :kept AND k.event = thread_texts.event);

-- name: carry_external_ids
UPDATE external_ids SET contact_id = :kept WHERE contact_id = :old;

-- name: carry_consents
UPDATE consents SET contact_id = :kept,
       id = id + coalesce((SELECT max(c.id) FROM consents c WHERE c.contact_id = :kept), 0)
 WHERE contact_id = :old;

-- name: carry_changes
UPDATE contact_changes SET contact_id = :kept,
       id = id + coalesce((SELECT max(c.id) FROM contact_changes c WHERE c.contact_id = :kept), 0)
 WHERE contact_id = :old;

-- name: carry_addresses
-- The worse health of an address counts. Where the kept contact has an order of its own, that stays.
INSERT INTO addresses (contact_id, channel, value, health, why, changed_at, shared, confirmed_at, main, preferred)
SELECT :kept, a.channel, a.value, a.health, a.why, a.changed_at, a.shared, a.confirmed_at,
       CASE WHEN EXISTS (SELECT 1 FROM addresses k
                          WHERE k.contact_id = :kept AND k.channel = a.channel AND k.main = 1) THEN 0
            ELSE a.main END,
       CASE WHEN EXISTS (SELECT 1 FROM addresses k WHERE k.contact_id = :kept AND k.preferred > 0) THEN 0
            ELSE a.preferred END
  FROM addresses a WHERE a.contact_id = :old
ON CONFLICT (contact_id, channel, value) DO UPDATE SET
       health = CASE WHEN excluded.health > addresses.health THEN excluded.health ELSE addresses.health END,
       why = CASE WHEN excluded.health > addresses.health THEN excluded.why
                  WHEN excluded.health = addresses.health AND excluded.why IS NULL THEN NULL
                  ELSE addresses.why END,
       changed_at = CASE WHEN excluded.health > addresses.health THEN excluded.changed_at
                         ELSE addresses.changed_at END,
       main = CASE WHEN excluded.main = 1 THEN 1 ELSE addresses.main END,
       confirmed_at = CASE WHEN addresses.confirmed_at IS NULL OR excluded.confirmed_at > addresses.confirmed_at
                           THEN excluded.confirmed_at ELSE addresses.confirmed_at END,
       preferred = CASE WHEN addresses.preferred = 0 THEN excluded.preferred ELSE addresses.preferred END;

-- name: unshare_addresses
-- What only the two had is one person's now.
UPDATE addresses SET shared = 0
 WHERE contact_id = :kept AND shared = 1
   AND NOT EXISTS (SELECT 1 FROM addresses o
                    WHERE o.value = addresses.value AND o.channel = addresses.channel
                      AND o.contact_id <> :kept
                      /* sqlite: AND o.contact_id IN (
                          SELECT b.contact_id FROM address_book b
                           WHERE b.value = addresses.value AND b.channel = addresses.channel) */);

-- name: redirect_twins
UPDATE run_twins SET into_run = :into_run WHERE contact_id = :contact_id AND into_run = :run_id;

-- name: put_twins (sqlite)
INSERT INTO run_twins (contact_id, run_id, into_run) VALUES (:c1, :c2, :c3)
ON CONFLICT (contact_id, run_id) DO UPDATE SET into_run = excluded.into_run;

-- name: put_twins (postgresql)
INSERT INTO run_twins (contact_id, run_id, into_run)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[])
ON CONFLICT (contact_id, run_id) DO UPDATE SET into_run = excluded.into_run;

-- name: twins_of
SELECT contact_id, run_id, into_run FROM run_twins
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: older_of
UPDATE contacts SET created_at = (SELECT min(c.created_at) FROM contacts c WHERE c.id IN (:old, :kept))
 WHERE id = :kept;

-- name: sharing_contacts
-- Contacts one of whose addresses a later one has too, in their order.
SELECT DISTINCT a.contact_id FROM addresses a
 WHERE a.shared = 1 AND a.contact_id > :after
   AND EXISTS (SELECT 1 FROM addresses b
                WHERE b.value = a.value AND b.channel = a.channel AND b.contact_id > a.contact_id
                /* sqlite: AND b.contact_id IN (
                    SELECT k.contact_id FROM address_book k WHERE k.value = a.value AND k.channel = a.channel) */)
 ORDER BY a.contact_id LIMIT :limit;

-- name: sharers_of
-- Who has an address of these contacts too, of those that come after them.
SELECT a.contact_id, b.contact_id, a.channel, a.value
  FROM addresses a
  /* sqlite: JOIN address_book k ON k.value = a.value AND k.channel = a.channel AND k.contact_id > a.contact_id */
  JOIN addresses b ON b.value = a.value AND b.channel = a.channel AND b.contact_id > a.contact_id
       /* sqlite: AND b.contact_id = k.contact_id */
 WHERE a.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND a.shared = 1
 ORDER BY a.contact_id, b.contact_id, a.channel, a.value LIMIT :most;

-- name: put_changes (sqlite)
INSERT INTO contact_changes (contact_id, id, at, what, who, detail) VALUES (:c1, :c2, :c3, :c4, :c5, :c6);

-- name: put_changes (postgresql)
INSERT INTO contact_changes (contact_id, id, at, what, who, detail)
SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::text[], :c5::text[], :c6::text[]);

-- name: last_changes
SELECT contact_id, max(id) FROM contact_changes
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 GROUP BY contact_id;

-- name: changes_of_contact
-- The newest first, those before :before.
SELECT id, at, what, who, detail FROM contact_changes
 WHERE contact_id = :contact_id AND id < :before ORDER BY id DESC LIMIT :limit;

-- name: trim_changes (sqlite)
DELETE FROM contact_changes WHERE contact_id = :c1 AND id <= :c2;

-- name: trim_changes (postgresql)
DELETE FROM contact_changes h USING unnest(:c1::bigint[], :c2::bigint[]) AS k (contact_id, id)
 WHERE h.contact_id = k.contact_id AND h.id <= k.id;

-- name: carry_invites
UPDATE invites SET contact_id = :kept
 WHERE contact_id = :old AND name NOT IN (SELECT name FROM invites WHERE contact_id = :kept);
