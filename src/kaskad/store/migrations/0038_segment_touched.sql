-- Who was changed since a block of segments was made is kept once a person on SQLite, so that the table never
-- has more rows than there are people, and is found by person. On PostgreSQL it stays append-only (those who tell
-- of one person must not wait for each other), with an index; it is emptied whenever blocks are made anew.

/* sqlite:
DROP TRIGGER contacts_made;
DROP TRIGGER contacts_changed;
DROP TRIGGER events_told;
DROP TRIGGER events_moved;
DROP TRIGGER events_forgotten;
DROP TRIGGER addresses_made;
DROP TRIGGER addresses_changed;
DROP TRIGGER addresses_gone;
DROP TRIGGER consents_given;
DROP TRIGGER consents_moved;
DROP TRIGGER consents_gone;
CREATE TABLE segment_changed (
    contact_id INTEGER PRIMARY KEY,
    taken      BIGINT                         -- by the making of this generation; NULL: changed since
);
INSERT INTO segment_changed (contact_id) SELECT DISTINCT contact_id FROM segment_touched;
DROP TABLE segment_touched;
ALTER TABLE segment_changed RENAME TO segment_touched;

CREATE TRIGGER contacts_made AFTER INSERT ON contacts
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = new.id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = new.id;
    INSERT INTO segment_touched (contact_id) VALUES (new.id);
END;
CREATE TRIGGER contacts_changed AFTER UPDATE OF attributes, seed ON contacts
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = new.id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = new.id;
    INSERT INTO segment_touched (contact_id) VALUES (new.id);
END;
CREATE TRIGGER events_told AFTER INSERT ON events
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.contact_id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = new.contact_id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = new.contact_id;
    INSERT INTO segment_touched (contact_id) VALUES (new.contact_id);
END;
CREATE TRIGGER events_moved AFTER UPDATE ON events
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block IN (old.contact_id / 8192, new.contact_id / 8192)) BEGIN
    DELETE FROM segment_touched WHERE contact_id IN (old.contact_id, new.contact_id);
    INSERT INTO segment_touched (contact_id) SELECT old.contact_id UNION SELECT new.contact_id;
END;
CREATE TRIGGER events_forgotten AFTER DELETE ON events
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = old.contact_id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = old.contact_id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = old.contact_id;
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id);
END;
CREATE TRIGGER addresses_made AFTER INSERT ON addresses
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.contact_id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = new.contact_id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = new.contact_id;
    INSERT INTO segment_touched (contact_id) VALUES (new.contact_id);
END;
CREATE TRIGGER addresses_changed AFTER UPDATE OF contact_id, channel, health ON addresses
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block IN (old.contact_id / 8192, new.contact_id / 8192)) BEGIN
    DELETE FROM segment_touched WHERE contact_id IN (old.contact_id, new.contact_id);
    INSERT INTO segment_touched (contact_id) SELECT old.contact_id UNION SELECT new.contact_id;
END;
CREATE TRIGGER addresses_gone AFTER DELETE ON addresses
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = old.contact_id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = old.contact_id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = old.contact_id;
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id);
END;
CREATE TRIGGER consents_given AFTER INSERT ON consents
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.contact_id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = new.contact_id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = new.contact_id;
    INSERT INTO segment_touched (contact_id) VALUES (new.contact_id);
END;
CREATE TRIGGER consents_moved AFTER UPDATE ON consents
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block IN (old.contact_id / 8192, new.contact_id / 8192)) BEGIN
    DELETE FROM segment_touched WHERE contact_id IN (old.contact_id, new.contact_id);
    INSERT INTO segment_touched (contact_id) SELECT old.contact_id UNION SELECT new.contact_id;
END;
CREATE TRIGGER consents_gone AFTER DELETE ON consents
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = old.contact_id / 8192)
     AND NOT EXISTS (SELECT 1 FROM segment_touched WHERE contact_id = old.contact_id AND taken IS NULL) BEGIN
    DELETE FROM segment_touched WHERE contact_id = old.contact_id;
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id);
END;
*/
/* postgresql: CREATE INDEX segment_touched_contact ON segment_touched (contact_id); */
