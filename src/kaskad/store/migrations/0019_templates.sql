-- Texts of their own, by channel and language, and those that versions of cascades have frozen.

CREATE TABLE templates (
    name     TEXT NOT NULL CHECK (name <> ''),
    channel  INTEGER NOT NULL,                  -- 0: a part of others
    language TEXT NOT NULL,                     -- "ru"; of a part "" is for all
    fallback INTEGER NOT NULL CHECK (fallback IN (0, 1)), -- 1: for those in whose language there is none
    content  TEXT NOT NULL,                     -- JSON, as it was written
    saved_at BIGINT NOT NULL,
    PRIMARY KEY (name, channel, language)
);

CREATE TABLE version_texts (                    -- never changed: runs under way keep their words
    version_id BIGINT NOT NULL REFERENCES versions (id),
    name       TEXT NOT NULL,
    channel    INTEGER NOT NULL,
    language   TEXT NOT NULL,
    fallback   INTEGER NOT NULL CHECK (fallback IN (0, 1)),
    content    TEXT NOT NULL,                   -- JSON, with its parts in it and HTML made of its MJML
    PRIMARY KEY (version_id, name, channel, language)
);
