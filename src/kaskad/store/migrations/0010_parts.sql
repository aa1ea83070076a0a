-- Messages that travel as several, each part with an id and receipts of its own (SMPP).

ALTER TABLE provider_ids ADD COLUMN part SMALLINT;  -- NULL: the whole message; 1: awaited, 0: delivered
CREATE INDEX provider_ids_parts ON provider_ids (contact_id, run_id, step) WHERE part IS NOT NULL;
