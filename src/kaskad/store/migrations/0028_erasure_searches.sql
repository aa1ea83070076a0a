-- What was kept whole from services is searched for erased people piece by piece: a row is a search under way.

CREATE TABLE erasure_searches (
    erasure_id BIGINT PRIMARY KEY REFERENCES erasures (id),
    contact_id BIGINT NOT NULL,
    stage      INTEGER NOT NULL DEFAULT 0,
    place      TEXT NOT NULL DEFAULT '[]',    -- JSON: key of the last row of the stage that was looked at
    told       /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL -- Fernet token over JSON: how the person is told
);
