-- Accounts that send nothing because mail servers refuse them for what they are, until somebody resumes them.
CREATE TABLE account_holds (
    account_id BIGINT PRIMARY KEY,
    held_at    BIGINT NOT NULL,
    why        TEXT NOT NULL                  -- in words, with what a server said last
);
