-- What is held for messages by account and day, for budgets of accounts and of the whole installation.

CREATE TABLE spending (
    account_id BIGINT NOT NULL,
    day        BIGINT NOT NULL,               -- of submission, in the policy's zone; days since the year 1
    amount     BIGINT NOT NULL,               -- minor units
    PRIMARY KEY (account_id, day)
) /* sqlite: WITHOUT ROWID */;
