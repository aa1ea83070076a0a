-- Conditions ask a contact's own zone, language and country: a change of these is one that segments are to see.
/* sqlite:
DROP TRIGGER contacts_changed;
CREATE TRIGGER contacts_changed AFTER UPDATE OF attributes, seed, zone, language, country ON contacts
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = new.id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = new.id;
    INSERT INTO segment_touched (contact_id) VALUES (new.id);
END;
*/
UPDATE segment_blocks SET generation = generation + 1, built_at = NULL;
DELETE FROM segment_columns;
