-- Events by contact, name and day (of UTC), for segments: triggers keep them, so that whatever tells, moves or
-- forgets an event need not think of it. By name first, then by contact: a segment asks about
-- all contacts at once, and groups the days of each without sorting.

CREATE TABLE event_days (
    name       TEXT NOT NULL,
    day        INTEGER NOT NULL,              -- since 1970 UTC
    contact_id BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    events     INTEGER NOT NULL,
    PRIMARY KEY (name, contact_id, day)
) /* sqlite: WITHOUT ROWID */;

INSERT INTO event_days (name, day, contact_id, first_at, last_at, events)
SELECT name, at / 86400000, contact_id, min(at), max(at), count(*) FROM events
 GROUP BY name, at / 86400000, contact_id;

/* sqlite:
CREATE TRIGGER events_told AFTER INSERT ON events BEGIN
    INSERT INTO event_days (name, day, contact_id, first_at, last_at, events)
    VALUES (new.name, new.at / 86400000, new.contact_id, new.at, new.at, 1)
    ON CONFLICT (name, contact_id, day) DO UPDATE
       SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at), events = events + 1;
END;
CREATE TRIGGER events_forgotten AFTER DELETE ON events BEGIN
    DELETE FROM event_days WHERE name = old.name AND day = old.at / 86400000 AND contact_id = old.contact_id;
    INSERT INTO event_days (name, day, contact_id, first_at, last_at, events)
    SELECT old.name, old.at / 86400000, old.contact_id, min(at), max(at), count(*) FROM events
     WHERE contact_id = old.contact_id AND name = old.name AND at / 86400000 = old.at / 86400000
    HAVING count(*) > 0;
END;
CREATE TRIGGER events_moved AFTER UPDATE OF contact_id, name, at ON events BEGIN
    DELETE FROM event_days WHERE name = old.name AND day = old.at / 86400000 AND contact_id = old.contact_id;
    INSERT INTO event_days (name, day, contact_id, first_at, last_at, events)
    SELECT old.name, old.at / 86400000, old.contact_id, min(at), max(at), count(*) FROM events
     WHERE contact_id = old.contact_id AND name = old.name AND at / 86400000 = old.at / 86400000
    HAVING count(*) > 0;
    DELETE FROM event_days WHERE name = new.name AND day = new.at / 86400000 AND contact_id = new.contact_id;
    INSERT INTO event_days (name, day, contact_id, first_at, last_at, events)
    SELECT new.name, new.at / 86400000, new.contact_id, min(at), max(at), count(*) FROM events
     WHERE contact_id = new.contact_id AND name = new.name AND at / 86400000 = new.at / 86400000;
END;
*/
/* postgresql:
CREATE FUNCTION count_told_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_days AS d (name, day, contact_id, first_at, last_at, events)
    SELECT name, at / 86400000, contact_id, min(at), max(at), count(*) FROM told
     GROUP BY name, at / 86400000, contact_id ORDER BY name, contact_id, at / 86400000
    ON CONFLICT (name, contact_id, day) DO UPDATE
       SET first_at = least(d.first_at, excluded.first_at), last_at = greatest(d.last_at, excluded.last_at),
           events = d.events + excluded.events;
    RETURN NULL;
END $$;
CREATE TRIGGER events_told AFTER INSERT ON events REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION count_told_events();

CREATE FUNCTION count_lost_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM event_days d USING lost l
     WHERE d.name = l.name AND d.day = l.at / 86400000 AND d.contact_id = l.contact_id;
    INSERT INTO event_days (name, day, contact_id, first_at, last_at, events)
    SELECT e.name, e.at / 86400000, e.contact_id, min(e.at), max(e.at), count(*)
      FROM (SELECT DISTINCT name, at / 86400000 AS day, contact_id FROM lost) l
      JOIN events e ON e.contact_id = l.contact_id AND e.name = l.name AND e.at / 86400000 = l.day
     GROUP BY e.name, e.at / 86400000, e.contact_id;
    RETURN NULL;
END $$;
CREATE TRIGGER events_forgotten AFTER DELETE ON events REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION count_lost_events();

CREATE FUNCTION count_moved_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM event_days d USING (SELECT * FROM lost UNION ALL SELECT * FROM told) l
     WHERE d.name = l.name AND d.day = l.at / 86400000 AND d.contact_id = l.contact_id;
    INSERT INTO event_days (name, day, contact_id, first_at, last_at, events)
    SELECT e.name, e.at / 86400000, e.contact_id, min(e.at), max(e.at), count(*)
      FROM (SELECT name, at / 86400000 AS day, contact_id FROM lost
            UNION SELECT name, at / 86400000, contact_id FROM told) l
      JOIN events e ON e.contact_id = l.contact_id AND e.name = l.name AND e.at / 86400000 = l.day
     GROUP BY e.name, e.at / 86400000, e.contact_id;
    RETURN NULL;
END $$;
CREATE TRIGGER events_moved AFTER UPDATE ON events REFERENCING OLD TABLE AS lost NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION count_moved_events();
*/
