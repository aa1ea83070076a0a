-- People who were erased: the act of each. Nothing here names anybody.

CREATE TABLE erasures (
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    contact_id BIGINT NOT NULL UNIQUE,
    at         BIGINT NOT NULL,
    who        TEXT NOT NULL,                 -- name of the key that asked for it
    hashes     TEXT NOT NULL,                 -- JSON: the addresses' keyed hashes, as in suppressions
    counts     TEXT NOT NULL                  -- JSON: how many rows of each kind were deleted or emptied
);
CREATE INDEX erasures_at ON erasures (at);
