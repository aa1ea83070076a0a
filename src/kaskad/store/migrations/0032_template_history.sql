-- Every text that a template has had, so that one can see who changed it and go back.

CREATE TABLE template_history (
    name     TEXT NOT NULL,
    channel  INTEGER NOT NULL,
    language TEXT NOT NULL,
    number   INTEGER NOT NULL,
    content  TEXT NOT NULL,                  -- JSON, as it was written
    saved_at BIGINT NOT NULL,
    saved_by TEXT NOT NULL,
    PRIMARY KEY (name, channel, language, number)
);
INSERT INTO template_history (name, channel, language, number, content, saved_at, saved_by)
SELECT name, channel, language, 1, content, saved_at, '' FROM templates;
