-- name: look_dialogues
-- hot
-- When these contacts last wrote to accounts whose service lets free text go only for some time after that.
-- example: {"ids": [1]}
SELECT contact_id, account_id, heard_at FROM dialogues
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: put_dialogue
-- The person has written; what is told late does not count against what is known.
INSERT INTO dialogues (contact_id, account_id, heard_at) VALUES (:contact_id, :account_id, :at)
ON CONFLICT (contact_id, account_id) DO UPDATE SET heard_at = excluded.heard_at
 WHERE dialogues.heard_at < excluded.heard_at;

-- name: contacts_at_address
-- All that have the address: whoever of them wrote, its chat is open.
SELECT contact_id FROM addresses WHERE value = :value AND channel = :channel
   /* sqlite: AND contact_id IN (SELECT contact_id FROM address_book WHERE value = :value AND channel = :channel) */;

-- name: approved_texts
SELECT account_id, name, language, state, told, changed_at, why FROM approved_texts ORDER BY account_id, name, language;

-- name: put_approved_text
-- Why its state is what it is stays known as long as that state does.
INSERT INTO approved_texts (account_id, name, language, state, changed_at, told)
VALUES (:account_id, :name, :language, :state, :now, :told)
ON CONFLICT (account_id, name, language) DO UPDATE SET
       why = CASE WHEN approved_texts.state = excluded.state THEN approved_texts.why ELSE '' END,
       changed_at = CASE WHEN approved_texts.state = excluded.state THEN approved_texts.changed_at
                         ELSE excluded.changed_at END,
       state = excluded.state, told = excluded.told;

-- name: change_approved_text
UPDATE approved_texts SET state = :state, why = :why, changed_at = :now, told = :told
 WHERE account_id = :account_id AND name = :name AND language = :language;

-- name: drop_approved_text
DELETE FROM approved_texts WHERE account_id = :account_id AND name = :name AND language = :language;
