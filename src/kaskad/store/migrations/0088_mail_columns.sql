-- Mails by who keeps the mailbox are counted by column: whose mailbox it is lies with what segments ask about, and changes
-- with the address that is preferred; the mails lie with what cascades did (`deed_columns`, word `mailed`). Blocks that are
-- made have neither, and are made anew. On PostgreSQL any change of an address is noted already.
/* sqlite:
DROP TRIGGER addresses_changed;
CREATE TRIGGER addresses_changed AFTER UPDATE OF contact_id, channel, value, health, preferred ON addresses
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block IN (old.contact_id / 8192, new.contact_id / 8192)) BEGIN
    DELETE FROM segment_touched WHERE contact_id IN (old.contact_id, new.contact_id);
    INSERT INTO segment_touched (contact_id) SELECT old.contact_id UNION SELECT new.contact_id;
END;
*/
UPDATE segment_blocks SET generation = generation + 1, built_at = NULL;
DELETE FROM segment_columns;
DELETE FROM run_blocks;
DELETE FROM run_columns;
DELETE FROM deed_columns;
DELETE FROM run_touched;
