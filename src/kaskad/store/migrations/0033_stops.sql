-- Stops that were read out of free text: a person looks at each.

CREATE TABLE stops (
    id         /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    contact_id BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    channels   INTEGER NOT NULL,              -- bits 1 << channel code that it closed
    verdict    SMALLINT NOT NULL DEFAULT 0 CHECK (verdict BETWEEN 0 AND 2), -- 0 to be looked at, 1 stands, 2 undone
    looked_at  BIGINT,
    looked_by  TEXT NOT NULL DEFAULT '',
    said       TEXT NOT NULL                  -- what the person wrote
);
CREATE INDEX stops_open ON stops (id) WHERE verdict = 0;
CREATE INDEX stops_contact ON stops (contact_id);
