-- What a defect of ours kept from being applied waits for a person, and for a version that can: nothing accepted is lost.
ALTER TABLE inbox ADD COLUMN set_aside_at BIGINT;
ALTER TABLE inbox ADD COLUMN defect TEXT;
CREATE INDEX inbox_set_aside ON inbox (id) WHERE set_aside_at IS NOT NULL;
