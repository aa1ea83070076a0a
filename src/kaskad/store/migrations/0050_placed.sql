-- Whoever writes people whose addresses stand in the book already looks into it no more: neither for who else has
-- them, for that is noted when it happens, nor to put them there.

ALTER TABLE placements ADD COLUMN writing SMALLINT NOT NULL DEFAULT 0; -- 1: its people are being written; set back
                                                                       -- in the same transaction

CREATE TABLE booked_twice (                   -- who of a placement shares an address with somebody before or beside
    contact_id BIGINT PRIMARY KEY
) /* sqlite: WITHOUT ROWID */;

/* sqlite:
DROP TRIGGER addresses_booked;
CREATE TRIGGER addresses_booked AFTER INSERT ON addresses
    WHEN NOT EXISTS (SELECT 1 FROM placements WHERE writing = 1) BEGIN
    INSERT INTO address_book (value, channel, contact_id) VALUES (new.value, new.channel, new.contact_id)
    ON CONFLICT DO NOTHING;
    INSERT INTO booked_twice (contact_id)
    SELECT b.contact_id FROM placements p CROSS JOIN address_book b
     WHERE b.value = new.value AND b.channel = new.channel AND b.contact_id BETWEEN p.first_id AND p.last_id
    ON CONFLICT DO NOTHING;
END;
DROP TRIGGER addresses_rebooked;
CREATE TRIGGER addresses_rebooked AFTER UPDATE OF contact_id, channel, value ON addresses BEGIN
    DELETE FROM address_book
     WHERE value = old.value AND channel = old.channel AND contact_id = old.contact_id;
    INSERT INTO address_book (value, channel, contact_id) VALUES (new.value, new.channel, new.contact_id)
    ON CONFLICT DO NOTHING;
    INSERT INTO booked_twice (contact_id)
    SELECT b.contact_id FROM placements p CROSS JOIN address_book b
     WHERE b.value = new.value AND b.channel = new.channel AND b.contact_id BETWEEN p.first_id AND p.last_id
    ON CONFLICT DO NOTHING;
END;
*/
