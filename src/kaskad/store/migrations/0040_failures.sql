-- What an account has been refused lately; rows are written for failures only.
CREATE INDEX attempts_account ON attempts (account_id, ended_at);
