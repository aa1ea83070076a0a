-- Which share of people the policy holds out, since when: figures of the past go by the share of then.

CREATE TABLE held_shares (
    lot    TEXT NOT NULL,                     -- a message class, or control: who gets no advertising at all
    since  BIGINT NOT NULL,                   -- 0: before anybody changed it
    share  INTEGER NOT NULL,                  -- of 10 000
    salt   TEXT NOT NULL,                     -- another one draws other people
    opens  BIGINT NOT NULL,                   -- a control group has days, too: from when
    closes BIGINT NOT NULL,                   -- and until before when
    PRIMARY KEY (lot, since)
) /* sqlite: WITHOUT ROWID */;
