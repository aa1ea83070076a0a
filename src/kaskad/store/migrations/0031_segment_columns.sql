-- What segments ask about is kept by column, in blocks of 8192 contacts, so that a condition over everybody is
-- arithmetic over arrays. A block is made when it is first needed and again when much of it has changed. In
-- between, whoever was changed is in `segment_touched`, and is looked at as they stand: triggers see to that, so
-- that whatever changes a person need not think of it. Where no block is made they do nothing.
-- The days of events, which segments were counted by before, are dropped.

/* sqlite:
DROP TRIGGER events_told;
DROP TRIGGER events_forgotten;
DROP TRIGGER events_moved;
*/
/* postgresql:
DROP TRIGGER events_told ON events;
DROP TRIGGER events_forgotten ON events;
DROP TRIGGER events_moved ON events;
DROP FUNCTION count_told_events();
DROP FUNCTION count_lost_events();
DROP FUNCTION count_moved_events();
*/
DROP TABLE event_days;

-- Seed and test contacts: staff who look at what is sent. They are in no figure.
ALTER TABLE contacts ADD COLUMN seed SMALLINT NOT NULL DEFAULT 0 CHECK (seed IN (0, 1));
CREATE INDEX contacts_seeds ON contacts (id) WHERE seed = 1;

CREATE TABLE segment_blocks (
    block      BIGINT PRIMARY KEY,            -- contact_id / 8192
    generation BIGINT NOT NULL,               -- grows whenever a making begins, or what is made is dropped
    built_at   BIGINT                         -- NULL: nothing is made
);
CREATE TABLE segment_columns (
    block    BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,                   -- of an attribute or event
    property TEXT NOT NULL,                   -- of an event
    data     /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL,
    PRIMARY KEY (kind, name, property, block)
);
CREATE INDEX segment_columns_block ON segment_columns (block);
CREATE TABLE segment_touched (                -- append-only, so that those who tell of one person never wait
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    contact_id BIGINT NOT NULL,
    taken      BIGINT                         -- by the making of this generation
);

/* sqlite:
CREATE TRIGGER contacts_made AFTER INSERT ON contacts
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (new.id);
END;
CREATE TRIGGER contacts_changed AFTER UPDATE OF attributes, seed ON contacts
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (new.id);
END;
CREATE TRIGGER contacts_erased AFTER UPDATE OF erased_at ON contacts WHEN new.erased_at IS NOT NULL BEGIN
    UPDATE segment_blocks SET generation = generation + 1, built_at = NULL WHERE block = new.id / 8192;
    DELETE FROM segment_columns WHERE block = new.id / 8192;
END;
CREATE TRIGGER contacts_gone AFTER DELETE ON contacts BEGIN
    UPDATE segment_blocks SET generation = generation + 1, built_at = NULL WHERE block = old.id / 8192;
    DELETE FROM segment_columns WHERE block = old.id / 8192;
END;
CREATE TRIGGER events_told AFTER INSERT ON events
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.contact_id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (new.contact_id);
END;
CREATE TRIGGER events_moved AFTER UPDATE ON events
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block IN (old.contact_id / 8192, new.contact_id / 8192)) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id), (new.contact_id);
END;
CREATE TRIGGER events_forgotten AFTER DELETE ON events
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = old.contact_id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id);
END;
CREATE TRIGGER addresses_made AFTER INSERT ON addresses
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.contact_id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (new.contact_id);
END;
CREATE TRIGGER addresses_changed AFTER UPDATE OF contact_id, channel, health ON addresses
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block IN (old.contact_id / 8192, new.contact_id / 8192)) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id), (new.contact_id);
END;
CREATE TRIGGER addresses_gone AFTER DELETE ON addresses
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = old.contact_id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id);
END;
CREATE TRIGGER consents_given AFTER INSERT ON consents
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = new.contact_id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (new.contact_id);
END;
CREATE TRIGGER consents_moved AFTER UPDATE ON consents
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block IN (old.contact_id / 8192, new.contact_id / 8192)) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id), (new.contact_id);
END;
CREATE TRIGGER consents_gone AFTER DELETE ON consents
    WHEN EXISTS (SELECT 1 FROM segment_blocks WHERE block = old.contact_id / 8192) BEGIN
    INSERT INTO segment_touched (contact_id) VALUES (old.contact_id);
END;
*/
/* postgresql:
CREATE FUNCTION touch_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM segment_blocks) THEN
        INSERT INTO segment_touched (contact_id)
        SELECT DISTINCT t.contact_id FROM told t JOIN segment_blocks b ON b.block = t.contact_id / 8192;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION touch_lost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM segment_blocks) THEN
        INSERT INTO segment_touched (contact_id)
        SELECT DISTINCT t.contact_id FROM lost t JOIN segment_blocks b ON b.block = t.contact_id / 8192;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION touch_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM segment_blocks) THEN
        INSERT INTO segment_touched (contact_id)
        SELECT t.contact_id FROM (SELECT contact_id FROM told UNION SELECT contact_id FROM lost) t
          JOIN segment_blocks b ON b.block = t.contact_id / 8192;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION touch_made_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM segment_blocks) THEN
        INSERT INTO segment_touched (contact_id)
        SELECT t.id FROM told t JOIN segment_blocks b ON b.block = t.id / 8192;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION touch_changed_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM segment_blocks) THEN
        INSERT INTO segment_touched (contact_id)
        SELECT t.id FROM told t JOIN segment_blocks b ON b.block = t.id / 8192;
        UPDATE segment_blocks SET generation = generation + 1, built_at = NULL
         WHERE block IN (SELECT id / 8192 FROM told WHERE erased_at IS NOT NULL);
        DELETE FROM segment_columns WHERE block IN (SELECT id / 8192 FROM told WHERE erased_at IS NOT NULL);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION forget_gone_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM segment_blocks) THEN
        UPDATE segment_blocks SET generation = generation + 1, built_at = NULL
         WHERE block IN (SELECT id / 8192 FROM lost);
        DELETE FROM segment_columns WHERE block IN (SELECT id / 8192 FROM lost);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER contacts_made AFTER INSERT ON contacts REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION touch_made_contacts();
CREATE TRIGGER contacts_changed AFTER UPDATE ON contacts REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION touch_changed_contacts();
CREATE TRIGGER contacts_gone AFTER DELETE ON contacts REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION forget_gone_contacts();
CREATE TRIGGER events_told AFTER INSERT ON events REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION touch_told();
CREATE TRIGGER events_moved AFTER UPDATE ON events REFERENCING NEW TABLE AS told OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION touch_both();
CREATE TRIGGER events_forgotten AFTER DELETE ON events REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION touch_lost();
CREATE TRIGGER addresses_made AFTER INSERT ON addresses REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION touch_told();
CREATE TRIGGER addresses_changed AFTER UPDATE ON addresses REFERENCING NEW TABLE AS told OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION touch_both();
CREATE TRIGGER addresses_gone AFTER DELETE ON addresses REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION touch_lost();
CREATE TRIGGER consents_given AFTER INSERT ON consents REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION touch_told();
CREATE TRIGGER consents_moved AFTER UPDATE ON consents REFERENCING NEW TABLE AS told OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION touch_both();
CREATE TRIGGER consents_gone AFTER DELETE ON consents REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION touch_lost();
*/

CREATE TABLE segment_watches (                -- of cascades that are entered by becoming a member of a segment
    cascade_id BIGINT PRIMARY KEY,
    segment    TEXT NOT NULL,
    checked_at BIGINT NOT NULL,
    members    /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL -- ids of then, eight bytes each
);
