-- What an import found, by kind, and the rows that it left out.

ALTER TABLE imports ADD COLUMN shape TEXT NOT NULL DEFAULT '';      -- in words: kind of file, encoding, delimiter
ALTER TABLE imports ADD COLUMN guessed TEXT NOT NULL DEFAULT '[]';  -- JSON: headers told by their cells only
ALTER TABLE imports ADD COLUMN header TEXT NOT NULL DEFAULT '[]';   -- JSON: as it stood in the file
ALTER TABLE imports ADD COLUMN counts TEXT NOT NULL DEFAULT '{}';   -- JSON: kind of note -> how many rows

CREATE TABLE import_rejects (
    import_id BIGINT NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    row       BIGINT NOT NULL,
    reason    TEXT NOT NULL,
    cells     TEXT NOT NULL,                  -- JSON
    PRIMARY KEY (import_id, row)
);
