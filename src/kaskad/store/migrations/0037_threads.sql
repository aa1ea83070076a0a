-- The inbox: what people write, and what they are answered. A thread is one contact over all channels.

CREATE TABLE threads (
    contact_id  BIGINT PRIMARY KEY,
    state       SMALLINT NOT NULL CHECK (state IN (0, 1)),  -- 0 open, 1 closed
    unread      INTEGER NOT NULL DEFAULT 0,                 -- texts that nobody has looked at
    assignee    TEXT NOT NULL DEFAULT '',
    channel     SMALLINT NOT NULL,                          -- that the person wrote on last
    last_at     BIGINT NOT NULL,                            -- of the last text, of either side
    last_in_at  BIGINT NOT NULL,
    last_out_at BIGINT,
    words       TEXT NOT NULL                               -- the beginning of the last text
);
CREATE INDEX threads_order ON threads (state, last_at, contact_id);
CREATE INDEX threads_unread ON threads (contact_id) WHERE unread > 0;

CREATE TABLE thread_texts (
    contact_id BIGINT NOT NULL,
    event      TEXT NOT NULL,              -- of a text of theirs the provider's, of ours the reply's
    at         BIGINT NOT NULL,
    channel    SMALLINT NOT NULL,
    author     TEXT NOT NULL DEFAULT '',   -- who of us has answered; '': the person wrote it
    said       TEXT NOT NULL,
    PRIMARY KEY (contact_id, event)
);
CREATE INDEX thread_texts_age ON thread_texts (at);
