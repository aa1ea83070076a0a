-- Texts that services approve, and when a person last wrote to an account whose service asks for that.

CREATE TABLE dialogues (
    contact_id BIGINT NOT NULL,
    heard_at   BIGINT NOT NULL,
    account_id INTEGER NOT NULL,
    PRIMARY KEY (contact_id, account_id)
) /* by contact */;

CREATE TABLE approved_texts (
    account_id BIGINT NOT NULL,
    name       TEXT NOT NULL,
    language   TEXT NOT NULL,
    state      SMALLINT,                      -- NULL: a word of the service that we do not know
    changed_at BIGINT NOT NULL,               -- when the state last did, as far as we know
    why        TEXT NOT NULL DEFAULT '',      -- of the state, in the service's words
    told       TEXT NOT NULL,                 -- JSON: the text as the service lists it
    PRIMARY KEY (account_id, name, language)
) /* sqlite: WITHOUT ROWID */;
