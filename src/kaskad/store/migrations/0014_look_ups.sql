-- Messages of which a service tells more when it is asked: their price, or how a call ended.

CREATE TABLE look_ups (
    account_id BIGINT NOT NULL,
    provider_id TEXT NOT NULL,
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    step       INTEGER NOT NULL,
    sent_at    BIGINT NOT NULL,
    tries      SMALLINT NOT NULL DEFAULT 0,   -- how often it has been asked
    due_at     BIGINT NOT NULL,
    PRIMARY KEY (account_id, provider_id)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX look_ups_due ON look_ups (due_at);
