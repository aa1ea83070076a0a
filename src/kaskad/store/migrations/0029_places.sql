-- Which of a contact's addresses is used, and where its zone is known from.

ALTER TABLE addresses ADD COLUMN main SMALLINT NOT NULL DEFAULT 0; -- 1: before all others of its channel
ALTER TABLE addresses ADD COLUMN confirmed_at BIGINT;              -- when somebody last showed or said that it is right
ALTER TABLE contacts ADD COLUMN zone_source SMALLINT;              -- of a zone: 1 told, 2 delivery address, 3 site or app
ALTER TABLE contacts ADD COLUMN zone_at BIGINT;                    -- when it was last told

UPDATE contacts SET zone_source = 1 WHERE zone IS NOT NULL;
