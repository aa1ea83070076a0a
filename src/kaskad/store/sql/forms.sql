-- name: put_form
INSERT INTO forms (name, definition, changed_at) VALUES (:name, :definition, :now)
ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, changed_at = excluded.changed_at;

-- name: put_form_text
INSERT INTO form_texts (version, text) VALUES (:version, :text) ON CONFLICT DO NOTHING;

-- name: put_form_wording
INSERT INTO form_wordings (form, version) VALUES (:form, :version) ON CONFLICT DO NOTHING;

-- name: form_text
SELECT t.text FROM form_wordings w JOIN form_texts t ON t.version = w.version
 WHERE w.form = :form AND w.version = :version;

-- name: form
SELECT definition FROM forms WHERE name = :name;

-- name: forms
SELECT definition FROM forms ORDER BY name;

-- name: drop_form
DELETE FROM forms WHERE name = :name;

-- name: put_sign_up
INSERT INTO sign_ups (contact_id, requested_at, channel, made, sent, form, value, ip, evidence)
VALUES (:contact_id, :now, :channel, :made, :sent, :form, :value, :ip, :evidence)
RETURNING id;

-- name: sign_up
SELECT id, contact_id, requested_at, confirmed_at, channel, made, tries, form, value, evidence
  FROM sign_ups WHERE id = :id AND requested_at = :requested_at;

-- name: sign_up_sent_to
SELECT id, contact_id, requested_at, confirmed_at, channel, made, tries, form, value, evidence
  FROM sign_ups WHERE id = :id AND contact_id = :contact_id AND value = :value AND sent = 1;

-- name: last_sign_up
-- The newest of an address by a form that a code was sent for.
SELECT id, contact_id, requested_at, confirmed_at, channel, made, tries, form, value, evidence
  FROM sign_ups WHERE value = :value AND form = :form AND sent = 1 ORDER BY requested_at DESC, id DESC LIMIT 1;

-- name: sign_ups_sent_to
-- How many messages an address has been asked by since :since, and when the last was.
SELECT count(*), max(requested_at) FROM sign_ups WHERE value = :value AND sent = 1 AND requested_at > :since;

-- name: sign_ups_from
SELECT count(*) FROM sign_ups WHERE ip = :ip AND requested_at > :since;

-- name: confirm_sign_up
-- 0 rows: it was confirmed already.
UPDATE sign_ups SET confirmed_at = :now WHERE id = :id AND confirmed_at IS NULL;

-- name: miss_sign_up
UPDATE sign_ups SET tries = tries + 1 WHERE id = :id;

-- name: asking_message
-- The message that asked to confirm, by the run that its event began.
SELECT m.run_id, m.step, m.submitted_at
  FROM run_data d JOIN messages m ON m.contact_id = d.contact_id AND m.run_id = d.run_id
 WHERE d.contact_id = :contact_id AND d.trigger_key = :key AND m.submitted_at IS NOT NULL
 ORDER BY m.submitted_at DESC LIMIT 1;

-- name: form_counts
SELECT form, count(*), sum(CASE WHEN confirmed_at IS NULL THEN 0 ELSE 1 END) FROM sign_ups GROUP BY form;

-- name: old_sign_ups
-- Those whose time to confirm is over. The last column: nothing else is known of the contact.
SELECT s.id, s.contact_id,
       CASE WHEN s.made = 1 AND s.confirmed_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM external_ids e WHERE e.contact_id = s.contact_id)
             AND NOT EXISTS (SELECT 1 FROM list_members l WHERE l.contact_id = s.contact_id)
             AND NOT EXISTS (SELECT 1 FROM consents k WHERE k.contact_id = s.contact_id AND k.topic <> 'sign-up')
             AND NOT EXISTS (SELECT 1 FROM events e WHERE e.contact_id = s.contact_id AND e.name <> 'sign_up_requested')
             AND NOT EXISTS (SELECT 1 FROM sign_ups o WHERE o.contact_id = s.contact_id AND o.id <> s.id)
             AND NOT EXISTS (SELECT 1 FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
                              JOIN cascades c ON c.id = r.cascade_id
                              WHERE m.contact_id = s.contact_id AND c.slug <> 'confirm-' || s.form)
            THEN 1 ELSE 0 END
  FROM sign_ups s WHERE s.requested_at < :before ORDER BY s.requested_at LIMIT :limit;

-- name: drop_sign_up
DELETE FROM sign_ups WHERE id = :id;

-- name: card_sign_ups
SELECT requested_at, confirmed_at, form, value, ip, evidence FROM sign_ups
 WHERE contact_id = :contact_id ORDER BY id;

-- name: erase_sign_ups
DELETE FROM sign_ups WHERE contact_id = :contact_id;

-- name: version_of_run
SELECT version_id FROM runs WHERE contact_id = :contact_id AND id = :run_id;

-- name: channel_of_message
SELECT channel FROM messages WHERE contact_id = :contact_id AND run_id = :run_id AND step = :step;

-- name: set_tracking
-- Whether openings may be noted, as the newest consent to it says.
UPDATE contacts SET tracking = coalesce((
    SELECT k.granted FROM consents k WHERE k.contact_id = contacts.id AND k.purpose = 10
     ORDER BY k.at DESC, k.id DESC LIMIT 1), tracking)
 WHERE id = :id;
