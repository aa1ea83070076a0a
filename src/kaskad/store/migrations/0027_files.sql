-- Files that go with mails or are linked to, and what stands in people's calendars because of us.

CREATE TABLE files (
    id       /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE CHECK (name <> ''),
    title    TEXT NOT NULL,                  -- what people see it called: prices.pdf
    kind     TEXT NOT NULL,                  -- media type
    size     BIGINT NOT NULL,
    digest   TEXT NOT NULL,                  -- SHA-256 of the content, in hexadecimal
    content  /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL,
    saved_at BIGINT NOT NULL,
    saved_by TEXT NOT NULL,
    scanned  INTEGER NOT NULL CHECK (scanned IN (0, 1)) -- an antivirus has passed it
);

CREATE TABLE invites (                       -- the last appointment of each name that left us
    contact_id BIGINT NOT NULL,
    name       TEXT NOT NULL,                -- as the definition's `uid` says; else that of the run
    uid        TEXT NOT NULL,                -- as calendars know it
    sequence   INTEGER NOT NULL,
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    place      TEXT NOT NULL,
    cancelled  INTEGER NOT NULL CHECK (cancelled IN (0, 1)),
    PRIMARY KEY (contact_id, name)
) /* by contact: contact_id */;
