-- Opt-in links, and how far each account has been polled.

CREATE TABLE opt_ins (
    token_hash /* sqlite: BLOB */ /* postgresql: BYTEA */ PRIMARY KEY, -- SHA-256 of the token, which is nowhere kept
    contact_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    purpose    SMALLINT NOT NULL,             -- of the consent: message class code; 9: any
    confirm    SMALLINT NOT NULL DEFAULT 1 CHECK (confirm IN (0, 1)), -- ask for the last digits of a known phone
    tries      SMALLINT NOT NULL DEFAULT 0,   -- wrong digits
    topic      TEXT NOT NULL DEFAULT '',
    consent    TEXT NOT NULL DEFAULT '',      -- the words that the person agreed to by opening the link
    address    TEXT                           -- the chat that opened it last
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX opt_ins_contact ON opt_ins (contact_id);
CREATE INDEX opt_ins_asked ON opt_ins (account_id, address) WHERE used_at IS NULL AND address IS NOT NULL;
CREATE INDEX opt_ins_age ON opt_ins (expires_at);

CREATE TABLE polls (
    account_id BIGINT PRIMARY KEY,
    cursor     TEXT NOT NULL DEFAULT '',      -- what the provider wants to be asked for next
    holder     TEXT NOT NULL,                 -- the process that polls …
    held_until BIGINT NOT NULL                -- … unless it says no more until then; the machine's time
);
