-- People who sign in, their sessions, the links that invite them, and what was tried in vain.

CREATE TABLE users (
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,          -- lower case
    name       TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('owner', 'marketer', 'agent', 'viewer')),
    password   TEXT,                          -- Argon2id; NULL until the invitation is taken up
    language   TEXT NOT NULL DEFAULT '',      -- '': as the browser asks
    theme      TEXT NOT NULL DEFAULT '',      -- '': as the system has it
    totp       TEXT,                          -- its secret, encrypted; NULL: none
    totp_last  BIGINT NOT NULL DEFAULT 0,     -- number of the last code's half minute: no code counts twice
    codes      TEXT NOT NULL DEFAULT '[]',    -- SHA-256 of the recovery codes that are left, as hex
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    hash       /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL UNIQUE,
    user_id    BIGINT REFERENCES users (id) ON DELETE CASCADE,
    key_id     BIGINT,                        -- of api_keys: the session ends with its key
    name       TEXT NOT NULL,                 -- who signed in where it was no user: a key's name, or "link"
    address    TEXT NOT NULL,                 -- IP
    agent      TEXT NOT NULL,                 -- what the browser calls itself
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    until      BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_until ON sessions (until);

CREATE TABLE user_links (
    hash       /* sqlite: BLOB */ /* postgresql: BYTEA */ PRIMARY KEY,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX user_links_user ON user_links (user_id);

CREATE TABLE sign_in_failures (
    id      /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    subject TEXT NOT NULL,                    -- "user …" or "address …", hashed
    at      BIGINT NOT NULL
);
CREATE INDEX sign_in_failures_subject ON sign_in_failures (subject, at);
CREATE INDEX sign_in_failures_at ON sign_in_failures (at);
