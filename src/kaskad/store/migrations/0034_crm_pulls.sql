-- People who are being fetched from CRMs, until the import that follows has ended.

CREATE TABLE crm_pulls (
    account_id BIGINT PRIMARY KEY,
    changed_at BIGINT NOT NULL,
    place      TEXT NOT NULL DEFAULT '',        -- cursor of the next page
    pages      INTEGER NOT NULL DEFAULT 0,
    people     BIGINT NOT NULL DEFAULT 0,
    whole      SMALLINT NOT NULL DEFAULT 0 CHECK (whole IN (0, 1))
);

CREATE TABLE crm_pages (
    account_id BIGINT NOT NULL,
    number     INTEGER NOT NULL,                -- 1, 2, …
    lines      /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL, -- Fernet token over JSON Lines
    PRIMARY KEY (account_id, number)
);
