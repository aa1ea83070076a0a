-- What a message costs, step by step: a row only where the amount changed after it was reserved.

ALTER TABLE messages ADD COLUMN spent BIGINT; -- what earlier attempts cost; NULL: nothing

CREATE TABLE amounts (
    contact_id BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    before     BIGINT NOT NULL,               -- minor units that were held for the message, …
    after      BIGINT NOT NULL,               -- … and are from then on
    run_id     INTEGER NOT NULL,
    step       SMALLINT NOT NULL,
    kind       SMALLINT NOT NULL,             -- of domain/ledger.py
    source     TEXT NOT NULL DEFAULT '',      -- of a bill: its file
    PRIMARY KEY (contact_id, run_id, step, at, kind)
) /* by contact */;

-- From now on `reserved` is all that is held for a cascade: prices, and costs where they are known.
UPDATE cascades SET reserved = charged WHERE charged > reserved;
