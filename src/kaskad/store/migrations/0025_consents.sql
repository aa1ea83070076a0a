-- Consents of one brand among several; sign-up forms, and who has not confirmed yet.

ALTER TABLE consents ADD COLUMN brand TEXT NOT NULL DEFAULT '';  -- '': every brand

CREATE TABLE forms (
    name       TEXT PRIMARY KEY,
    definition TEXT NOT NULL,                 -- JSON
    changed_at BIGINT NOT NULL
);

CREATE TABLE form_texts (                       -- each wording that people may have seen, for ever
    version TEXT PRIMARY KEY,                 -- beginning of its SHA-256
    text    TEXT NOT NULL
);

CREATE TABLE sign_ups (
    id           /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    contact_id   BIGINT NOT NULL,
    requested_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    channel      SMALLINT NOT NULL,
    made         SMALLINT NOT NULL CHECK (made IN (0, 1)),    -- the contact was made by it
    sent         SMALLINT NOT NULL CHECK (sent IN (0, 1)),    -- a message was asked for
    tries        SMALLINT NOT NULL DEFAULT 0, -- wrong codes
    form         TEXT NOT NULL,
    value        TEXT NOT NULL,               -- the address that was given
    ip           TEXT NOT NULL,
    code_hash    TEXT NOT NULL DEFAULT '',    -- of the code that goes to a phone
    evidence     TEXT NOT NULL                -- JSON: text, its version, language, source, ip, agent
);
CREATE INDEX sign_ups_value ON sign_ups (value, requested_at);
CREATE INDEX sign_ups_ip ON sign_ups (ip, requested_at);
CREATE INDEX sign_ups_age ON sign_ups (requested_at);
CREATE INDEX sign_ups_contact ON sign_ups (contact_id);
