-- Price lists of accounts: each is brought in whole, and asked in memory.

CREATE TABLE price_lists (
    account_id  BIGINT PRIMARY KEY,
    imported_at BIGINT NOT NULL,
    currency    TEXT NOT NULL,
    source      TEXT NOT NULL,                -- name of the file
    size        INTEGER NOT NULL,             -- rows
    prices      TEXT NOT NULL                 -- JSON: the rows
);
