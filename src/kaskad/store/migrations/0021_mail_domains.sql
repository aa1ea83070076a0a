-- Domains of mail addresses, and whether they take mail as DNS says; addresses that they make undeliverable.

CREATE TABLE mail_domains (
    domain     TEXT PRIMARY KEY,                -- as in addresses: lower-case, ASCII
    next_at    BIGINT NOT NULL DEFAULT 0,       -- when it is looked up next
    checked_at BIGINT,                          -- when DNS last answered; NULL: never yet
    since      BIGINT,                          -- from when on the state is this one
    tries      SMALLINT NOT NULL DEFAULT 0,     -- since then without an answer
    state      SMALLINT CHECK (state BETWEEN 0 AND 3), -- 0 takes mail; else why not (domain/mailbox.py); NULL: unknown
    unmarked   SMALLINT NOT NULL DEFAULT 0 CHECK (unmarked IN (0, 1)) -- 1: its addresses do not show the state yet
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX mail_domains_due ON mail_domains (next_at);
CREATE INDEX mail_domains_unmarked ON mail_domains (domain) WHERE unmarked = 1;

-- Why an address of health 1 is so: a state of its domain, which may pass; NULL: it does not exist.
ALTER TABLE addresses ADD COLUMN why SMALLINT;

INSERT INTO mail_domains (domain)
SELECT DISTINCT substr(value, /* sqlite: instr(value, '@') */ /* postgresql: strpos(value, '@') */ + 1)
  FROM addresses WHERE channel = 1;
