-- Definitions that are not in force yet, whom a launch is for, and links that sign a browser in once.

CREATE TABLE drafts (
    cascade_id BIGINT PRIMARY KEY REFERENCES cascades (id),
    source     TEXT NOT NULL,                 -- the text as written, mistakes and all
    saved_at   BIGINT NOT NULL
);

ALTER TABLE launches ADD COLUMN size BIGINT;   -- contacts when it began; NULL: not counted
ALTER TABLE launches ADD COLUMN audience TEXT NOT NULL DEFAULT ''; -- everybody, list NAME or segment NAME

CREATE TABLE sign_ins (
    hash       /* sqlite: BLOB */ /* postgresql: BYTEA */ PRIMARY KEY, -- SHA-256 of the token, which is nowhere kept
    expires_at BIGINT NOT NULL                -- by the world's clock
) /* sqlite: WITHOUT ROWID */;
