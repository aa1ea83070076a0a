-- Who has an address, on SQLite: a table of its own in place of an index. A row of an index is written with that of
-- its table: whoever brings in many people, whose addresses come in no order, then changes a page of 8 KiB for each.
-- Here the rows may be there before those of `addresses`, in the order of addresses, thousands at a time. So the book
-- says who may have an address: never fewer than those who do, and for a while more.

/* sqlite:
CREATE TABLE address_book (
    value      TEXT NOT NULL,
    channel    SMALLINT NOT NULL,
    contact_id BIGINT NOT NULL,
    PRIMARY KEY (value, channel, contact_id)
) WITHOUT ROWID;
INSERT INTO address_book (value, channel, contact_id)
SELECT value, channel, contact_id FROM addresses ORDER BY value, channel, contact_id;
DROP INDEX addresses_value;

CREATE TRIGGER addresses_booked AFTER INSERT ON addresses BEGIN
    INSERT INTO address_book (value, channel, contact_id) VALUES (new.value, new.channel, new.contact_id)
    ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER addresses_rebooked AFTER UPDATE OF contact_id, channel, value ON addresses BEGIN
    DELETE FROM address_book
     WHERE value = old.value AND channel = old.channel AND contact_id = old.contact_id;
    INSERT INTO address_book (value, channel, contact_id) VALUES (new.value, new.channel, new.contact_id)
    ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER addresses_unbooked AFTER DELETE ON addresses BEGIN
    DELETE FROM address_book
     WHERE value = old.value AND channel = old.channel
       AND NOT EXISTS (SELECT 1 FROM addresses a
                        WHERE a.contact_id = address_book.contact_id AND a.channel = address_book.channel
                          AND a.value = address_book.value);
END;
*/

CREATE TABLE placements (                     -- numbers of contacts to come, some of whom stand in the book already
    import_id BIGINT PRIMARY KEY,
    owner     TEXT NOT NULL,                  -- the process that makes them
    first_id  BIGINT NOT NULL,
    last_id   BIGINT NOT NULL
);
